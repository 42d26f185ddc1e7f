"""Champion and challenger on a real hold-out: promoted by measurement, by force with a reason, and undone."""

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from finetune import Classifier, Hyperparameters, champion, train_or_reuse
from finetune.encoders import LOWER_HALF
from finetune.registry import champion_history, champion_id, set_champion
from lab import runtime
from lab.datasets import Dataset, load_dataset, split_dataset
from lab.errors import BakeoffError
from lab.workspace import Workspace, read_json, write_json
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
WEAK = Hyperparameters(num_train_epochs=0.1, learning_rate=1e-6)
FILES_OF = {"model.onnx": "float32", "model.int8.onnx": "int8"}
STRONG = Hyperparameters(num_train_epochs=2, learning_rate=2e-4)


def _write(path: Path, data: Dataset) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((example.text, example.label) for example in data.examples)


@pytest.fixture(scope="session")
def rivals_home(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> Path:
    """A folder with rivals.csv and a workspace in which a weak champion and two challengers learned from it."""
    folder = tmp_path_factory.mktemp("rivals")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _write(Path("rivals.csv"), tweets.subset(range(1000)))
        split = split_dataset(load_dataset("rivals.csv"))
        names = [
            train_or_reuse(split.train, split.validation, knobs, LOWER_HALF).id
            for knobs in (WEAK, STRONG, WEAK.model_copy(update={"weight_decay": 0.02}))
        ]
        other = split_dataset(tweets.subset(range(1000, 1200)))
        names.append(train_or_reuse(other.train, other.validation, WEAK, LOWER_HALF).id)
    (folder / "names.json").write_text(json.dumps(names))
    return folder


@pytest.fixture
def rivals(rivals_home: Path, tmp_path: Path) -> list[str]:
    """The ids, in this test's own copy: the champion, a strong challenger, a weak one, one of other data."""
    shutil.copytree(rivals_home, tmp_path, dirs_exist_ok=True)
    return list(json.loads(Path("names.json").read_text()))


Run = Callable[..., Outcome]


def test_a_significant_gain_is_promoted_and_recorded(rivals: list[str], bakeoff: Run) -> None:
    weak, strong, _, _ = rivals
    assert champion_id() == weak
    told = bakeoff("classifier", "promote", strong, "--json")
    assert told.code == 0, told.err
    event = told.json
    assert event["classifier"] == champion_id() == strong
    assert event["comparison"]["difference"] > 0.1
    assert event["comparison"]["p_value"] < 0.05
    assert event["comparison"]["n"] == 151
    assert event["looks"] == 1
    assert "exporting" in told.err, "a champion serves from its export"
    assert champion()[1].runtime.kind.startswith("onnx")


def test_without_a_significant_gain_it_is_refused_with_exit_3(rivals: list[str], bakeoff: Run) -> None:
    weak, _, alike, _ = rivals
    told = bakeoff("classifier", "promote", alike)
    assert (told.code, told.err.count("\n")) == (3, 1)
    assert f"{alike} to be significantly better than {weak}" in told.err
    assert champion_id() == weak


def test_other_data_is_refused_with_exit_3_and_can_be_forced_with_a_reason(rivals: list[str], bakeoff: Run) -> None:
    weak, _, _, other = rivals
    told = bakeoff("classifier", "promote", other)
    assert told.code == 3
    assert "different data fingerprints" in told.err
    assert bakeoff("classifier", "promote", other, "--force").code == 2, "a reason is asked for"
    assert bakeoff("classifier", "promote", other, "--reason", "I like it").code == 2
    assert champion_id() == weak
    told = bakeoff("classifier", "promote", other, "--force", "--reason", "new labels since May", "--json")
    assert told.json["why"] == "forced: new labels since May"
    assert told.json["comparison"] is None
    assert champion_history()[-1]["classifier"] == champion_id() == other


def test_data_that_changed_since_is_refused(rivals: list[str], bakeoff: Run, tweets: Dataset) -> None:
    _write(Path("rivals.csv"), tweets.subset(range(990)))
    told = bakeoff("classifier", "promote", rivals[1])
    assert told.code == 3
    assert "rivals.csv with other content now" in told.err


def test_rollback_goes_back_one_promotion_at_a_time(rivals: list[str], bakeoff: Run) -> None:
    weak, strong, alike, _ = rivals
    assert bakeoff("classifier", "rollback").code == 1, "there was none before the first"
    set_champion(strong, "better")
    set_champion(alike, "forced: to see")
    assert bakeoff("classifier", "rollback", "--json").json["classifier"] == strong
    assert bakeoff("classifier", "rollback", "--json").json["classifier"] == weak
    told = bakeoff("classifier", "rollback")
    assert told.code == 1
    assert "an earlier champion" in told.err
    assert [event["classifier"] for event in champion_history()] == [weak, strong, alike, strong, weak]


def test_show_tells_all_of_a_classifier(rivals: list[str], bakeoff: Run) -> None:
    told = bakeoff("classifier", "show", rivals[0])
    assert told.code == 0
    for part in ("learning_rate", "1e-06", "underfitting", "int8 costs", "loss:"):
        assert part in told.out
    document = bakeoff("classifier", "show", rivals[1], "--json").json
    assert document["serving"] is None
    assert document["champion"] is False
    assert bakeoff("classifier", "show", "../rivals").code == 1


def test_a_crash_in_mid_promotion_leaves_a_champion(rivals: list[str]) -> None:
    code = (
        "import itertools, sys\nfrom finetune.registry import set_champion\n"
        f"for name in itertools.cycle({rivals[:2]}): set_champion(name, 'to and fro'); print(flush=True)"
    )
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
        )
        assert child.stdout
        child.stdout.readline()
        time.sleep(random.random() / 20)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert champion_id() in rivals[:2]
    assert read_json(Workspace.current().classifiers / "champion.json")["classifier"] == champion_id()
    assert champion()[0] == champion_id()


