"""Labelled texts from a user's CSV, TSV, JSONL or Parquet file: every row used, or counted and named."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.datasets.examples import Dataset, Example
from lab.errors import BakeoffError
from lab.text import clean

Row = tuple[int, Mapping[str, Any]]


def load_file(path: Path, text_column: str, label_column: str) -> Dataset:
    """Read one labelled text per row.

    Raises:
        BakeoffError: no such file, an unknown format, a missing column, a broken row, or no usable row.
    """
    return dataset_from_rows(path.name, read_rows(path), text_column, label_column, str(path))


def read_rows(path: Path) -> Iterator[Row]:
    """Return the rows of a table as they come, each with its number in the file.

    Raises:
        BakeoffError: no such file, an unknown format, or, while they are read, a broken row.
    """
    if not path.is_file():
        raise BakeoffError(f"a file at {path}", "none", "check the path")
    readers = {".csv": _csv_rows, ".tsv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BakeoffError(f"{', '.join(readers)}", f"{path.name}", "convert the file to one of these")
    return reader(path)


def dataset_from_rows(
    name: str, rows: Iterable[Row], text_column: str, label_column: str, source: str | None = None
) -> Dataset:
    """Make a dataset of numbered rows of `source`; those without a text or a label are counted, not hidden.

    Raises:
        BakeoffError: a column is missing, or no row can be used.
    """
    examples: list[Example] = []
    empty: list[int] = []
    for number, row in rows:
        for column in (text_column, label_column):
            if column not in row:
                found = ", ".join(str(key) for key in row) or "none"
                fix = "name yours with --text-column and --label-column"
                raise BakeoffError(f"a column '{column}' in {name}, row {number}", f"the columns {found}", fix)
        text, label = _cell(row[text_column]), _cell(row[label_column])
        if text and label:
            examples.append(Example(f"row-{number}", text, label, f"{source or name}:{number}"))
        else:
            empty.append(number)
    if not examples:
        raise BakeoffError(f"labelled rows in {name}", f"{len(empty)} rows, none with text and label", "fill the file")
    return Dataset(name, tuple(examples), _left_out(name, empty))


def _left_out(name: str, empty: list[int]) -> tuple[str, ...]:
    if not empty:
        return ()
    shown = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
    return (f"{name}: left out {len(empty)} rows without a text or a label (row {shown}); fill them to use them",)


def _cell(value: object) -> str:
    """Return a cell as clean text; a NaN, which Parquet files of pandas hold for 'none', is empty."""
    return "" if value is None or value != value else clean(str(value)).strip()


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(1 << 24)
    dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, dialect=dialect, strict=True)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise _not_utf8(path, _line_of(path, error), error) from None
            except csv.Error as error:
                where = f"CSV in {path.name}, row {rows.line_num}"
                raise BakeoffError(where, str(error), "correct the quotes there") from None
            if None in row:
                where = f"as many cells as the header in {path.name}, row {rows.line_num}"
                raise BakeoffError(where, "more", "put texts that contain the separator in double quotes")
            yield rows.line_num, row


def _jsonl_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line.decode("utf-8-sig")) if line.strip() else None
        except UnicodeDecodeError as error:
            raise _not_utf8(path, number, error) from None
        except ValueError as error:
            raise BakeoffError(f"JSON in {path.name}, row {number}", str(error), "correct that row") from None
        except RecursionError:
            where = f"JSON in {path.name}, row {number}"
            raise BakeoffError(where, "lists in lists without end", "correct that row") from None
        if row is None:
            continue
        if not isinstance(row, dict):
            raise BakeoffError(
                f"a JSON object in {path.name}, row {number}", type(row).__name__, 'write {"text": …, "label": …}'
            )
        yield number, row


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise BakeoffError(f"a Parquet file at {path}", str(error).splitlines()[0], "write the file again") from None
    yield from enumerate(table.to_pylist(), 1)


def _line_of(path: Path, error: UnicodeDecodeError) -> int:
    """Return the line of the first byte that is not UTF-8; the reader's own offset counts from its buffer."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return number
    return error.start


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> BakeoffError:
    byte = error.object[error.start]
    return BakeoffError(
        f"UTF-8 text in {path.name}, row {number}", f"the byte 0x{byte:02x}", "save the file as UTF-8 and run again"
    )
