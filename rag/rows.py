"""Passages as Chroma keeps them: a text, a vector, and a row of plain values."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rag.passages import Evidence, Passage

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection as ChromaCollection

PAGE = 2_000  # rows read at a time: SQLite takes 32,766 values in a query, and Chroma names each row it reads in one


class Held(NamedTuple):
    """Where the index holds a passage to stand."""

    source: str
    span: tuple[int, int]
    place: str


def rows(
    collection: "ChromaCollection",
    *parts: str,
    ids: Collection[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Yield the id of each row of a collection, however many there are, and its `parts` after it.

    Args:
        collection: Chroma's.
        parts: "documents", "metadatas" or "embeddings".
        ids: of the rows; None means all. An id that is not there is passed over.
        where: Chroma's filter, if `ids` is None.
    """
    found: Any = collection
    wanted = found.get(where=where, include=[])["ids"] if ids is None else sorted(ids)
    for first in range(0, len(wanted), PAGE):
        page = found.get(ids=wanted[first : first + PAGE], include=list(parts))
        yield from zip(page["ids"], *(page[part] for part in parts), strict=True)


def moved_since(known: Mapping[str, Held], wanted: Mapping[str, Passage]) -> list[Passage]:
    """Return the passages that the index holds at another place than where they stand."""
    both = ((known[identifier], passage) for identifier, passage in wanted.items() if identifier in known)
    return [passage for held, passage in both if (held.span, held.place) != (passage.span, passage.place)]


def row_of(passage: Passage) -> dict[str, Any]:
    """Return what Chroma keeps of a passage beside its text and vector."""
    (start, end), place = passage.span, passage.place
    row = {"source": passage.source, "start": start, "end": end, "label": passage.label, "place": place}
    return row | {"occurrence": passage.occurrence}


def held_of(row: Any) -> Held:
    """Return where a passage stands, from its row."""
    return Held(row["source"], (int(row["start"]), int(row["end"])), row.get("place", ""))


def passage_of(text: str, row: Any) -> Passage:
    """Return a passage from its text and row; rows of earlier versions lack what came later."""
    held = held_of(row)
    return Passage(text, held.source, held.span, row["label"], held.place, int(row.get("occurrence", 0)))


def evidence_of(identifier: str, text: str, row: Any, distance: float) -> Evidence:
    """Return a passage that was found, at a cosine distance."""
    found = passage_of(text, row)
    return Evidence(text, found.source, found.span, 1 - distance, found.label, found.place, identifier)
