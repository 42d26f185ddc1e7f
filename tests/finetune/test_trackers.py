"""Trackers get the curve through the Trainer: Weights & Biases offline, and TensorBoard."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_wandb_offline_and_tensorboard_get_the_curve(my_csv: Path, with_classifier: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "cli", "train", "--data", "my.csv", "--num-train-epochs", "1",
            "--report-to", "wandb", "--report-to", "tensorboard",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline", "WANDB_DIR": str(Path.cwd())},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "validation accuracy" in done.stdout
    runs = list(Path("wandb").glob("offline-run-*/run-*.wandb"))
    assert len(runs) == 1
    logged = runs[0].read_bytes()  # a log of protocol buffers, names as they are
    assert all(name in logged for name in (b"train/loss", b"eval/accuracy", b"eval/loss"))

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = next(with_classifier.glob("trainings/*/runs/**/events.out.*"))
    board = EventAccumulator(str(events.parent))
    board.Reload()
    assert {"train/loss", "eval/accuracy"} <= set(board.Tags()["scalars"])
    assert len(board.Scalars("eval/accuracy")) == 4
