"""The folder of one training run: its settings and state, its curve as it grows, and its checkpoints."""

import json
import os
import platform
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import psutil

from lab.workspace import Workspace, read_json, write_json, write_text

STATE, CURVE = "training.json", "curve.jsonl"
COMPLETE = "complete"  # written into a checkpoint last: one without it was cut off

Status = Literal["running", "interrupted", "failed", "finished"]


class TrainingFolder:
    """What a training run leaves on disk, so that it can be watched from outside and taken up again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, identifier: str) -> "TrainingFolder":
        """Return the folder of the training that makes the classifier `identifier`."""
        return cls(Workspace.current().trainings / identifier)

    @property
    def state(self) -> dict[str, Any]:
        """Return what `begin` and `end` wrote; empty before the first."""
        path = self.path / STATE
        return dict(read_json(path)) if path.exists() else {}

    @property
    def checkpoint(self) -> Path | None:
        """Return the newest checkpoint that was written to its end, or None."""
        complete = [path.parent for path in self.path.glob(f"checkpoint-*/{COMPLETE}")]
        return max(complete, key=_step, default=None)

    @property
    def step(self) -> int:
        """Return the step of the newest complete checkpoint; 0 without one."""
        return _step(self.checkpoint) if self.checkpoint else 0

    def begin(self, document: Mapping[str, Any]) -> None:
        """Note that a run begins or goes on; drops half-written checkpoints and the curve after the last whole one."""
        for path in self.path.glob("checkpoint-*"):
            if not (path / COMPLETE).exists():
                shutil.rmtree(path)
        kept = [json.dumps(point) for point in self.curve() if point["step"] <= self.step]
        write_text(self.path / CURVE, "".join(f"{line}\n" for line in kept))
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_json(
            self.path / STATE,
            {**document, "status": "running", "pid": os.getpid(), "host": platform.node(), "started": now},
        )

    def end(self, status: Status) -> None:
        """Note how the run ended; a finished one needs its checkpoints no more, nor does one cut off need halves."""
        for path in self.path.glob("checkpoint-*"):
            if status == "finished" or not (path / COMPLETE).exists():
                shutil.rmtree(path, ignore_errors=True)
        write_json(self.path / STATE, self.state | {"status": status})

    def forget(self) -> None:
        """Remove the folder, to start from the beginning."""
        shutil.rmtree(self.path, ignore_errors=True)

    def append(self, point: Mapping[str, Any]) -> None:
        """Add a point to the curve, with the time."""
        with (self.path / CURVE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**point, "time": round(time.time(), 3)}) + "\n")

    def curve(self) -> list[dict[str, Any]]:
        """Return the points so far; a last line that was cut off is left out."""
        path = self.path / CURVE
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]


def mark_complete(checkpoint: Path) -> None:
    """Note that all files of a checkpoint are written."""
    write_text(checkpoint / COMPLETE, "")


def interrupted_training() -> TrainingFolder | None:
    """Return the last training that was begun, not finished, and can go on; None without one."""
    folders = [TrainingFolder(path.parent) for path in Workspace.current().trainings.glob(f"*/{STATE}")]
    return max(filter(_waits, folders), key=lambda folder: folder.state["started"], default=None)


def _waits(folder: TrainingFolder) -> bool:
    """Return whether a run was cut off and can go on: its data can be loaded again, and no process works on it."""
    state = folder.state
    elsewhere = state["host"] != platform.node() or state["pid"] == os.getpid()
    alive = state["status"] == "running" and not elsewhere and bool(psutil.pid_exists(state["pid"]))
    return state["status"] != "finished" and state.get("origin") is not None and not alive


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
