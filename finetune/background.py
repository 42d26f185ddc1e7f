"""Trainings in processes of their own: begun, paused, gone on with and stopped from outside, and outliving who asks."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.folder import OVER, STATE, UNDER_WAY, Status, TrainingFolder, is_gone
from finetune.jobs import Job
from finetune.registry import classifier_folder, measured_by
from finetune.tail import modified
from lab.console import printable
from lab.errors import BakeoffError
from lab.workspace import Workspace, lock

LOG = "output.txt"
LONGEST_ERROR, LAST_BYTES = 400, 8192
CODE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Condition:
    """How a training stands.

    Attributes:
        status: None where nobody has begun it.
        step: the last that its curve knows.
        total_steps: 0 while the data is being loaded.
        error: of a failed one, in a line.
        waits: it was asked to pause or to stop, and has not heard yet.
        which: "training 2 of 4" of one that a refit is made of; else "".
    """

    status: Status | None
    step: int = 0
    total_steps: int = 0
    error: str = ""
    waits: bool = False
    which: str = ""

    @property
    def is_under_way(self) -> bool:
        """Return whether a process works on it."""
        return self.status in UNDER_WAY

    @property
    def can_go_on(self) -> bool:
        """Return whether it was begun and is not over."""
        return self.status is not None and not self.is_under_way and self.status not in OVER


def condition(identifier: str) -> Condition:
    """Return how the training that makes a classifier stands."""
    folder = TrainingFolder.of(identifier)
    if classifier_folder(identifier).exists():
        return Condition("finished")
    state = folder.state
    if not state:
        return Condition(None)
    status: Status = state["status"]
    if status in UNDER_WAY and is_gone(state, modified(folder.path / STATE) / 1e9):
        status = "failed" if status == "starting" else "interrupted"
    curve = folder.curve()
    return Condition(
        status,
        step=int(curve[-1]["step"]) if curve else 0,
        total_steps=int(state.get("total_steps", 0)),
        error=last_words(folder) if status in ("failed", "interrupted") else "",
        waits=folder.request is not None and status in UNDER_WAY,
        which=_which(identifier, state),
    )


def _which(identifier: str, state: Mapping[str, Any]) -> str:
    times = int(state.get("refit", 0))
    number = 1 if measured_by(identifier) == identifier else 2 + int(state.get("draw", 0))
    return f"training {number} of {1 + times}" if times else ""


def unfinished_trainings() -> dict[str, Condition]:
    """Return the trainings that are under way or can go on, by the classifiers they make; the newest first."""
    folders = [path.parent for path in Workspace.current().trainings.glob(f"[!.]*/{STATE}")]
    found: dict[str, Condition] = {}
    for folder in sorted(folders, key=lambda folder: -modified(folder / STATE)):
        with suppress(BakeoffError, KeyError, TypeError, ValueError):  # a folder that is damaged
            now = condition(folder.name)
            if now.is_under_way or (now.can_go_on and TrainingFolder(folder).state.get("origin")):
                found[folder.name] = now
    return found


def start_training(job: Job, identifier: str) -> None:
    """Begin a training, or go on with it, in a process that outlives this one; not twice, and not if it is trained.

    The process is `bakeoff train` with this very setting; what it prints goes to output.txt in the training's folder.

    Args:
        job: what to train.
        identifier: of the classifier it makes, as `Job.identifier` tells.
    """
    folder = TrainingFolder.of(identifier)
    with lock(folder.path / ".start.lock", f"the training {identifier}", wait_seconds=30):
        now = condition(identifier)
        if now.is_under_way or now.status == "finished":
            return
        folder.withdraw()
        with (folder.path / LOG).open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "cli", "train", *job.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CODE), os.environ.get("PYTHONPATH", "")])},
            )
        document = {"classifier": identifier, "base": job.base, "origin": asdict(job.origin)}
        document |= {"hyperparameters": job.knobs.resolved().model_dump(), "report_to": list(job.report_to)}
        folder.start(document | {"refit": job.refit}, child.pid)
    threading.Thread(target=child.wait, daemon=True).start()  # or it would stay a zombie where this process stays


def pause_training(identifier: str) -> None:
    """Ask a training to save a checkpoint at its next step and to end there, so that it can go on.

    Raises:
        BakeoffError: it is not under way.
    """
    if not condition(identifier).is_under_way:
        raise BakeoffError("a training that is under way", f"{identifier}, which is not", "start it, or go on with it")
    TrainingFolder.of(identifier).ask("pause")


def stop_training(identifier: str) -> None:
    """End a training for good, at its next step if it is under way: its curve stays, its checkpoints do not."""
    now, folder = condition(identifier), TrainingFolder.of(identifier)
    if now.is_under_way:
        folder.ask("stop")
    elif now.can_go_on:
        folder.end("stopped")


def last_words(folder: TrainingFolder) -> str:
    """Return the last line that a training's process printed, which for one that failed is its error."""
    try:
        with (folder.path / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return printable(last.removeprefix("bakeoff: "))[:LONGEST_ERROR]
