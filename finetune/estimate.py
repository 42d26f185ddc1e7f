"""What a run will take, from a few real steps: time, memory and money."""

import copy
import math
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.batches import encode, even_sample
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.schedule import Schedule
from finetune.training import Training, build_trainer
from lab.datasets import Dataset
from lab.settings import settings
from lab.workspace import room_on_disk

PROBE_STEPS, PROBE_LEAST = 12, 3
PROBE_SHARE = 8  # one step in so many of a short run, or the forecast would take as long as what it foretells
PROBE_PARTS = 2  # batches whose gradients a step accumulates
PROBE_MOST = 1024  # texts, unless the fewest steps need more
PROBE_TEXTS = 128  # of the validation part
GIGABYTE = 1e9


@dataclass(frozen=True)
class Estimate:
    """A forecast: seconds of the run (steps, validations, checkpoints), memory in GB, dollars (None: no price set)."""

    seconds: float
    steps: int
    seconds_per_step: float
    epochs_per_hour: float
    memory_gb: float
    usd: float | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Estimate":
        """Return the forecast that `document` made data, whatever else stands there."""
        return cls(**{field.name: document[field.name] for field in fields(cls)})

    def seconds_of(self, steps: int) -> float:
        """Return the forecast for a run that ended after so many steps: early stopping is not foretold."""
        return self.seconds * steps / self.steps

    def then(self, other: "Estimate") -> "Estimate":
        """Return the forecast of this run and the other after it."""
        seconds, steps = self.seconds + other.seconds, self.steps + other.steps
        epochs = self.seconds * self.epochs_per_hour + other.seconds * other.epochs_per_hour
        return Estimate(
            seconds=round(seconds, 2),
            steps=steps,
            seconds_per_step=round(
                (self.steps * self.seconds_per_step + other.steps * other.seconds_per_step) / steps, 4
            ),
            epochs_per_hour=round(epochs / seconds, 2),
            memory_gb=max(self.memory_gb, other.memory_gb),
            usd=None if self.usd is None or other.usd is None else round(self.usd + other.usd, 6),
        )

    def document(self) -> dict[str, Any]:
        """Return the forecast as data."""
        return asdict(self)

    def spoken(self) -> str:
        """Return the forecast as a sentence."""
        money = "cost unknown: set BAKEOFF_USD_PER_HOUR" if self.usd is None else f"${self.usd:.4f}"
        return (
            f"about {spoken(self.seconds)} for {self.steps} steps, {self.epochs_per_hour:.1f} epochs per hour,"
            f" {self.memory_gb:.1f} GB of memory, {money}"
        )


def estimate_training(training: Training, train: Dataset, validation: Dataset | None) -> Estimate:
    """Time a few steps, a validation and a checkpoint on a copy of the model, and reckon up the whole run.

    The texts are spread evenly from the shortest to the longest, so that the mean step is the run's. Without
    `validation` the run does not validate.
    """
    knobs, schedule = training.knobs, Schedule.of(len(train), training.knobs, training.until, bool(validation))
    rows = encode(training.model, training.tokenizer, knobs, train)
    watched = encode(training.model, training.tokenizer, knobs, validation) if validation else []
    probed, steps = small_steps(knobs, len(rows), schedule.total_steps)
    texts = steps * probed.gradient_accumulation_steps * probed.batch_size
    few = even_sample(watched, min(PROBE_TEXTS, len(watched)))
    stamps = _Stamps()
    with tempfile.TemporaryDirectory() as folder, room_on_disk(Path(folder), "TMPDIR"):
        probe = replace(
            training,
            model=copy.deepcopy(training.model),
            knobs=probed,
            folder=TrainingFolder(Path(folder)),
            report_to=(),
            callbacks=(stamps,),
            quiet=True,
        )
        short = replace(schedule, total_steps=steps, eval_steps=steps // 2, save_steps=steps)
        build_trainer(probe, even_sample(rows, texts), few or None, short).train()
    parts = _accumulation(knobs, len(rows)) / probed.gradient_accumulation_steps
    a_step = parts * statistics.mean(stamps.steps[1:])  # the first one warms up
    validating = min(stamps.validations) * len(watched) / len(few) * schedule.validations if few else 0.0
    seconds = a_step * schedule.total_steps + validating + stamps.checkpoint * schedule.checkpoints
    price = settings().usd_per_hour
    return Estimate(
        seconds=round(seconds, 2),
        steps=schedule.total_steps,
        seconds_per_step=round(a_step, 4),
        epochs_per_hour=round(3600 / (seconds / schedule.epochs), 2),
        memory_gb=round((stamps.memory - _size(training.model)) / GIGABYTE, 2),
        usd=None if price is None else round(price * seconds / 3600, 6),
    )


def small_steps(knobs: Hyperparameters, examples: int, planned: int) -> tuple[Hyperparameters, int]:
    """Return the knobs of steps that take no longer than they must to be timed, and how many of them to take.

    Args:
        knobs: of the run.
        examples: that it learns from.
        planned: steps of the run.
    """
    batch = min(knobs.batch_size, examples)
    parts = min(_accumulation(knobs, examples), PROBE_PARTS)
    few = min(PROBE_STEPS, PROBE_MOST // (batch * parts), planned // PROBE_SHARE)
    steps = max(PROBE_LEAST, few - few % 2)  # it validates in the middle and at the end
    return knobs.model_copy(update={"batch_size": batch, "gradient_accumulation_steps": parts}), steps


def _accumulation(knobs: Hyperparameters, examples: int) -> int:
    """Return of how many batches a step is, which cannot be more than there are."""
    return min(knobs.gradient_accumulation_steps, math.ceil(examples / knobs.batch_size))


def spoken(seconds: float) -> str:
    """Return a duration in words."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


class _Stamps(TrainerCallback):
    """Notes how long each step took, how long validations and the checkpoint took, and the most memory in use."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.validations: list[float] = []
        self.checkpoint = self.memory = self._since = 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._lap(args)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.steps.append(self._lap(args))
        self.memory = max(self.memory, _memory_in_use(args.device.type))

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.validations.append(self._lap(args))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.checkpoint = self._lap(args)

    def _lap(self, args: TrainingArguments) -> float:
        """Return the seconds since the last call; what a GPU was told to do is waited for."""
        if args.device.type != "cpu":
            torch.accelerator.synchronize()
        before, self._since = self._since, time.perf_counter()
        return self._since - before


def _memory_in_use(device: str) -> float:
    """Return bytes: of a CUDA GPU at their highest, else of this process."""
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return float(psutil.Process().memory_info().rss)


def _size(model: torch.nn.Module) -> int:
    """Return the bytes of a model's weights."""
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())
