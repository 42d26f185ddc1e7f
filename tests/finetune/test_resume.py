"""A training that is cut off anywhere goes on as if nothing had happened, to the same weights bit for bit."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from finetune.callbacks import Teller
from finetune.checkpoints import COMPLETE
from finetune.encoders import LOWER_HALF
from finetune.folder import TrainingFolder, interrupted_training
from finetune.hyperparameters import Hyperparameters
from finetune.methods import prepare
from finetune.training import train_model
from lab.datasets import Dataset, load_dataset, split_dataset
from lab.workspace import read_json
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
KNOBS = {"num_train_epochs": 2.0, "batch_size": 16, "eval_steps": 5, "learning_rate": 2e-4}
COMMAND = [
    "train", "--data", "my.csv", "--base", LOWER_HALF,
    "--num-train-epochs", "2", "--eval-steps", "5", "--learning-rate", "2e-4",
]  # fmt: skip


class _Cut(TrainerCallback):
    """Stops the run at a step, like Ctrl-C."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            raise KeyboardInterrupt


def _weights(data: Dataset, folder: Path, cuts: tuple[int, ...], **knobs: Any) -> str:
    """Train with a cut before each of these steps, and return the digest of the final weights."""
    split = split_dataset(data)
    kept = TrainingFolder(folder)
    for cut in (*cuts, None):
        kept.begin({"total_steps": 0})
        training = prepare(LOWER_HALF, Hyperparameters(**KNOBS | knobs).resolved(), split.train.labels, kept)
        if cut is not None:
            training = replace(training, callbacks=(_Cut(cut),), quiet=True)
            with pytest.raises(KeyboardInterrupt):
                train_model(training, split.train, split.validation)
            kept.end("interrupted")
            continue
        card = train_model(training, split.train, split.validation)
        assert [point["step"] for point in kept.curve()] == [point["step"] for point in card["curve"]]
    digest = hashlib.sha256()
    for _, weight in sorted(training.model.state_dict().items()):
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("cuts", "knobs"),
    [
        ((7,), {}),  # in the middle of an epoch
        ((12, 23), {"eval_steps": 11}),  # twice; in the second epoch, whose checkpoint is at its middle
        ((15,), {"eval_steps": 14}),  # from a checkpoint at the very end of an epoch
        ((6,), {"gradient_accumulation_steps": 2, "eval_steps": 3}),
        ((7,), {"method": "lora"}),
    ],
)
def test_a_run_cut_off_ends_with_the_weights_of_one_that_was_not(
    my_csv: Path, tmp_path: Path, cuts: tuple[int, ...], knobs: dict[str, Any]
) -> None:
    data = load_dataset("my.csv")
    assert _weights(data, tmp_path / "cut", cuts, **knobs) == _weights(data, tmp_path / "whole", (), **knobs)


