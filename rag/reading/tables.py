"""Rows with column names: labelled examples, or plain rows a few to a passage."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from lab.datasets import read_rows
from lab.errors import BakeoffError
from lab.text import clean
from rag.reading.chunks import Block, Document, Piece, merge_places, pack
from rag.reading.origins import Columns
from rag.reading.unreadable import Unreadable


@dataclass(frozen=True)
class Row:
    """One row: the sheet it is in or "", its number there, and its cells by column."""

    sheet: str
    number: int
    cells: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Return where the row stands, in the words of its table."""
        return f"sheet {self.sheet}, row {self.number}" if self.sheet else f"row {self.number}"


def table(rows: Iterable[Row], columns: Columns) -> Document:
    """Make one labelled piece of each row where the table has the two columns, however long its text is.

    Other tables are plain documents: a row is a line of "column: value", and a few of them are a piece.

    Raises:
        Unreadable: it has no rows, or columns other than the usual ones are asked for and not there.
    """
    rows = list(rows)
    if not rows:
        raise Unreadable("no rows", fault=False)
    first_rows = {row.sheet: row for row in reversed(rows)}.values()
    if all(name in row.cells for row in first_rows for name in (columns.text, columns.label)):
        return _examples(rows, columns)
    if columns != Columns():
        found = ", ".join(dict.fromkeys(str(name) for row in rows for name in row.cells)) or "none"
        raise Unreadable(f"no columns '{columns.text}' and '{columns.label}', but {found}"[:200])
    return _lines(rows)


def file_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV, TSV or JSONL file, numbered by its lines.

    Raises:
        Unreadable: a row is broken, or the file is not UTF-8.
    """
    try:
        yield from (Row("", number, cells) for number, cells in read_rows(path))
    except BakeoffError as error:
        raise Unreadable(f"not {error.expected}: {error.got}") from None


def json_rows(text: str) -> list[Row] | None:
    """Return the objects of a JSON list as rows, numbered from 1; None for any other text."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        return None
    return [Row("", number, cells) for number, cells in enumerate(document, 1)]


def _examples(rows: list[Row], columns: Columns) -> Document:
    lines: list[str] = []
    pieces: list[Piece] = []
    start = 0
    for row in rows:
        text = _cell(row.cells.get(columns.text))
        if text:
            pieces.append(Piece((start, start + len(text)), row.place, _cell(row.cells.get(columns.label))))
            lines.append(text)
            start += len(text) + 2
    return Document("\n\n".join(lines), pieces)


def _lines(rows: list[Row]) -> Document:
    told = [(row, line) for row in rows if (line := _line(row.cells))]
    starts = [*accumulate((len(line) + 1 for _, line in told), initial=0)]
    text = clean("\n".join(line for _, line in told))

    def place_at(offset: int) -> str:
        return told[bisect_right(starts, offset) - 1][0].place

    pieces: list[Piece] = []
    for _, group in groupby(range(len(told)), key=lambda number: told[number][0].sheet):
        blocks = [Block(starts[number], min(starts[number + 1], len(text))) for number in group]
        pieces += [Piece(span, merge_places(place_at(span[0]), place_at(span[1] - 1))) for span in pack(text, blocks)]
    return Document(text, pieces)


def _line(cells: Mapping[str, Any]) -> str:
    filled = ((name, " ".join(_cell(value).split())) for name, value in cells.items())
    return "; ".join(f"{name}: {value}" for name, value in filled if value)


def _cell(value: object) -> str:
    """Return a cell as clean text; None and NaN are empty, lists and objects are JSON."""
    if value is None or value != value:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    return clean(text).strip()
