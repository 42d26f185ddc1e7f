"""A training in a process of its own is paused, gone on with and stopped from outside, and no step is lost."""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from finetune.background import Condition, condition, pause_training, start_training, stop_training
from finetune.encoders import LOWER_HALF
from finetune.folder import CURVE, Asked, Request, TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.jobs import Job
from finetune.methods import prepare
from finetune.past import past_runs
from finetune.training import train_model
from lab.datasets import Split, load_dataset, split_dataset
from tests.conftest import Outcome

KNOBS: dict[str, Any] = {"num_train_epochs": 2.0, "batch_size": 16, "eval_steps": 5, "learning_rate": 2e-4}
PATIENCE = 180  # seconds, on a machine that is busy with other tests


class _Ask(TrainerCallback):
    """Asks for something when a step begins, as somebody outside may at any time."""

    def __init__(self, folder: TrainingFolder, request: Request, step: int) -> None:
        self._folder, self._request, self._step = folder, request, step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            self._folder.ask(self._request)


def _trained(split: Split, folder: Path, pauses: tuple[int, ...], **knobs: Any) -> tuple[str, list[dict[str, Any]]]:
    """Train with these pauses; return the digest of the weights, and the validations without their times."""
    kept = TrainingFolder(folder)
    for pause in (*pauses, None):
        kept.begin({"total_steps": 0})
        training = prepare(LOWER_HALF, Hyperparameters(**KNOBS | knobs).resolved(), split.train.labels, kept)
        if pause is None:
            train_model(training, split.train, split.validation)
            break
        training = replace(training, callbacks=(_Ask(kept, "pause", pause),), quiet=True)
        with pytest.raises(Asked) as asked:
            train_model(training, split.train, split.validation)
        kept.end("paused")
        assert (asked.value.request, asked.value.step, kept.step) == ("pause", pause + 1, pause + 1)
        assert kept.request is None
    digest = hashlib.sha256()
    for _, weight in sorted(training.model.state_dict().items()):
        digest.update(weight.numpy().tobytes())
    validations = [{k: v for k, v in point.items() if k != "time"} for point in kept.curve() if "eval_loss" in point]
    return digest.hexdigest(), validations


@pytest.mark.parametrize(
    ("pauses", "knobs"),
    [
        ((0, 9), {}),  # at its very first step, and where it validates as well
        # Nothing is gained, so it ends by itself at step 12; a count that began anew would go on to step 16.
        ((9,), {"eval_steps": 4, "early_stopping_patience": 2, "learning_rate": 1e-7}),
    ],
)
def test_a_paused_run_ends_as_one_that_never_was(
    my_csv: Path, tmp_path: Path, pauses: tuple[int, ...], knobs: dict[str, Any]
) -> None:
    split = split_dataset(load_dataset("my.csv"))
    assert _trained(split, tmp_path / "paused", pauses, **knobs) == _trained(split, tmp_path / "whole", (), **knobs)


def test_a_training_lives_in_its_own_process_and_hears_from_outside(my_csv: Path, bakeoff: Callable[..., Any]) -> None:
    job = Job.of("my.csv", base=LOWER_HALF, knobs=KNOBS | {"num_train_epochs": 40.0, "early_stopping_patience": 0})
    identifier = job.identifier()
    assert condition(identifier) == Condition(None)

    start_training(job, identifier)
    begun = condition(identifier)
    folder = TrainingFolder.of(identifier)
    assert begun.status == "starting"
    assert os.getsid(folder.state["pid"]) != os.getsid(0), "closing what began it does not end it"
    process = folder.state["pid"]
    start_training(job, identifier)  # a second click
    _until(identifier, lambda now: now.step > 0)
    assert folder.state["pid"] == process
    pause_training(identifier)
    paused = _until(identifier, lambda now: not now.is_under_way)
    assert (paused.status, paused.step, paused.can_go_on) == ("paused", folder.step, True)

    start_training(job, identifier)
    _until(identifier, lambda now: now.step > paused.step)
    (run,) = past_runs().runs
    assert (run.name, run.status, run.knobs.num_train_epochs) == (identifier, "running", 40.0)
    stop_training(identifier)
    stopped = _until(identifier, lambda now: not now.is_under_way)
    assert (stopped.status, stopped.can_go_on) == ("stopped", False)
    assert not list(folder.path.glob("checkpoint-*"))
    steps = [point["step"] for point in folder.curve() if "loss" in point]
    assert steps == sorted(set(steps)), "going on repeated no step"
    assert steps[-1] >= paused.step
    nothing: Outcome = bakeoff("train", "--resume")
    assert "none in this workspace" in nothing.err


def test_what_ended_a_training_is_told_in_a_line(my_csv: Path) -> None:
    job = replace(Job.of("my.csv", base=LOWER_HALF, knobs=KNOBS), base="no/such-base")
    identifier = job.identifier()
    start_training(job, identifier)
    failed = _until(identifier, lambda now: not now.is_under_way)
    assert failed.status == "failed"
    assert failed.error.startswith("expected a BERT-like checkpoint with safetensors at 'no/such-base'")
    assert "\n" not in failed.error
    stop_training(identifier)
    assert condition(identifier).status == "stopped"
    assert not (TrainingFolder.of(identifier).path / CURVE).exists()


def test_what_is_trained_is_not_trained_again(with_classifier: Path) -> None:
    (run,) = past_runs().runs
    assert condition(run.name) == Condition("finished")
    start_training(Job.of(knobs={}), run.name)
    assert TrainingFolder.of(run.name).state["status"] == "finished"


def _until(identifier: str, is_so: Callable[[Condition], bool]) -> Condition:
    """Wait until a training stands as wished."""
    deadline = time.monotonic() + PATIENCE
    while not is_so(now := condition(identifier)):
        assert time.monotonic() < deadline, now
        time.sleep(0.05)
    return now
