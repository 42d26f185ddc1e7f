"""Checkpoints on disk: which are whole, and what is wrong with one that is not."""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.redact import reason
from lab.workspace import write_text

COMPLETE = "complete"  # written into a checkpoint last: one without it was cut off
STATE = "trainer_state.json"
NEEDED = (STATE, "optimizer.pt", "scheduler.pt", "rng_state*.pth", "*.safetensors")


def mark_complete(checkpoint: Path) -> None:
    """Note that all files of a checkpoint are written."""
    write_text(checkpoint / COMPLETE, "")


def is_complete(checkpoint: Path) -> bool:
    """Return whether a checkpoint was written to its end."""
    return (checkpoint / COMPLETE).exists()


def step_of(checkpoint: Path) -> int:
    """Return the step at which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def damage(checkpoint: Path) -> str | None:
    """Return what is wrong with a complete checkpoint, or None: a disk can lose what was written to its end.

    What it was best at counts too: a run ends with the weights of the best checkpoint so far.
    """
    found = _damage(checkpoint, NEEDED)
    best = None if found else _read(checkpoint / STATE).get("best_model_checkpoint")
    if best and Path(best).name != checkpoint.name:
        found = _damage(checkpoint.with_name(Path(best).name), NEEDED)
    return found


def damage_of_part(part: Path) -> str | None:
    """Return what is wrong with a classifier that waits for others of its refit, or None."""
    return _damage(part, ("config.json", "classifier.json", "*.safetensors"))


def _damage(checkpoint: Path, needed: Sequence[str]) -> str | None:
    """Return what is wrong with the files of one checkpoint, or None."""
    missing = [pattern for pattern in needed if not list(checkpoint.glob(pattern))]
    if missing:
        return f"{checkpoint.name} has no {missing[0]}"
    for path in sorted(checkpoint.iterdir()):
        try:
            CHECKS.get(path.suffix, Path.stat)(path)
        except Exception as error:  # each format has errors of its own
            return f"{checkpoint.name}/{path.name}: {reason(error)}"
    return None


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _check_zip(path: Path) -> None:
    """Read a file of torch.save, a zip archive, against its checksums."""
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{broken} is damaged")


def _check_tensors(path: Path) -> None:
    """Read a safetensors file's header, which tells how long the file must be."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy"):
        pass


CHECKS: dict[str, Callable[[Path], object]] = {
    ".json": _read,
    ".safetensors": _check_tensors,
    **dict.fromkeys((".pt", ".pth", ".bin"), _check_zip),
}
