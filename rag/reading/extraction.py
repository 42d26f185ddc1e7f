"""The text of PDF, office, HTML and Parquet files, by the libraries that read them; runs in the worker's process."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from lab.text import clean
from rag.reading.unreadable import Unreadable

LARGEST_OPENED_MB = 300  # of all that is packed in an office document
LARGEST_RATIO = 200  # to the size of its file; text packs some 10 times, a bomb 1,000 times
MOST_MEMBERS = 20_000
_OLE = b"\xd0\xcf\x11\xe0"  # how encrypted office documents begin, and those before 2007
_SLIDE = re.compile(r"\s*<!-- Slide number: (\d+) -->\n?")

# What is read: {"markdown": text}, {"pages": [[place, text], …]} or {"rows": [[sheet, number, {column: cell}], …]}.
Extract = dict[str, Any]


def extract(path: Path, kind: str) -> Extract:
    """Read the text of a file of `kind`.

    Raises:
        Unreadable: it is encrypted, broken, a bomb, or of another kind than its name says.
    """
    readers: dict[str, Callable[[Path], Extract]] = {
        "pdf": _pdf,
        "html": _html,
        "docx": _docx,
        "pptx": _pptx,
        "xlsx": _xlsx,
        "parquet": _parquet,
    }
    with warnings.catch_warnings(action="ignore"):
        return readers[kind](path)


def _pdf(path: Path) -> Extract:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    if b"%PDF-" not in path.open("rb").read(1024):
        raise Unreadable("not a PDF, whatever its name says")
    reader = PdfReader(path)
    try:
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("encrypted")
        pages = [[f"page {number}", clean(page.extract_text())] for number, page in enumerate(reader.pages, 1)]
    except (DependencyError, FileNotDecryptedError):
        raise Unreadable("encrypted") from None
    if not any(text.strip() for _, text in pages):
        raise Unreadable("no text in its pages: pictures of text are not read")
    return {"pages": pages}


def _html(path: Path) -> Extract:
    from markitdown import StreamInfo
    from markitdown.converters import HtmlConverter

    raw = path.read_bytes()
    if b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable(f"binary, not HTML: a NUL at {raw.index(0)}")
    with path.open("rb") as file:
        return {"markdown": clean(HtmlConverter().convert(file, StreamInfo(extension=".html")).markdown)}


def _docx(path: Path) -> Extract:
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    _check_package(path, "word/document.xml", "DOCX")
    with path.open("rb") as file:
        converter = DocxConverter()  # type: ignore[no-untyped-call]
        return {"markdown": clean(converter.convert(file, StreamInfo(extension=".docx")).markdown)}


def _pptx(path: Path) -> Extract:
    from markitdown import StreamInfo
    from markitdown.converters import PptxConverter

    _check_package(path, "ppt/presentation.xml", "PPTX")
    with path.open("rb") as file:
        converter = PptxConverter()  # type: ignore[no-untyped-call]
        _, *parts = _SLIDE.split(converter.convert(file, StreamInfo(extension=".pptx")).markdown)
    return {"pages": [[f"slide {number}", clean(text)] for number, text in zip(parts[::2], parts[1::2], strict=True)]}


def _xlsx(path: Path) -> Extract:
    from openpyxl import load_workbook

    _check_package(path, "xl/workbook.xml", "XLSX")
    book = load_workbook(path, read_only=True, data_only=True)
    return {"rows": [row for sheet in book.worksheets for row in _sheet_rows(sheet)]}


def _sheet_rows(sheet: Any) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Yield the rows under the first that is not empty, which names the columns."""
    from openpyxl.utils import get_column_letter

    sheet.reset_dimensions()  # a file may claim a million columns
    names: list[str] = []
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        values = ["" if cell is None else str(cell) for cell in cells]
        if not any(values):
            continue
        if names:
            names += [f"column {get_column_letter(place + 1)}" for place in range(len(names), len(values))]
            yield sheet.title, number, dict(zip(names, values, strict=False))
        else:
            names = [value or f"column {get_column_letter(place)}" for place, value in enumerate(values, 1)]


def _parquet(path: Path) -> Extract:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    rows = json.loads(json.dumps(table.to_pylist(), default=str))
    return {"rows": [["", number, row] for number, row in enumerate(rows, 1)]}


def _check_package(path: Path, part: str, kind: str) -> None:
    """Refuse what is no office document, or one that opens to more than a document can be, before a library opens it.

    Sizes are those the archive tells; the libraries read no byte beyond them, for zipfile does not. Where they parse
    XML with the standard library, defusedxml refuses entities, which no document defines; lxml bounds and openpyxl
    refuses them by themselves.
    """
    import defusedxml

    defusedxml.defuse_stdlib()
    if path.open("rb").read(4) == _OLE:
        raise Unreadable(f"encrypted, or older than {kind}")
    try:
        members = ZipFile(path).infolist()
    except BadZipFile:
        raise Unreadable(f"broken: no {kind}") from None
    opened = sum(member.file_size for member in members)
    largest = LARGEST_OPENED_MB * 1_000_000
    if len(members) > MOST_MEMBERS or opened > largest or opened > LARGEST_RATIO * path.stat().st_size:
        raise Unreadable(f"a zip bomb: {path.stat().st_size:,} bytes that open to {opened:,}")
    if part not in {member.filename for member in members}:
        raise Unreadable(f"a zip archive, no {kind}")
