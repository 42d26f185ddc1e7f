"""A citation opened: by a passage's id, or by source and span."""

import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import BakeoffError
from rag.generations import active, index_of
from rag.ledger import Ledger
from rag.passages import Evidence, Passage
from rag.reading import excerpt
from rag.reading.origins import Columns, is_address
from rag.store import Store


@dataclass(frozen=True)
class Cited:
    """Words in their source, with what stands before and after them."""

    source: str
    span: tuple[int, int]
    place: str
    label: str
    before: str
    text: str
    after: str


def in_context(passage: Passage | Evidence, around: int) -> tuple[str, str, str]:
    """Return what stands before a passage in its source, the passage, and what stands after it.

    Raises:
        BakeoffError: its source cannot be read any more, or says something else there now.
    """
    folder, columns = Store.current().folder, Columns()
    if folder.exists():  # asking must not make an index
        with Ledger.open(folder) as ledger:
            columns = Columns(*(ledger.columns(passage.source) or ()))
    return excerpt(passage.source, passage.span, around, passage.text or None, columns)


def opened(citation: str, around: int) -> Cited:
    """Open a citation, an id or SOURCE:START-END, with `around` characters before and after.

    Raises:
        BakeoffError: there is no such passage, or its source cannot be read or says something else now.
    """
    store = Store.current()
    with Ledger.open(store.folder) as ledger:
        index = index_of(store, active(ledger))
        passage = index.stored([citation]).get(citation) or _at(citation)
        if passage is None:
            raise BakeoffError("a passage's id, or SOURCE:START-END", f"'{citation}'", "see: bakeoff index search")
    before, text, after = in_context(passage, around)
    return Cited(passage.source, passage.span, passage.place, passage.label, before, text, after)


def _at(citation: str) -> Passage | None:
    """Return a passage without its words, if the citation says where it stands."""
    found = re.fullmatch(r"(.+):(\d+)-(\d+)", citation)
    if not found or int(found[2]) >= int(found[3]):
        return None
    source = found[1] if is_address(found[1]) else str(Path(found[1]).expanduser().resolve())
    return Passage("", source, (int(found[2]), int(found[3])))
