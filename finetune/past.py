"""Every training run that this workspace remembers, wherever it was made, as one noun: PastRun."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from finetune.diagnosis import Finding, LossRange, Point, beginnings
from finetune.folder import CURVE, STATE, UNDER_WAY, TrainingFolder, is_gone
from finetune.hyperparameters import Hyperparameters
from finetune.tail import modified
from lab.datasets import Origin
from lab.errors import BakeoffError
from lab.workspace import Workspace, read_json

Source = Literal["classifier", "training", "trial"]
KEPT = 4096  # runs, each some 10 kB
CARD = "classifier.json"
Reader = Callable[[Path], Iterable["PastRun | None"]]


@dataclass(frozen=True)
class Ground:
    """What runs must have in common to be compared: the training texts and the base.

    Attributes:
        fingerprint: of the training texts.
        name: of the data.
        examples: how many training texts there are.
        validation_examples: how many texts an accuracy was measured on.
        origin: how to get the data again; None when it was put together in a process.
    """

    base: str
    fingerprint: str
    name: str = field(compare=False)
    examples: int = field(compare=False)
    validation_examples: int = field(compare=False)
    origin: Origin | None = field(compare=False)


@dataclass(frozen=True)
class PastRun:
    """One training run, over or under way.

    Attributes:
        name: the classifier's id, or "trial 3 of tweets".
        source: what remembers it.
        status: that of a `TrainingFolder`, or "pruned": a trial that its sweep gave up.
        curve: points {step, loss, …} and {step, eval_loss, eval_accuracy, …}, in order.
        total_steps: as planned.
        losses: of guessing and of certainty.
        accuracy: the best on validation; of a run that is not over, the best so far.
        when: it was last written to, in seconds since 1970.
    """

    name: str
    source: Source
    status: str
    ground: Ground
    knobs: Hyperparameters
    curve: tuple[Point, ...]
    total_steps: int
    losses: LossRange
    accuracy: float | None
    when: float

    @property
    def is_whole(self) -> bool:
        """Return whether it ran to its end, so that its accuracy is what its setting gives."""
        return self.status == "finished" and self.accuracy is not None

    @property
    def step(self) -> int:
        """Return the last step that the curve knows."""
        return int(self.curve[-1]["step"]) if self.curve else 0

    @property
    def warmup_share(self) -> float:
        """Return the share of the steps that warm up, whichever of the two knobs says so."""
        steps = self.knobs.warmup_steps
        return min(1.0, steps / self.total_steps) if steps and self.total_steps else self.knobs.warmup_ratio

    @cached_property
    def findings(self) -> list[Finding]:
        """Return what its curve suffers from, each with the step where that begins."""
        return beginnings(self.curve, self.losses, self.total_steps)


@dataclass(frozen=True)
class Past:
    """All past runs, the newest first, and in words what could not be read."""

    runs: tuple[PastRun, ...]
    notes: tuple[str, ...]

    def on(self, ground: Ground) -> list[PastRun]:
        """Return the runs of one ground."""
        return [run for run in self.runs if run.ground == ground]

    @property
    def grounds(self) -> dict[Ground, int]:
        """Return each ground with the number of its runs, that with the most first."""
        counts: dict[Ground, int] = {}
        for run in self.runs:
            counts[run.ground] = counts.get(run.ground, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def past_runs(workspace: Workspace | None = None) -> Past:
    """Read the classifiers, the trainings and the sweeps of a workspace; a file that did not change is read once.

    A training that ended as a classifier is told once. Probes are left out, for they have no steps, and refits, which
    validate nothing that they could be compared by.
    """
    there, notes = workspace or Workspace.current(), list[str]()
    found: dict[str, PastRun] = {}
    for path in sorted(there.trainings.glob(f"[!.]*/{STATE}")):
        _take(found, notes, path, lambda path: [training_run(path.parent)])
    for path in sorted(there.classifiers.glob(f"[!.]*/{CARD}")):
        _take(found, notes, path, lambda path: [_classifier(path, modified(path))])
    for path in sorted((there.home / "sweeps").glob("[!.]*.db")):
        _take(found, notes, path, _trials)
    return Past(tuple(sorted(found.values(), key=lambda run: -run.when)), tuple(notes))


def training_run(folder: Path) -> PastRun | None:
    """Return the training in a folder as far as it has come; None before it has begun, and of a refit.

    Raises:
        BakeoffError: its state cannot be read.
        KeyError, TypeError, ValueError: it is not what a training writes.
    """
    written = modified(folder / STATE)
    run = _training(folder, written, modified(folder / CURVE))
    if run and run.status in UNDER_WAY and is_gone(TrainingFolder(folder).state, written / 1e9):
        return replace(run, status="interrupted")
    return run


def best_accuracy(curve: tuple[Point, ...]) -> float | None:
    """Return the best validation accuracy on a curve, or None without one."""
    scores = [float(point["eval_accuracy"]) for point in curve if "eval_accuracy" in point]
    return max((score for score in scores if math.isfinite(score)), default=None)


def ground_of(base: str, name: str, origin: Mapping[str, Any] | None, measures: Mapping[str, Any]) -> Ground:
    """Return the ground that a record tells of."""
    return Ground(
        base,
        str(measures["data_fingerprint"]),
        name,
        int(measures["examples"]),
        int(measures["validation_examples"]),
        Origin(**origin) if origin else None,
    )


def losses_of(measures: Mapping[str, Any]) -> LossRange:
    """Return the losses that a record tells of."""
    return LossRange(float(measures["baseline_loss"]), float(measures["least_loss"]))


def _trials(path: Path) -> "list[PastRun]":
    from finetune.studies import study_runs  # here, for Optuna takes half a second to import

    return study_runs(path, modified(path))


def _take(found: dict[str, PastRun], notes: list[str], path: Path, read: Reader) -> None:
    """Add what a file holds, or a note of why it holds nothing."""
    try:
        found |= {run.name: run for run in read(path) if run}
    except KeyError as error:
        notes.append(f"{path} was left out: it lacks {error}, as those of an older version do")
    except (BakeoffError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        notes.append(f"{path} was left out: {reason[:200]}")


@lru_cache(KEPT)
def _classifier(path: Path, written: int) -> PastRun | None:
    """Read a classifier's card; `written` is there to read it anew when it changes."""
    document = read_json(path)
    card, knobs = document["card"], Hyperparameters.checked(**document["hyperparameters"])
    if knobs.method == "probe" or not card["validation_examples"]:
        return None
    return PastRun(
        name=path.parent.name,
        source="classifier",
        status="finished",
        ground=ground_of(document["base"], card["dataset"], card["origin"], card),
        knobs=knobs,
        curve=tuple(card["curve"]),
        total_steps=int(card["total_steps"]),
        losses=losses_of(card),
        accuracy=float(card["validation"]["accuracy"]),
        when=written / 1e9,
    )


@lru_cache(KEPT)
def _training(folder: Path, written: int, grown: int) -> PastRun | None:
    """Read a training's state and curve; the times are there to read them anew when they change."""
    state = read_json(folder / STATE)
    if "total_steps" not in state or not state["validation_examples"]:
        return None
    curve = tuple(TrainingFolder(folder).curve())
    return PastRun(
        name=folder.name,
        source="training",
        status=str(state["status"]),
        ground=ground_of(state["base"], state["dataset"], state["origin"], state),
        knobs=Hyperparameters.checked(**state["hyperparameters"]),
        curve=curve,
        total_steps=int(state["total_steps"]),
        losses=losses_of(state),
        accuracy=best_accuracy(curve),
        when=max(written, grown) / 1e9,
    )
