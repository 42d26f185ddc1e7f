"""Sweeps with real trials: stopped and taken up, shared by workers, in SQLite and PostgreSQL, killed and repaired."""

import errno
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import yaml

from finetune import sweep as sweeps
from finetune.encoders import LOWER_HALF
from finetune.hyperparameters import Hyperparameters
from finetune.searching import SweepRequest
from finetune.space import Choice, Space
from finetune.sweep import default_storage
from finetune.training import train_model
from lab.datasets import load_split
from lab.errors import BakeoffError
from tests.conftest import Outcome
from tests.world import PostgresServer

ROOT = Path(__file__).parents[2]
Run = Callable[..., Outcome]
SMALL = [
    "sweep", "--data", "my.csv", "--base", LOWER_HALF, "--rung", "0.5", "--num-train-epochs", "1",
    "--search", "learning_rate=1e-5..1e-3", "--search", "batch_size=8,16",
]  # fmt: skip


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server."""
    with PostgresServer() as server:
        yield server


def _study(storage: str, name: str = "my") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=storage)


def test_a_sweep_stops_goes_on_and_ends_with_the_best_setting(
    my_csv: Path, with_classifier: Path, bakeoff: Run
) -> None:
    first = bakeoff(*SMALL, "--trials", "2", "--no-train", "--json")
    assert first.code == 0, first.err
    assert first.json["trials"]["complete"] + first.json["trials"]["pruned"] == 2
    assert first.json["classifier"] is None

    told = bakeoff(*SMALL, "--trials", "6", "--json")
    assert told.code == 0, told.err
    assert "has 2 trials already" in told.err
    document = told.json
    study = _study(default_storage("my"))
    assert len(study.trials) == 6
    _open_in_dashboard(default_storage("my"), 6)
    assert document["validation_accuracy"] == max(trial.value or 0 for trial in study.trials)
    assert set(document["importances"]) <= {"learning_rate", "batch_size"}
    assert "Best of 6 trials" in document["sentence"]
    assert "within the best one's 95 % interval" in document["sentence"]
    assert study.best_trial.user_attrs["hyperparameters"] == document["hyperparameters"]

    listed = bakeoff("classifier", "list", "--json").json
    trained = next(row for row in listed if row["classifier"] == document["classifier"])
    assert trained["card"]["validation"]["accuracy"] == pytest.approx(
        document["validation_accuracy"], abs=1e-5
    )  # the curve has five digits
    suite = yaml.safe_load(Path(document["suite"]).read_text())
    assert [arm.get("name", arm["approach"]) for arm in suite["arms"]] == ["swept", "defaults", "course", "majority"]
    assert [arm.get("refit", 0) for arm in suite["arms"]] == [3, 3, 0, 0]
    assert document["classifier"].endswith("-refit3")

    report = bakeoff("eval", document["suite"], "--skip", "defaults", "--json")
    assert report.code == 0, report.err
    assert {row["approach"] for row in report.json["results"]} == {"swept", "course", "majority"}
    assert len(report.json["comparisons"]) == 2


def test_another_space_or_data_is_another_study(my_csv: Path, bakeoff: Run) -> None:
    assert bakeoff(*SMALL, "--trials", "1", "--no-train").code == 0
    told = bakeoff("sweep", "--data", "my.csv", "--search", "batch_size=8,16", "--trials", "1")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "name another with --study" in told.err


def test_workers_share_a_study_in_postgresql_and_optuna_s_dashboard_opens_it(
    my_csv: Path, with_classifier: Path, bakeoff: Run, postgres: PostgresServer
) -> None:
    url = postgres.url.replace("postgresql+psycopg://", "postgresql://")
    told = bakeoff(*SMALL, "--storage", url, "--workers", "2", "--trials", "4", "--pruner", "hyperband", "--json")
    assert told.code == 0, told.err
    assert postgres.url not in told.out + told.err
    trials = _study(postgres.url).trials
    # Two workers may both begin the last trial; none is lost, and none is run twice under one number.
    assert 4 <= len(trials) <= 5
    assert len({trial.number for trial in trials}) == len(trials)
    spans = [(t.datetime_start, t.datetime_complete) for t in trials if t.datetime_start and t.datetime_complete]
    assert any(later[0] < earlier[1] for earlier, later in itertools.pairwise(sorted(spans))), "at the same time"
    _open_in_dashboard(postgres.url, len(trials))


def _open_in_dashboard(storage: str, trials: int) -> None:
    """Ask Optuna's own dashboard, through its WSGI application, for the study."""
    from optuna_dashboard import wsgi

    def get(path: str) -> dict[str, list[dict[str, object]]]:
        status: list[str] = []
        environment: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
        }
        environment |= {"wsgi.url_scheme": "http", "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr}
        body = b"".join(wsgi(storage)(environment, lambda line, headers, *_: status.append(line)))
        assert status[0].startswith("200"), status
        return dict(json.loads(body))

    studies = get("/api/studies")["study_summaries"]
    assert [study["study_name"] for study in studies] == ["my"]
    detail = get(f"/api/studies/{studies[0]['study_id']}")
    assert len(detail["trials"]) == trials


def test_a_killed_worker_s_trial_is_tried_again(my_csv: Path, bakeoff: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "cli", *SMALL, "--trials", "3", "--no-train"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for_a_running_trial(child)
    child.send_signal(signal.SIGKILL)
    child.wait()
    monkeypatch.setattr(sweeps, "HEARTBEAT", 1)
    monkeypatch.setattr(sweeps, "GRACE", 2)
    time.sleep(3)
    told = bakeoff(*SMALL, "--trials", "3", "--no-train", "--json")
    assert told.code == 0, told.err
    assert told.json["trials"]["complete"] + told.json["trials"]["pruned"] == 3
    trials = _study(default_storage("my")).trials
    dead = next(trial for trial in trials if trial.state == optuna.trial.TrialState.FAIL)
    assert any(trial.system_attrs.get("failed_trial") == dead.number for trial in trials)


def _wait_for_a_running_trial(child: "subprocess.Popen[bytes]") -> None:
    path, deadline = Path(default_storage("my").removeprefix("sqlite:///")), time.monotonic() + 120
    while time.monotonic() < deadline:
        assert child.poll() is None
        if path.exists():
            # Read by hand: optuna would create the tables, at the same moment as the child perhaps, which would end it.
            with (
                suppress(sqlite3.OperationalError),
                closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as study,
            ):
                if study.execute("SELECT 1 FROM trial_user_attributes WHERE key = 'hyperparameters'").fetchone():
                    return
        time.sleep(0.2)
    raise AssertionError("no trial within two minutes")


def test_budgets_end_a_sweep(my_csv: Path, bakeoff: Run, setting: Callable[[str, str], None]) -> None:
    assert bakeoff(*SMALL, "--budget-usd", "1").code == 2, "an unknown price is no price of zero"
    setting("BAKEOFF_USD_PER_HOUR", "3.6")
    told = bakeoff(*SMALL, "--trials", "50", "--budget-usd", "0.001", "--no-train", "--json")  # one second
    assert told.code == 0, told.err
    assert sum(told.json["trials"].values()) == 1
    told = bakeoff(*SMALL, "--study", "brief", "--trials", "50", "--max-minutes", "0.01", "--no-train", "--json")
    assert told.code == 0, told.err
    assert sum(told.json["trials"].values()) == 1


@pytest.mark.parametrize(("pruner", "state", "looks"), [("median", "PRUNED", 1), ("none", "COMPLETE", 4)])
def test_a_hopeless_learning_rate_is_pruned(my_csv: Path, pruner: str, state: str, looks: int) -> None:
    hopeless = SweepRequest(
        ("my.csv", "text", "label"),
        search=("learning_rate=1e-9,1e-4",),
        fixed={"num_train_epochs": 1.0},
        trials=5,
        pruner=pruner,
        rung=0.25,
    ).sweep()
    study = sweeps.open_study(hopeless)
    rates = optuna.distributions.CategoricalDistribution(("1e-9", "1e-4"))
    for _ in range(4):  # what others have found before
        found = dict.fromkeys(range(1, 5), 0.9)
        study.add_trial(
            optuna.create_trial(
                params={"learning_rate": "1e-4"},
                distributions={"learning_rate": rates},
                value=0.9,
                intermediate_values=found,
            )
        )
    study.enqueue_trial({"learning_rate": "1e-9"})
    sweeps.run_trials(hopeless, load_split(hopeless.origin))
    last = study.trials[-1]
    assert last.params == {"learning_rate": "1e-9"}
    assert last.state == optuna.trial.TrialState[state]
    assert list(last.intermediate_values) == list(range(1, looks + 1))


def test_a_trial_that_fails_says_why_and_the_sweep_goes_on(
    my_csv: Path, bakeoff: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = itertools.count()

    def train(*arguments: Any) -> dict[str, Any]:
        if next(attempts) == 0:
            raise torch.OutOfMemoryError("out of memory: tried to allocate 90 GiB\nmore lines")
        return train_model(*arguments)

    monkeypatch.setattr(sweeps, "train_model", train)
    told = bakeoff(*SMALL, "--trials", "2", "--no-train", "--json")
    assert told.code == 0, told.err
    assert "trial 0 fail (OutOfMemoryError: out of memory: tried to allocate 90 GiB)" in told.err
    assert (told.json["trials"]["fail"], told.json["trials"]["complete"]) == (1, 1)


def test_a_sweep_of_nothing_but_failures_ends_and_says_why(
    my_csv: Path, bakeoff: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: Any) -> dict[str, Any]:
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(sweeps, "train_model", train)
    told = bakeoff(*SMALL, "--trials", "2")
    assert told.code == 1
    assert "none among 2; the last to fail: RuntimeError: no kernel for this" in told.err.splitlines()[-1]


def test_a_full_disk_ends_a_sweep_and_counts_as_no_trial(
    my_csv: Path, bakeoff: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sweeps._Reporter, "on_evaluate", full)
        told = bakeoff(*SMALL, "--trials", "1", "--no-train")
    assert told.code == 1
    assert "expected room on the disk" in told.err.splitlines()[-1]
    study = _study(default_storage("my"))
    assert [trial.state.name for trial in study.trials] == ["FAIL"]
    assert sweeps.finished(study) == 0, "the same command tries again"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("learning_rate", "a knob among"),
        ("zeal=1..2", "a knob among"),
        ("learning_rate=fast,slow", "a usable learning_rate"),
        ("learning_rate=0..1e-3", "a usable learning_rate"),
        ("learning_rate=1e-3..1e-5", "a range of learning_rate that rises"),
        ("lr_scheduler_type=linear..cosine", "numbers as the ends"),
        ("method=full,probe", "a method that trains in steps"),
        ("seed=1,2,3", "a knob that can be searched"),
    ],
)
def test_a_space_that_is_none_is_one_line(written: str, told: str) -> None:
    with pytest.raises(BakeoffError, match=told):
        Space.of([written], {})


def test_spaces_are_read_as_written() -> None:
    rate = Choice.parse("learning-rate=1e-5..1e-3")
    trial = optuna.trial.FixedTrial({"learning_rate": 3e-4, "batch_size": "16", "num_train_epochs": 2.5})
    assert str(rate) == "learning_rate=1e-05..0.001"
    space = Space.of(["learning_rate=1e-5..1e-3", "batch_size=8,16", "num_train_epochs=1..4"], {"weight_decay": 0.1})
    assert space.suggest(trial) == Hyperparameters(
        learning_rate=3e-4, batch_size=16, num_train_epochs=2.5, weight_decay=0.1
    )
    assert space.most_epochs == 4
    with pytest.raises(BakeoffError, match="either searched or fixed"):
        Space.of(["batch_size=8,16"], {"batch_size": 8})
    fixed = Space.of([], {"learning_rate": 1e-4})
    assert "learning_rate" not in [choice.knob for choice in fixed.choices]


def test_a_storage_that_cannot_be_reached_is_one_line_without_its_password(my_csv: Path, bakeoff: Run) -> None:
    told = bakeoff(*SMALL, "--storage", "postgresql://me:secret@127.0.0.1:9/none")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "secret" not in told.err
    assert "a storage that Optuna can open" in told.err
    told = bakeoff(*SMALL, "--storage", "carrier pigeon")
    assert (told.code, told.err.count("\n")) == (1, 1)
