"""A run for other programs: its records as CSV, Parquet or JSON lines, its checks as JUnit XML."""

import csv
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from evals.gate import Check
from evals.records import Record
from evals.runner import Run
from lab.console import printable
from lab.errors import BakeoffError
from lab.statistics import wilson
from lab.workspace import room_on_disk

Format = Literal["csv", "parquet", "junit", "jsonl"]

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of a formula
_NOT_XML = re.compile("[\ufffe\uffff]")  # beside the control characters


def export_records(run: Run, form: Literal["csv", "parquet", "jsonl"], path: Path) -> int:
    """Write the latest record of every answer to `path`, as a whole or not at all; return how many.

    Raises:
        BakeoffError: the file cannot be written.
    """
    writers: dict[str, Callable[[Sequence[Record], Path], None]] = {
        "csv": _write_csv,
        "parquet": _write_parquet,
        "jsonl": _write_jsonl,
    }
    records = run.records()
    with replacing(path) as draft:
        writers[form](records, draft)
    return len(records)


def export_junit(run: Run, path: Path, min_accuracy: float | None = None, checks: Sequence[Check] = ()) -> int:
    """Write what a CI should see of a run as JUnit XML, as a whole or not at all; return how many test cases.

    An arm that failed on texts is an error ("broken"); an accuracy below `min_accuracy`, in [0, 1], and an arm that did
    not pass the gate are failures ("worse").

    Raises:
        BakeoffError: the file cannot be written.
    """
    suite = ElementTree.Element("testsuite", name=f"bakeoff {run.id}", timestamp=str(run.manifest["started"]))
    asked: dict[str, list[Record]] = {}
    for record in run.records():
        asked.setdefault(record.arm, []).append(record)
    for arm, records in asked.items():
        _add_answers(suite, arm, records)
    if min_accuracy is not None:
        for arm, records in run.primary().items():
            _add_accuracy(suite, arm, records, min_accuracy)
    for check in checks:
        kind = {True: None, False: "failure", None: "error"}[check.passed]
        _add(suite, "gate", check.arm, kind, check.reason)
    for kind, attribute in (("failure", "failures"), ("error", "errors")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(suite)))
    with replacing(path) as draft:
        ElementTree.indent(suite)
        ElementTree.ElementTree(suite).write(draft, encoding="utf-8", xml_declaration=True)
    return len(suite)


def safe_cell(value: str) -> str:
    """Return a text that no spreadsheet runs as a formula: a quote goes before = + - @, also after white space.

    After OWASP, "CSV Injection".
    """
    return f"'{value}" if value.lstrip().startswith(FORMULA) else value


def _write_csv(records: Sequence[Record], path: Path) -> None:
    """Write one row per record; every text stands in quotes, so that no separator of any country cuts it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        for number, row in enumerate(_rows(records)):
            if not number:
                writer.writerow(row)
            nested = {name: json.dumps(row[name], ensure_ascii=False) for name in ("scores", "evidence")}
            writer.writerow(safe_cell(v) if isinstance(v, str) else v for v in (row | nested).values())


def _write_jsonl(records: Sequence[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(records))


def _write_parquet(records: Sequence[Record], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds = {"correct": pyarrow.bool_(), "reused": pyarrow.bool_()}
    kinds |= dict.fromkeys(("repeat", "tokens", "output_tokens"), pyarrow.int64())
    kinds |= {"seconds": pyarrow.float64(), "evidence": pyarrow.list_(pyarrow.string())}
    kinds |= {"scores": pyarrow.map_(pyarrow.string(), pyarrow.float64())}
    rows = [row | {"scores": list(row["scores"].items())} for row in _rows(records)]
    names = list(rows[0]) if rows else []
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in names])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)


def _rows(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield each record with whether it is correct; the columns that every program reads come first."""
    for record in records:
        row = asdict(record)
        first = ("arm", "scenario", "step", "test", "repeat", "example", "target", "label")
        yield {name: row.pop(name) for name in first} | {"correct": record.correct} | row


def _add_answers(suite: ElementTree.Element, arm: str, records: Sequence[Record]) -> None:
    failures = [record.failure or "no reason" for record in records if record.label is None]
    told = f"{len(failures)} of {len(records)} texts failed, the first: {failures[0]}" if failures else ""
    case = _add(suite, "answers", arm, "error" if failures else None, told)
    case.set("time", f"{sum(record.seconds for record in records):.3f}")


def _add_accuracy(suite: ElementTree.Element, arm: str, records: Sequence[Record], threshold: float) -> None:
    correct = [record.correct for record in records if record.correct is not None]
    if not correct:
        _add(suite, "accuracy", arm, "error", "nothing was answered")
        return
    accuracy, (low, high) = sum(correct) / len(correct), wilson(sum(correct), len(correct))
    told = f"{accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}) of {len(correct)}; {threshold:.1%} is wanted"
    _add(suite, "accuracy", arm, "failure" if accuracy < threshold else None, told)


def _add(suite: ElementTree.Element, group: str, arm: str, kind: str | None, told: str) -> ElementTree.Element:
    """Add a test case; `kind` is the element that says why it did not pass, None for one that did."""
    case = ElementTree.SubElement(suite, "testcase", classname=f"bakeoff.{group}", name=_xml_text(arm))
    if kind:
        ElementTree.SubElement(case, kind, message=_xml_text(told))
    elif told:
        ElementTree.SubElement(case, "system-out").text = _xml_text(told)
    return case


def _xml_text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", printable(text))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a draft beside `path` that takes its place when the block ends well.

    Raises:
        BakeoffError: the folder is not there, or cannot be written to.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    draft = Path(name)
    try:
        with room_on_disk(path.parent):
            yield draft
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> BakeoffError:
    return BakeoffError(f"a file to write at {path}", error.strerror or str(error), "name another with -o")
