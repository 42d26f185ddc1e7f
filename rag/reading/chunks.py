"""Blocks of a text, such as paragraphs, tables and functions, put together or cut into pieces of passage size."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LONGEST, OVERLAP = 800, 80  # characters
PLACE_CHARACTERS = 200

Span = tuple[int, int]

# Where running text may be cut: after a sentence, also one of Chinese or Japanese, and after a line.
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True)
class Piece:
    """What becomes a passage: its span in the text, its place in the document's own terms, its label or ""."""

    span: Span
    place: str = ""
    label: str = ""


@dataclass(frozen=True)
class Document:
    """A text and its pieces, in order."""

    text: str
    pieces: Sequence[Piece]


@dataclass(frozen=True)
class Block:
    """A part of a section that is better not divided.

    Attributes:
        start: its first character.
        end: the character after its last.
        whole: it is code: divided only at lines, and only if it is longer than a passage may be.
    """

    start: int
    end: int
    whole: bool = False

    def __len__(self) -> int:
        return self.end - self.start


def pack(text: str, blocks: Iterable[Block]) -> Iterator[Span]:
    """Yield the spans of one section's passages, at most 800 characters each, without blank edges.

    Neighbouring blocks are put together while they fit. A longer block is cut: code at lines, other text after
    sentences and lines, with an overlap of whole sentences up to 80 characters.
    """
    first = last = -1
    for start, end in _small(text, blocks):
        if first >= 0 and end - first > LONGEST:
            yield from _trimmed(text, first, last)
            first = -1
        first, last = (start if first < 0 else first), end
    if first >= 0:
        yield from _trimmed(text, first, last)


def merge_places(first: str, last: str) -> str:
    """Return the place from `first` to `last`, both numbered: "row 2" and "row 9" are "rows 2-9"."""
    unit, _, number = first.rpartition(" ")
    return first if first == last else f"{unit}s {number}-{last.rpartition(' ')[2]}"


def _small(text: str, blocks: Iterable[Block]) -> Iterator[Span]:
    for block in blocks:
        if len(block) <= LONGEST:
            yield block.start, block.end
        else:
            yield from _cut(text, block)


def _cut(text: str, block: Block) -> Iterator[Span]:
    """Yield pieces of a block that is too long for one passage."""
    atoms = list(_lines(text, block) if block.whole else _sentences(text, block))
    overlap = 0 if block.whole else OVERLAP
    first = 0
    for number, (_, end) in enumerate(atoms):
        if end - atoms[first][0] > LONGEST:
            yield atoms[first][0], atoms[number - 1][1]
            first = number
            while first and atoms[number][0] - atoms[first - 1][0] <= overlap and end - atoms[first - 1][0] <= LONGEST:
                first -= 1
    yield atoms[first][0], atoms[-1][1]


def _lines(text: str, block: Block) -> Iterator[Span]:
    start = block.start
    while start < block.end:
        end = text.find("\n", start, block.end) + 1 or block.end
        yield from _words(text, start, end)
        start = end


def _sentences(text: str, block: Block) -> Iterator[Span]:
    start = block.start
    for gap in _SENTENCE.finditer(text, block.start, block.end):
        if gap.end() > start:
            yield from _words(text, start, gap.end())
            start = gap.end()
    if start < block.end:
        yield from _words(text, start, block.end)


def _words(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield a span as it is if it is short enough, else cut after blanks or commas, else anywhere."""
    while end - start > LONGEST:
        limit = start + LONGEST
        cut = max(text.rfind(mark, start + LONGEST // 2, limit) for mark in (" ", ",", ";", "\n")) + 1 or limit
        yield start, cut
        start = cut
    yield start, end


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the span without blank lines before it and blanks after it; nothing if nothing is left."""
    part = text[start:end]
    end = start + len(part.rstrip())
    blank = re.match(r"(?:[^\S\n]*\n)+", part)
    start += blank.end() if blank else 0
    if start < end:
        yield start, end
