"""One origin read and cut into passages."""

import os
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.workspace import fingerprint
from rag.passages import Passage
from rag.reading import written
from rag.reading.chunks import Document, Piece, clean, pack
from rag.reading.kinds import WRITTEN, Kind, kind_of
from rag.reading.markdown import markdown
from rag.reading.origins import LARGEST_FILE_MB, Columns, Origin, is_address
from rag.reading.tables import Row, file_rows, json_rows, table
from rag.reading.unreadable import Unreadable
from rag.reading.web import downloaded
from rag.reading.worker import Worker

BETWEEN_PAGES = "\n\n"


@dataclass(frozen=True)
class Reading:
    """What was read: the passages in their order, the text that their spans count in, and a hash of the content."""

    passages: tuple[Passage, ...]
    text: str
    content: str


def read(origin: Origin, columns: Columns = Columns()) -> Reading:
    """Read an origin and cut it into passages of at most 800 characters; a labelled example is one, however long.

    `columns` name the text and the label in tables of labelled examples.

    Raises:
        Unreadable: it is gone, broken, encrypted, too large, takes too long, is not what its name says, holds no text,
            or its address is not to be visited.
    """
    if is_address(origin.source):
        with downloaded(origin.source) as file:
            document = _document(file, columns)
    else:
        document = _document(Path(origin.source), columns)
    passages = tuple(
        Passage(document.text[slice(*piece.span)], origin.source, piece.span, piece.label, piece.place)
        for piece in document.pieces
    )
    if not passages:
        raise Unreadable("nothing to read in it")
    return Reading(passages, document.text, fingerprint(document.text, [passage.label for passage in passages]))


def _document(path: Path, columns: Columns) -> Document:
    kind = kind_of(path.suffix)
    if kind is None:
        raise Unreadable(f"no reader for '{path.suffix}'")
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
    found = _worker().extract(path, kind)
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


@cache
def _worker() -> Worker:
    return Worker()
