"""Bad input and a full disk: one line that says what to do, and nothing half-written left behind."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from finetune.registry import champion_id
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
Run = Callable[..., Outcome]


def _write(rows: list[tuple[str, str]]) -> None:
    with Path("odd.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("one text", "good")], "at least two labels"),
        ([(f"text number {n}, always liked", "good") for n in range(30)], "at least two labels"),
        ([("fine", "good"), ("poor", "bad")], "at least 3 distinct texts of each label"),
        ([("", "good"), ("", "bad")], "labelled rows"),
    ],
)
def test_data_that_cannot_teach_is_one_line(
    bakeoff: Run, workspace: Path, rows: list[tuple[str, str]], told: str
) -> None:
    _write(rows)
    for command in (["train"], ["train", "--estimate"], ["sweep"]):
        outcome = bakeoff(*command, "--data", "odd.csv")
        assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
        assert told in outcome.err
    assert not (workspace / "classifiers").exists() or not list((workspace / "classifiers").glob("*/"))


def test_odd_texts_are_learned_from(with_classifier: Path, bakeoff: Run, setting: Callable[[str, str], None]) -> None:
    odd = ["x" * 100_000, "😀😡🎉 " * 50, "مرحبا بالعالم", "\u202egnirts sdrawkcab", "a", "\x00\x07 bell", "  spaced  "]
    _write([(f"{text} {n}", "good" if n % 2 else "bad") for n, text in enumerate(odd * 6)])
    told = bakeoff("train", "--data", "odd.csv", "--num-train-epochs", "1", "--json")
    assert told.code == 0, told.err
    setting("BAKEOFF_CLASSIFIER", told.json["classifier"])
    predicted = bakeoff("classifier", "predict", *[text.replace("\x00", "") for text in odd])
    assert predicted.code == 0
    assert "\u202e" not in predicted.out


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--learning-rate", "nan", "learning_rate"),
        ("--learning-rate", "inf", "learning_rate"),
        ("--num-train-epochs", "-1", "num_train_epochs"),
        ("--method", "magic", "--method takes"),
        ("--seed", "4294967296", "seed"),
        ("--device", "abacus", "--device takes"),
        ("--report-to", "carrier-pigeon", "a tracker among wandb"),
        ("--report-to", "mlflow", "not installed"),
    ],
)
def test_a_bad_flag_is_one_line(bakeoff: Run, flag: str, value: str, told: str) -> None:
    outcome = bakeoff("train", flag, value)
    assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
    assert told in outcome.err


@pytest.mark.parametrize(
    ("damaged", "content", "told"),
    [
        ("classifiers/{id}/tokenizer.json", "{", "expected a BERT-like checkpoint"),
        ("classifiers/{id}/serving/serving.json", "{}", "answers from PyTorch, for its export is damaged"),
        ("classifiers/{id}/classifier.json", "{}", "JSON with base, hyperparameters, labels, card in"),
        ("classifiers/champion.json", "{}", "JSON with classifier in"),
    ],
)
def test_a_damaged_registry_is_told_in_a_line(
    with_classifier: Path, bakeoff: Run, damaged: str, content: str, told: str
) -> None:
    path = with_classifier / damaged.format(id=champion_id())
    assert path.exists()
    path.write_text(content)
    outcome = bakeoff("classifier", "predict", "hello")
    assert told in outcome.err
    assert outcome.code == (0 if "serving" in damaged else 1)


def test_what_is_no_text_is_refused_wherever_it_comes_from(
    with_classifier: Path, bakeoff: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = bakeoff("classifier", "predict", "caf\udcff")
    assert (refused.code, "expected a command in UTF-8" in refused.err) == (1, True)
    lax = TextIOWrapper(BytesIO(b"caf\xff\n"), encoding="ascii", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", lax)
    refused = bakeoff("classifier", "predict")
    assert (refused.code, "expected lines of UTF-8 text in stdin" in refused.err) == (1, True)


def test_a_name_cannot_lead_out_of_the_workspace_and_a_folder_is_no_log(my_csv: Path, bakeoff: Run) -> None:
    assert "expected a study's name; got '../../x'" in bakeoff("sweep", "--data", "my.csv", "--study", "../../x").err
    assert "expected a log of predictions; got the folder" in bakeoff("watch", "--predictions", ".", "--once").err


def test_a_full_temporary_disk_is_one_line_too(my_csv: Path) -> None:
    script = (
        'mkdir disk && mount -t tmpfs -o size=20m tmpfs disk && TMPDIR=disk "$0" -m cli train --data my.csv'
        ' --base embedded:minilm-3 --estimate; echo "rc $?"'
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, sys.executable],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "rc 1\n" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    assert "set TMPDIR to a folder on another disk" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("size", ["120m", "400m"])  # full at the first checkpoint, and at a later file
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(my_csv: Path, size: str) -> None:
    script = (
        f'mkdir disk && mount -t tmpfs -o size={size} tmpfs disk && "$0" -m cli train --data my.csv'
        ' --num-train-epochs 1 --eval-steps 4; echo "rc $?" && find disk -type f'
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, sys.executable],
        env={**os.environ, "PYTHONPATH": str(ROOT), "BAKEOFF_HOME": "disk"},
        capture_output=True,
        text=True,
    )
    assert "rc 1\n" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    assert "expected room on the disk" in done.stderr.splitlines()[-1]
    left = [Path(line) for line in done.stdout.splitlines() if line.startswith("disk/")]
    halves = [path for path in left if "checkpoint" in str(path) and path.with_name("complete") not in left]
    assert halves == []
    assert not [path for path in left if path.name.startswith(".") or path.parent.name.startswith(".")]
    assert not [path for path in left if "classifiers" in path.parts and path.suffix == ".safetensors"]
