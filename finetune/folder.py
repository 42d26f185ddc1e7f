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

from finetune.checkpoints import damage, damage_of_part, is_complete, step_of
from lab.workspace import Workspace, read_json, write_json, write_text

STATE, CURVE, REQUEST = "training.json", "curve.jsonl", "request"
PARTS = "part-*"

# starting: a process was begun that has not loaded its data yet; interrupted: by Ctrl-C or a signal.
Status = Literal["starting", "running", "paused", "interrupted", "stopped", "failed", "finished"]
Request = Literal["pause", "stop"]
UNDER_WAY: tuple[Status, ...] = ("starting", "running")
OVER: tuple[Status, ...] = ("finished", "stopped")


class Asked(KeyboardInterrupt):
    """A training that ends because somebody outside asked for it, as Ctrl-C asks from inside."""

    def __init__(self, request: Request, step: int) -> None:
        self.request, self.step = request, step
        super().__init__(f"asked to {request} at step {step}")


class TrainingFolder:
    """What a training run leaves on disk, so that it can be watched from outside and taken up again."""

    def __init__(self, path: Path, refit: int = 0, fresh: bool = False) -> None:
        """Name the folder, and what its state is to say of a training that begins there.

        Args:
            path: of the folder.
            refit: the training is one of those that such a refit takes.
            fresh: it takes the place of a classifier that is there.
        """
        self.path, self._noted = path, {"refit": refit} | ({"fresh": True} if fresh else {})

    @classmethod
    def of(cls, identifier: str, refit: int = 0, fresh: bool = False) -> "TrainingFolder":
        """Return the folder of the training that makes the classifier `identifier`."""
        return cls(Workspace.current().trainings / identifier, refit, fresh)

    @property
    def state(self) -> dict[str, Any]:
        """Return what `begin` and `end` wrote; empty before the first."""
        path = self.path / STATE
        return dict(read_json(path)) if path.exists() else {}

    @property
    def checkpoint(self) -> Path | None:
        """Return the newest checkpoint that was written to its end, or None."""
        return max(filter(is_complete, self.path.glob("checkpoint-*")), key=step_of, default=None)

    @property
    def step(self) -> int:
        """Return the step of the newest complete checkpoint; 0 without one."""
        return step_of(self.checkpoint) if self.checkpoint else 0

    @property
    def is_begun(self) -> bool:
        """Return whether there is something to go on from."""
        return bool(self.step or list(self.path.glob(PARTS)))

    @property
    def is_cut_off(self) -> bool:
        """Return whether a training began here and is not over, as far as its state says."""
        return self.state.get("status", "finished") not in OVER

    @property
    def replaces(self) -> bool:
        """Return whether a training was cut off here that is to take the place of a classifier that is there."""
        return self.is_cut_off and bool(self.state.get("fresh"))

    def part(self, draw: int) -> Path:
        """Return where a refit keeps the classifier of this draw once it is trained, until their mean is made."""
        return self.path / f"part-{draw}"

    def turn_to(self, draw: int) -> None:
        """Begin or go on with the training of this draw: drop the checkpoints of another, which was done."""
        if self.state.get("draw", 0) != draw:
            for path in self.path.glob("checkpoint-*"):
                shutil.rmtree(path)

    @property
    def request(self) -> Request | None:
        """Return what somebody outside asked of the run, or None."""
        try:
            return "stop" if (self.path / REQUEST).read_text(encoding="utf-8") == "stop" else "pause"
        except FileNotFoundError:
            return None

    def ask(self, request: Request) -> None:
        """Ask the run, in whatever process it is, to pause or to stop; it hears at its next step."""
        write_text(self.path / REQUEST, request)

    def start(self, document: Mapping[str, Any], pid: int) -> None:
        """Note that a process was started that will begin or go on."""
        write_json(self.path / STATE, {**self.state, **document, "status": "starting"} | _whereabouts(pid))

    def drop_damaged(self) -> str | None:
        """Remove the newest checkpoints as far as they are damaged; return what was wrong with them, or None."""
        wrong = []
        while (newest := self.checkpoint) and (found := damage(newest)):
            wrong.append(found)
            shutil.rmtree(newest)
        return ", ".join(dict.fromkeys(wrong)) or None

    def drop_damaged_parts(self) -> str | None:
        """Remove what a refit has trained as far as it is damaged; return what was wrong with it, or None."""
        found = {path: wrong for path in self.path.glob(PARTS) if (wrong := damage_of_part(path))}
        for path in found:
            shutil.rmtree(path)
        return ", ".join(found.values()) or None

    def begin(self, document: Mapping[str, Any]) -> None:
        """Note that a run begins or goes on; drops half-written checkpoints and the curve after the last whole one."""
        self._clear(everything=False)
        kept = [json.dumps(point) for point in self.curve() if point["step"] <= self.step]
        write_text(self.path / CURVE, "".join(f"{line}\n" for line in kept))
        known = self.state
        if known.get("status") != "starting" and (known.get("status"), known.get("pid")) != ("running", os.getpid()):
            self.withdraw()  # it was asked of the run before; since this one was started, it would be asked of this one
        write_json(self.path / STATE, {**document, **self._noted, "status": "running"} | _whereabouts(os.getpid()))

    def end(self, status: Status) -> None:
        """Note how the run ended; of one that is over, no weights are kept here."""
        self._clear(everything=status in OVER)
        self.withdraw()
        write_json(self.path / STATE, self.state | {"status": status})

    def end_by(self, error: BaseException) -> None:
        """Note that an error ended the run."""
        if isinstance(error, Asked):
            self.end("paused" if error.request == "pause" else "stopped")
        else:
            self.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")

    def withdraw(self) -> None:
        """Forget what was asked of the run."""
        (self.path / REQUEST).unlink(missing_ok=True)

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

    def _clear(self, everything: bool) -> None:
        """Remove checkpoints and what a refit has trained: everything, or what was not written to its end."""
        checkpoints = [path for path in self.path.glob("checkpoint-*") if everything or not is_complete(path)]
        parts = self.path.glob(PARTS) if everything else ()
        for path in (*checkpoints, *parts, *self.path.glob(f".{PARTS}")):
            shutil.rmtree(path, ignore_errors=True)


