"""All answers of a run, one line a text and one column an arm: what the example browser searches and filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.records import Record

MISSING, FAILED = -1, -2  # in place of a label's number: no answer yet, and none to be had
COLUMNS = ("arm", "scenario", "step", "test", "example", "text", "target", "label", "failure")

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Place(NamedTuple):
    """Which text was asked, and where in the experiment; that of one line of the table."""

    scenario: str
    step: str
    test: str
    repeat: int
    example: str


@dataclass(frozen=True)
class AnswerTable:
    """What every arm answered to every text.

    Attributes:
        arms: names of the columns.
        labels: all that was answered or expected; answers are numbers of these.
        places, texts: of each line, in the order in which they were asked first.
        targets: the number of the label that each line expects, shape (lines,).
        answers: the number of the label of each answer, MISSING or FAILED, shape (lines, arms).
    """

    arms: Sequence[str]
    labels: Sequence[str]
    places: Sequence[Place]
    texts: Sequence[str]
    targets: Codes
    answers: Codes

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def right(self) -> Mask:
        """Tell of each answer whether it is right, shape (lines, arms)."""
        return np.asarray(self.answers == self.targets[:, None])

    @cached_property
    def wrong(self) -> Mask:
        """Tell of each answer whether it is wrong, shape (lines, arms); a failure is neither right nor wrong."""
        return np.asarray((self.answers >= 0) & ~self.right)

    @cached_property
    def line_of(self) -> Mapping[Place, int]:
        """Return the line of each place."""
        return {place: line for line, place in enumerate(self.places)}

    @cached_property
    def several(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the scenarios, steps, tests and repeats, of each that has more than one."""
        found = {name: dict.fromkeys(str(getattr(p, name)) for p in self.places) for name in Place._fields[:-1]}
        return {name: list(values) for name, values in found.items() if len(values) > 1}

    def disputed(self) -> Mask:
        """Tell which texts got different labels from the arms that answered, shape (lines,)."""
        answered = self.answers >= 0
        most = np.where(answered, self.answers, -1).max(axis=1, initial=-1)
        least = np.where(answered, self.answers, len(self.labels)).min(axis=1, initial=len(self.labels))
        return np.asarray(least < most)

    def holding(self, words: str) -> Mask:
        """Tell which texts hold these words, in small letters or capitals, shape (lines,)."""
        wanted = words.casefold()
        return np.fromiter((wanted in text for text in self._folded), dtype=bool, count=len(self))

    @cached_property
    def _folded(self) -> list[str]:
        return [text.casefold() for text in self.texts]


def table_of(arms: Sequence[str], content: bytes) -> AnswerTable:
    """Return the answers that stand in records.jsonl, the latest to each question.

    Only the columns are read (Apache Arrow), which is ten times as fast as reading records.

    Args:
        arms: of the run's suite.
        content: of the file; a line that is still being written is not one yet.
    """
    import pyarrow as pa
    from pyarrow import json

    kinds = {name: pa.string() for name in COLUMNS} | {"repeat": pa.int64()}
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        return table_from([], arms)
    read = json.read_json(
        pa.BufferReader(whole),
        json.ReadOptions(block_size=max(1 << 22, _longest_line(whole))),
        json.ParseOptions(explicit_schema=pa.schema(kinds), unexpected_field_behavior="ignore"),
    )
    early = {"scenario": "", "step": "", "test": "test", "repeat": 0}  # what the first runs do not tell
    columns = {name: read[name].fill_null(early[name]) if name in early else read[name] for name in kinds}
    return _joined(arms, {name: _numbered(column) for name, column in columns.items()})


def table_from(records: Sequence[Record], arms: Sequence[str]) -> AnswerTable:
    """Return the answers of records, such as those that were graded."""
    import pyarrow as pa

    columns = {name: pa.array([getattr(r, name) for r in records], pa.string()) for name in COLUMNS}
    columns["repeat"] = pa.array([record.repeat for record in records], pa.int64())
    return _joined(arms, {name: _numbered(column) for name, column in columns.items()})


def _longest_line(content: bytes) -> int:
    """Return no less than the bytes of the longest line, which must fit one block of Arrow's reader."""
    return max(map(len, content.splitlines()), default=0) + 1 if len(content) > 1 << 22 else len(content)


def _numbered(column: Any) -> tuple[Codes, list[Any]]:
    """Return a column's values, each once, and for each line the number of its own; -1 where it has none."""
    import pyarrow as pa

    encoded = pa.chunked_array(column).combine_chunks().dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _joined(arms: Sequence[str], columns: Mapping[str, tuple[Codes, list[Any]]]) -> AnswerTable:
    """Return the answers line by line; of several to one question the last stands."""
    keys = [columns[name] for name in Place._fields]
    asked = np.zeros(len(keys[0][0]), dtype=np.int64)
    for numbers, values in keys:
        asked = asked * max(1, len(values)) + numbers
    _, first, line = np.unique(asked, return_index=True, return_inverse=True)
    order = np.argsort(first)  # lines in the order of the file
    line, first = np.argsort(order)[line], first[order]
    labels = sorted({*columns["target"][1], *columns["label"][1]})
    known = {label: number for number, label in enumerate(labels)}
    answers = np.full((len(first), len(arms)), MISSING)
    given = _renumbered(columns["label"], known)
    answers[line, _renumbered(columns["arm"], {arm: number for number, arm in enumerate(arms)})] = given
    places = zip(*([values[number] for number in numbers[first]] for numbers, values in keys), strict=True)
    text_numbers, texts = columns["text"]
    return AnswerTable(
        tuple(arms),
        tuple(labels),
        [Place(*place) for place in places],
        [texts[number] for number in text_numbers[first]],
        _renumbered(columns["target"], known)[first],
        answers,
    )


def _renumbered(column: tuple[Codes, list[Any]], known: Mapping[Any, int]) -> Codes:
    """Return the numbers that a column's values have elsewhere; FAILED for what has none."""
    numbers, values = column
    table = np.array([*(known[value] for value in values), FAILED])
    return np.asarray(table[numbers])