def test_a_champion_without_its_export_gets_it_and_one_that_was_never_named_is(rivals: list[str], bakeoff: Run) -> None:
    registry = Workspace.current().classifiers
    again = ["train", "--data", "rivals.csv", "--base", LOWER_HALF, "--num-train-epochs", "0.1"]
    again += ["--learning-rate", "1e-6"]
    shutil.rmtree(registry / rivals[0] / "serving")  # as Ctrl-C in the very first export leaves it
    (registry / "champion.json").unlink()
    told = bakeoff(*again)
    assert "trained before" in told.err
    assert champion_id() == rivals[0]
    assert champion()[1].runtime.kind.startswith("onnx")
    told = bakeoff(*again, "--fresh")
    assert told.code == 0
    assert champion()[1].runtime.kind.startswith("onnx"), "the folder that was replaced had the export in it"
    assert len(champion_history()) == 1


def test_a_first_champion_waits_for_the_lock(rivals: list[str]) -> None:
    registry = Workspace.current().classifiers
    (registry / "champion.json").unlink()
    split = split_dataset(load_dataset("rivals.csv"))
    with FileLock(registry / "champion.lock", is_singleton=False):
        training = threading.Thread(target=train_or_reuse, args=(split.train, split.validation, WEAK, LOWER_HALF))
        training.start()
        training.join(timeout=3)
        assert training.is_alive()
        assert champion_id() is None
    training.join()
    assert champion_id() == rivals[0]


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.onnx", "serving.json"])
def test_a_damaged_export_costs_a_warning_and_pytorch_answers(rivals: list[str], bakeoff: Run, name: str) -> None:
    serving = Workspace.current().classifiers / rivals[0] / "serving"
    write_json(serving / "serving.json", read_json(serving / "serving.json") | {"used": FILES_OF.get(name, "int8")})
    os.truncate(serving / name, (serving / name).stat().st_size // 2)
    told = bakeoff("classifier", "predict", "what a day")
    assert told.code == 0, told.err
    warned, note = told.err.splitlines()
    assert "answers from PyTorch, for its export is damaged" in warned
    assert note.endswith("(torch)")


def test_the_export_answers_like_the_model_and_says_what_it_measured(rivals: list[str], tweets: Dataset) -> None:
    folder = Workspace.current().classifiers / rivals[0]
    measured = read_json(folder / "serving" / "serving.json")
    assert measured["float32"]["difference"] < 1e-3
    lost = measured["torch"]["accuracy"] - measured["int8"]["accuracy"]
    assert measured["used"] == ("int8" if lost <= 0.005 else "float32")
    assert measured["int8"]["megabytes"] < measured["float32"]["megabytes"] / 2
    exported, model = Classifier.load(folder), Classifier.load(folder, exported=False)
    assert (exported.runtime.kind, model.runtime.kind) == (f"onnx {measured['used']}", "torch")
    texts = [*tweets.texts[2000:2100], "x" * 100_000, "😀 مرحبا", "a"]
    assert abs(exported.predict_proba(texts) - model.predict_proba(texts)).mean() < 0.02


def test_int8_that_costs_accuracy_is_not_used() -> None:
    from finetune.serving import _choice

    def measured(difference: float, int8: float) -> dict[str, dict[str, float]]:
        return {"torch": {"accuracy": 0.8}, "float32": {"difference": difference}, "int8": {"accuracy": int8}}

    assert _choice(measured(1e-6, 0.796))[0] == "int8"
    assert _choice(measured(1e-6, 0.794))[0] == "float32"
    assert _choice(measured(0.3, 0.8))[0] == "torch"


def test_a_pickle_is_refused(rivals: list[str], bakeoff: Run) -> None:
    folder = Workspace.current().classifiers / rivals[1]
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BakeoffError, match=r"weights as safetensors.*a pickle, pytorch_model.bin"):
        Classifier.load(folder)