def interrupted_training() -> TrainingFolder | None:
    """Return the last training that was begun, not finished, and can go on; None without one."""
    folders = [TrainingFolder(path.parent) for path in Workspace.current().trainings.glob(f"*/{STATE}")]
    return max(filter(_waits, folders), key=lambda folder: folder.state["started"], default=None)


def is_gone(state: Mapping[str, Any], noted: float) -> bool:
    """Say whether the process that a training's state names has ended.

    In a workspace that machines share, the process ids of another machine mean nothing here.

    Args:
        state: of the training.
        noted: when the state was written, in seconds since 1970; a younger process of that id is another.
    """
    if not isinstance(state.get("pid"), int) or state.get("host", platform.node()) != platform.node():
        return False
    try:
        process = psutil.Process(state["pid"])
        return bool(process.status() == psutil.STATUS_ZOMBIE or process.create_time() > noted + 5)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _whereabouts(pid: int) -> dict[str, Any]:
    return {"pid": pid, "host": platform.node(), "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def _waits(folder: TrainingFolder) -> bool:
    """Return whether a run was cut off and can go on: its data can be loaded again, and no process works on it."""
    state = folder.state
    elsewhere = state["host"] != platform.node() or state["pid"] == os.getpid()
    noted = (folder.path / STATE).stat().st_mtime
    alive = state["status"] in UNDER_WAY and not elsewhere and not is_gone(state, noted)
    return state["status"] not in OVER and state.get("origin") is not None and not alive
