"""Bad input and a full disk: one line that says what to do, and nothing half-written left behind."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
        ("--device", "abacus", "--device takes"),
        ("--report-to", "carrier-pigeon", "a tracker among wandb"),
        ("--report-to", "mlflow", "not installed"),
    ],
)
def test_a_bad_flag_is_one_line(bakeoff: Run, flag: str, value: str, told: str) -> None:
    outcome = bakeoff("train", flag, value)
    assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
    assert told in outcome.err


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