def test_a_truncated_checkpoint_is_one_line(rivals: list[str], bakeoff: Run) -> None:
    folder = Workspace.current().classifiers / rivals[1]
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    told = bakeoff("classifier", "promote", rivals[1], "--force", "--reason", "does it load?")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "a BERT-like checkpoint with safetensors" in told.err
    assert champion_id() == rivals[0]
    told = bakeoff("train", "--data", "rivals.csv", "--base", str(folder))
    assert (told.code, told.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("kind", ["roberta", "distilbert", "no-such-model"])
def test_weights_of_another_architecture_are_one_line(rivals: list[str], bakeoff: Run, kind: str) -> None:
    folder = Workspace.current().classifiers / rivals[1]
    config = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps({**config, "model_type": kind, "architectures": None}))
    told = bakeoff("train", "--data", "rivals.csv", "--base", str(folder))
    assert (told.code, told.err.count("\n")) == (1, 1), told.err
    assert not list(Workspace.current().trainings.glob("*/checkpoint-*"))


def test_lines_are_labelled_in_order_from_a_file_or_a_pipe(
    rivals: list[str], bakeoff: Run, monkeypatch: pytest.MonkeyPatch, tweets: Dataset
) -> None:
    monkeypatch.setattr(runtime, "WINDOW", 200)
    lines = [text.replace("\n", " ").strip() for text in tweets.texts[:500]]
    Path("lines.txt").write_text("\n\n".join(lines), encoding="utf-8")
    told = bakeoff("classifier", "predict", "--file", "lines.txt", "--log", "seen.jsonl", "--json")
    rows: list[dict[str, Any]] = told.json["predictions"]
    assert [row["text"] for row in rows] == [line for line in lines if line]
    logged = [json.loads(line) for line in Path("seen.jsonl").read_text().splitlines()]
    assert [line["label"] for line in logged] == [row["label"] for row in rows]
    assert set(logged[0]) == {"time", "classifier", "label", "confidence"}
    with Path("lines.txt").open(encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        piped = bakeoff("classifier", "predict").out.splitlines()
    assert [line.split("\t")[0] for line in piped] == [row["label"] for row in rows]
    assert bakeoff("classifier", "predict", "--file", "nowhere.txt").code == 1

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard("typed by hand\n"))
    told = bakeoff("classifier", "predict")
    assert "one per line; Ctrl-D ends them" in told.err
    assert told.out.endswith("\ttyped by hand\n")
    assert "Ctrl-D" not in bakeoff("classifier", "predict", "a text").err
    Path("binary.txt").write_bytes(b"\xff\xfe\x00bad")
    told = bakeoff("classifier", "predict", "--file", "binary.txt")
    assert (told.code, told.err.splitlines()[-1][:7]) == (1, "bakeoff")


def test_set_champion_keeps_the_history(with_classifier: Path) -> None:
    first = champion_id()
    assert first
    set_champion(first, "again")
    assert [event["why"] for event in champion_history()] == ["the first classifier of this workspace", "again"]
