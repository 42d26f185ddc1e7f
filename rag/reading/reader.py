"""One origin read and cut into passages."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.workspace import fingerprint
from rag.passages import Passage
from rag.reading.chunks import Document
from rag.reading.kinds import WRITTEN, Kind, kind_of
from rag.reading.origins import Columns, Origin, is_address
from rag.reading.parsing import parse
from rag.reading.unreadable import Unreadable
from rag.reading.web import downloaded
from rag.reading.worker import Worker

SMALL_BYTES = 100_000  # whatever a written file of this size holds is parsed soon: no process need be started for it


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
    return parse(path, kind, columns) if _is_harmless(path, kind) else _worker().parse(path, kind, columns)


def _is_harmless(path: Path, kind: Kind) -> bool:
    try:
        return kind in WRITTEN and path.lstat().st_size <= SMALL_BYTES
    except OSError:  # which reading explains
        return True


@cache
def _worker() -> Worker:
    return Worker()