def test_kill_9_in_mid_checkpoint_then_resume(
    my_csv: Path, bakeoff: Callable[..., Outcome], with_classifier: Path
) -> None:
    workspace = with_classifier
    child = subprocess.Popen(
        [sys.executable, "-m", "cli", *COMMAND],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    half = _wait_for_half_a_checkpoint(workspace / "trainings", child)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (half / COMPLETE).exists(), "killed while it was being written"
    folder = TrainingFolder(half.parent)
    assert folder.state["status"] == "running", "it had no time to say that it ends"
    assert folder.step == 5

    told = bakeoff("train", "--resume", "--json")
    assert told.code == 0, told.err
    assert "going on from step 5" in told.err
    assert told.json["resumed_at"] == 5
    assert not list(folder.path.glob("checkpoint-*")), "a finished run needs none"
    resumed = _digest(workspace, told.json["classifier"])

    whole = bakeoff(*COMMAND, "--fresh", "--json")
    assert whole.json["resumed_at"] == 0
    assert whole.json["classifier"] == told.json["classifier"]
    assert _digest(workspace, told.json["classifier"]) == resumed
    curve = [
        {key: value for key, value in point.items() if key != "time"}
        for point in read_json(workspace / "classifiers" / told.json["classifier"] / "classifier.json")["card"]["curve"]
    ]
    assert [point["step"] for point in curve if "eval_loss" in point] == [5, 10, 15, 20, 25, 26]


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> TrainingFolder:
    """A run that was cut off, with two checkpoints: the best, at step 5, and the newest, at step 10."""
    folder = TrainingFolder(tmp_path_factory.mktemp("cut"))
    split = split_dataset(tweets.subset(range(200)))
    knobs = Hyperparameters(num_train_epochs=2, eval_steps=5, learning_rate=1e-6).resolved()  # nothing beats the first
    training = prepare(LOWER_HALF, knobs, split.train.labels, folder)
    folder.begin({})
    with pytest.raises(KeyboardInterrupt):
        train_model(replace(training, callbacks=(_Cut(12),), quiet=True), split.train, split.validation)
    folder.end("interrupted")
    assert sorted(path.name for path in folder.path.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-5"]
    return folder


def _halve(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # its other name, in the fixture, keeps the whole
    path.write_bytes(content[: len(content) // 2])


def _zero(path: Path) -> None:
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(bytes(size))


@pytest.mark.parametrize("hurt", [_halve, _zero, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"])
def test_a_damaged_checkpoint_is_passed_over(
    cut_off: TrainingFolder, tmp_path: Path, name: str, hurt: Callable[[Path], None]
) -> None:
    folder = TrainingFolder(tmp_path / "run")
    shutil.copytree(cut_off.path, folder.path, copy_function=os.link)
    assert folder.drop_damaged() is None
    assert folder.step == 10
    hurt(folder.path / "checkpoint-10" / name)
    wrong = folder.drop_damaged()
    assert wrong is not None
    assert name.split(".")[0] in wrong or "*.safetensors" in wrong or "rng_state" in wrong
    assert folder.step == 5
    hurt(folder.path / "checkpoint-5" / name)
    assert folder.drop_damaged()
    assert folder.step == 0


def test_without_the_best_checkpoint_the_newest_is_of_no_use(cut_off: TrainingFolder, tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "run")
    shutil.copytree(cut_off.path, folder.path, copy_function=os.link)
    _halve(folder.path / "checkpoint-5" / "model.safetensors")
    assert "checkpoint-5/model.safetensors" in (folder.drop_damaged() or "")
    assert folder.step == 0


def test_a_damaged_checkpoint_costs_a_warning_and_no_rerun(
    my_csv: Path, bakeoff: Callable[..., Outcome], with_classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Teller, "on_step_end", _Cut(8).on_step_begin)
        assert bakeoff(*COMMAND).code == 130
    damaged = next(with_classifier.glob("trainings/*/checkpoint-5"))
    _halve(damaged / "model.safetensors")
    told = bakeoff(*COMMAND, "--json")
    assert told.code == 0, told.err
    warned = [line for line in told.err.splitlines() if "damaged" in line]
    assert len(warned) == 1
    assert "checkpoint-5/model.safetensors" in warned[0]
    assert warned[0].endswith("training from the beginning")
    assert told.json["resumed_at"] == 0


def test_nothing_to_resume_is_one_line(my_csv: Path, bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("train", "--resume")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "none in this workspace" in told.err
    told = bakeoff(*COMMAND, "--resume")
    assert told.code == 1
    assert "a checkpoint of my-csv-" in told.err


def _wait_for_half_a_checkpoint(trainings: Path, child: "subprocess.Popen[bytes]") -> Path:
    """Return the second checkpoint's folder while it is being written."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert child.poll() is None, "the training ended by itself"
        for folder in trainings.glob("*/checkpoint-10"):
            if not (folder / COMPLETE).exists():
                return folder
        time.sleep(0.001)
    raise AssertionError("no checkpoint within two minutes")


def _digest(workspace: Path, identifier: str) -> str:
    return hashlib.sha256((workspace / "classifiers" / identifier / "model.safetensors").read_bytes()).hexdigest()


def test_a_training_whose_data_cannot_be_loaded_again_is_not_resumed(workspace: Path) -> None:
    kept = TrainingFolder(workspace / "trainings" / "in-a-program")
    kept.begin({"origin": None})
    kept.end("interrupted")
    assert interrupted_training() is None
    kept.begin({"origin": {"data": "my.csv", "text_column": "text", "label_column": "label", "seed": 0}})
    kept.end("interrupted")
    found = interrupted_training()
    assert found is not None
    assert found.path == Path(".bakeoff/trainings/in-a-program")
