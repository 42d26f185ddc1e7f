"""A file's text and how it is cut, by its kind; of all but small written files this runs in the worker's process."""

import os
import stat
from pathlib import Path

from lab.text import clean
from rag.reading import written
from rag.reading.chunks import Document, Piece, pack
from rag.reading.extraction import extract
from rag.reading.kinds import WRITTEN, Kind
from rag.reading.markdown import markdown
from rag.reading.origins import LARGEST_FILE_MB, Columns
from rag.reading.tables import Row, file_rows, json_rows, table
from rag.reading.unreadable import Unreadable, reasons

BETWEEN_PAGES = "\n\n"


def parse(path: Path, kind: Kind, columns: Columns) -> Document:
    """Return the text of a file of `kind`, and where its passages stand in it.

    Raises:
        Unreadable: it is gone, encrypted, broken, a bomb, too large, of another kind than its name says, or empty.
    """
    with reasons(path, kind):
        raw = _content(path)
        return _written(path, kind, raw, columns) if kind in WRITTEN else _extracted(path, kind, columns)


def _content(path: Path) -> bytes:
    """Return a regular file's bytes; it may have been exchanged for something else since it was found."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode):
                raise Unreadable("no regular file")
            if state.st_size > LARGEST_FILE_MB * 1_000_000:
                raise Unreadable(f"larger than {LARGEST_FILE_MB} MB")
            return file.read()
    except FileNotFoundError:
        raise Unreadable("gone") from None
    except OSError as error:
        raise Unreadable((error.strerror or type(error).__name__).lower()) from None


def _written(path: Path, kind: Kind, raw: bytes, columns: Columns) -> Document:
    text = clean(written.decode(raw))
    if not text.strip():
        raise Unreadable("empty", fault=False)
    if kind == "table":
        return table(file_rows(path), columns)
    if kind == "json" and (rows := json_rows(text)):
        return table(rows, columns)
    if kind in ("code", "json"):
        return written.code(text, path.suffix)
    return {"markdown": markdown, "rst": written.rst, "plain": written.plain}[kind](text)


def _extracted(path: Path, kind: Kind, columns: Columns) -> Document:
    found = extract(path, kind)
    if "markdown" in found:
        return markdown(found["markdown"])
    if "rows" in found:
        return table([Row(*row) for row in found["rows"]], columns)
    return _pages(found["pages"])


def _pages(pages: list[tuple[str, str]]) -> Document:
    text = BETWEEN_PAGES.join(page for _, page in pages)
    pieces: list[Piece] = []
    start = 0
    for place, page in pages:
        end = start + len(page)
        pieces += [Piece(span, place) for span in pack(text, written.paragraphs(text, start, end))]
        start = end + len(BETWEEN_PAGES)
    return Document(text, pieces)
