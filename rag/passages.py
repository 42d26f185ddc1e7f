"""Passages, which the index holds, and evidence, which it gives back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.workspace import fingerprint


@dataclass(frozen=True)
class Passage:
    """A piece of a document, or a labelled example.

    Attributes:
        text: what is embedded, searched and shown.
        source: the absolute path or the address it was read from.
        span: from which character to which it stands in what was read from `source`.
        label: a labelled example's label, else "".
        place: where that is in the document's own terms: "Refunds > How long", "page 3", "row 12"; else "".
    """

    text: str
    source: str
    span: tuple[int, int]
    label: str = ""
    place: str = ""

    @property
    def id(self) -> str:
        """Return a content hash: the same passage of the same source has the same id, whenever it is indexed."""
        return fingerprint(self.source, self.text, self.span, self.label)


@dataclass(frozen=True)
class Evidence:
    """A retrieved passage: where it stands, and how well it fits on its tool's own scale (the index: cosine)."""

    text: str
    source: str
    span: tuple[int, int]
    score: float
    label: str = ""
    place: str = ""


def example_passages(examples: Iterable[tuple[str, str, str]]) -> Iterator[Passage]:
    """Turn labelled examples (text, label, source) into passages that carry their label."""
    for text, label, source in examples:
        yield Passage(text, source, (0, len(text)), label)
