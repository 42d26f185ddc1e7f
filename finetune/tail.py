"""Follows a growing JSONL file: reads the lines that are new, and tells points and predictions from rubbish."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LONGEST_LINE = 65_536  # bytes
LONGEST_LABEL = 40  # characters of a label that are shown
LAST_SECOND = 253_402_300_799  # of the year 9999


class Tail:
    """A growing file of lines, read from where the last reading stopped, one line in memory at a time.

    A file that became shorter, is another or begins differently is read from its beginning: it was truncated or
    rotated. What was written to the old one after the last reading is not seen.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rewound = False  # whether the last reading began anew
        self._offset, self._inode, self._head, self._too_long = 0, 0, b"", False

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines that are new; a last line without its end is left for the next time."""
        self.rewound = False
        try:
            file = self.path.open("rb")
        except OSError:
            return
        with file:
            self._recognise(os.fstat(file.fileno()), file.read(256))
            file.seek(self._offset)
            while piece := file.readline(LONGEST_LINE):
                if not piece.endswith(b"\n") and len(piece) < LONGEST_LINE:
                    return
                self._offset += len(piece)
                cut, self._too_long = self._too_long, not piece.endswith(b"\n")
                if not cut:
                    yield piece  # the beginning of a line that is too long is no JSON, and so counts as one bad line

    def _recognise(self, state: os.stat_result, head: bytes) -> None:
        known = self._inode in (0, state.st_ino) and head.startswith(self._head)
        if state.st_size < self._offset or not known:
            self.rewound = True
            self._offset, self._too_long = 0, False
        self._inode, self._head = state.st_ino, head


def curve_point(line: bytes) -> dict[str, Any] | None:
    """Return a line of a learning curve as a point {step, time, loss, …}, or None if it is none."""
    point = _parsed(line)
    scores = [point[name] for name in ("loss", "eval_loss", "eval_accuracy") if name in point]
    whole = isinstance(point.get("step"), int) and _is_time(point.get("time"))
    return point if whole and scores and all(map(_is_number, scores)) else None


def logged_prediction(line: bytes) -> dict[str, Any] | None:
    """Return a line of the log as a prediction {time, classifier, label, confidence}, or None if it is none."""
    row = _parsed(line)
    named = isinstance(row.get("classifier"), str) and isinstance(row.get("label"), str)
    confident = _is_number(row.get("confidence")) and 0 <= row["confidence"] <= 1
    return row if named and confident and _is_time(row.get("time")) else None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= LAST_SECOND


def number_or(value: Any, missing: float) -> float:
    """Return `value` if it is a number, and otherwise `missing`."""
    return float(value) if _is_number(value) else missing


def finite(value: float) -> float | None:
    """Return `value`, or None where it is NaN or infinite: JSON has neither."""
    return value if math.isfinite(value) else None


def shortened(text: str) -> str:
    """Return text from a log on one line and not longer than a label needs."""
    line = " ".join(text[: 10 * LONGEST_LABEL].split()).encode("utf-8", "replace").decode("utf-8")
    return line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 1]}…"


def modified(path: Path) -> int:
    """Return when the file was written, in nanoseconds; 0 when it has just been removed."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
