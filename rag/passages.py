"""Passages, which the index holds, and evidence, which it gives back."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

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
        occurrence: how many passages before it in its source have the same text and label; `numbered` sets it.
    """

    text: str
    source: str
    span: tuple[int, int]
    label: str = ""
    place: str = ""
    occurrence: int = 0

    @property
    def id(self) -> str:
        """Return a content hash, the same wherever in its source the passage has moved to."""
        return fingerprint(self.source, self.text, self.label, self.occurrence)


@dataclass(frozen=True)
class Evidence:
    """A retrieved passage: where it stands, and how well it fits on its tool's own scale (the index: cosine).

    `id` is the passage's in the index, "" for what comes from elsewhere.
    """

    text: str
    source: str
    span: tuple[int, int]
    score: float
    label: str = ""
    place: str = ""
    id: str = ""


@dataclass(frozen=True)
class Within:
    """Which passages a search may return.

    Attributes:
        source: a glob over sources, "*" standing for any characters; one that does not begin at the beginning may begin
            after any slash, so that "faq.md" and "docs/*" do what they seem to. "" admits all.
        label: the label that passages must have; "" admits all.
    """

    source: str = ""
    label: str = ""

    def admits(self, passage: Passage | Evidence) -> bool:
        """Tell whether a passage may be returned."""
        return self.label in ("", passage.label) and self.admits_source(passage.source)

    def admits_source(self, source: str) -> bool:
        """Tell whether passages of `source` may be returned."""
        return not self.source or fnmatchcase(source, self.source) or fnmatchcase(source, f"*/{self.source}")


def numbered(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Yield the passages with their occurrence set, by which equal texts of one source are told apart."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for passage in passages:
        key = (passage.source, passage.text, passage.label)
        yield replace(passage, occurrence=seen[key]) if seen[key] else passage
        seen[key] += 1


def example_passages(examples: Iterable[tuple[str, str, str]]) -> Iterator[Passage]:
    """Turn labelled examples (text, label, source) into passages that carry their label."""
    for text, label, source in examples:
        yield Passage(text, source, (0, len(text)), label)
