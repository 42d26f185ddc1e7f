"""Records: one example x one approach, appended as they are known, so that a killed run keeps what it has."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.approach import Prediction
from lab.datasets import Example


@dataclass(frozen=True)
class Record:
    """What one arm answered for one example; `seconds` is its share of the batch it was answered in."""

    arm: str
    example: str
    text: str
    target: str
    label: str | None
    failure: str | None
    scores: dict[str, float]
    evidence: list[str]
    tokens: int
    seconds: float
    repeat: int = 0

    @classmethod
    def of(cls, arm: str, example: Example, prediction: Prediction, seconds: float) -> "Record":
        """Make the record of a prediction."""
        scores = {label: round(score, 6) for label, score in prediction.scores.items()}
        answer = (prediction.label, prediction.failure, scores, list(prediction.evidence), prediction.tokens)
        return cls(arm, example.id, example.text, example.label, *answer, round(seconds, 6))

    @property
    def correct(self) -> bool | None:
        """Tell whether the label is right; None for a failure, which is neither right nor wrong."""
        return None if self.label is None else self.label == self.target


class Journal:
    """A file of JSON lines that only grows; a line cut off by a crash is dropped before the next is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows and wait until the disk has them; one process at a time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._drop_cut_line()
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows, oldest first; a line that is still being written is not one yet."""
        if self._path.exists():
            with self._path.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in file if line.endswith("\n"))

    def _drop_cut_line(self) -> None:
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._path, whole)


def read_records(journal: Journal) -> dict[tuple[str, str], Record]:
    """Return the latest record of each arm and example: a retried failure is replaced by what came of it."""
    records = (Record(**row) for row in journal.rows())
    return {(record.arm, record.example): record for record in records}
