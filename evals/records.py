"""Records: one example x one arm x one repeat, appended as they are known, so that a killed run keeps what it has."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from evals.approach import Prediction
from lab.collector import uncollected
from lab.datasets import Example
from lab.errors import BakeoffError
from lab.llm import FailureKind
from lab.text import clean

ROW = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


class Question(NamedTuple):
    """What a record answers: one question is answered once, unless the answer was a failure."""

    arm: str
    scenario: str
    step: str
    test: str
    repeat: int
    example: str


class Outcome(NamedTuple):
    """What became of a question: the failure if it has no answer, and what can be done about it."""

    failure: str | None
    failure_kind: FailureKind | None

    @property
    def may_be_retried(self) -> bool:
        """Tell whether it is a failure that need not come again."""
        return self.failure is not None and self.failure_kind != "permanent"


@dataclass(frozen=True)
class Record:
    """What one arm answered for one example.

    Attributes:
        seconds: its share of the batch it was answered in.
        scenario, step, test: where in the experiment it was asked; a static suite has one test and no other names.
        repeat: the number of the seed.
        failure_kind: what can be done about a failure, where that is known.
        output_tokens: those among `tokens` that a base LLM wrote; of old records all count as read.
        reused: whether the base LLM's answer was kept from before, so that this run paid nothing for it.
    """

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
    scenario: str = ""
    step: str = ""
    test: str = "test"
    failure_kind: FailureKind | None = None
    output_tokens: int = 0
    reused: bool = False

    @classmethod
    def of(cls, question: Question, example: Example, prediction: Prediction, seconds: float) -> "Record":
        """Make the record of a prediction."""
        return cls(
            **question._asdict(),
            text=example.text,
            target=example.label,
            label=prediction.label and clean(prediction.label),
            failure=prediction.failure and clean(prediction.failure),
            scores={label: round(score, 6) for label, score in prediction.scores.items()},
            evidence=[clean(source) for source in prediction.evidence],
            tokens=prediction.tokens,
            seconds=round(seconds, 6),
            failure_kind=prediction.failure_kind,
            output_tokens=prediction.output_tokens,
            reused=prediction.saved_seconds > 0,
        )

    @property
    def outcome(self) -> Outcome:
        """Return what became of its question."""
        return Outcome(self.failure, self.failure_kind)

    @property
    def question(self) -> Question:
        """Return what it answers."""
        return Question(self.arm, self.scenario, self.step, self.test, self.repeat, self.example)

    @property
    def item(self) -> str:
        """Return what is asked in every repeat, by every arm: a text at one place of the experiment."""
        return "\0".join((self.scenario, self.step, self.test, self.example))

    @property
    def correct(self) -> bool | None:
        """Tell whether the label is right; None for a failure, which is neither right nor wrong."""
        return None if self.label is None else self.label == self.target


class Journal:
    """A file of JSON lines that only grows; a line cut off by a crash is dropped before the next is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._is_whole = path, False

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows and wait until the disk has them; one process at a time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._drop_cut_line()
        self._is_whole = True
        with self._path.open("ab") as file:
            file.writelines(orjson.dumps(row, option=ROW) for row in rows)
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows, oldest first; a line that is still being written is not one yet.

        Raises:
            BakeoffError: a line is no JSON; names it.
        """
        if self._path.exists():
            with self._path.open("rb") as file:  # a line may be cut off inside a character
                yield from (self._row(number, line) for number, line in enumerate(file, 1) if line.endswith(b"\n"))

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            return orjson.loads(line)  # type: ignore[no-any-return]
        except orjson.JSONDecodeError as error:
            fix = "restore the file, or remove that line: what it answered is asked again"
            raise BakeoffError(f"JSON in {self._path}, line {number}", str(error), fix) from None

    def _drop_cut_line(self) -> None:
        """Drop what a crash left, once: whole lines follow."""
        if self._is_whole or not self._path.exists():
            return
        content = self._path.read_bytes()
        os.truncate(self._path, content.rfind(b"\n") + 1)


@uncollected()
def read_records(journal: Journal) -> dict[Question, Record]:
    """Return the latest record of each question: a retried failure is replaced by what came of it.

    They stand in the order of their questions, in which nothing is left of who answered first.
    """
    records = (Record(**row) for row in journal.rows())
    latest = {record.question: record for record in records}
    return {question: latest[question] for question in sorted(latest)}


@uncollected()
def read_outcomes(journal: Journal) -> dict[Question, Outcome]:
    """Return the latest outcome of each question, in a third of the time that its whole record takes to read."""
    return {
        Question(*map(row.__getitem__, Question._fields)): Outcome(row["failure"], row.get("failure_kind"))
        for row in journal.rows()
    }
