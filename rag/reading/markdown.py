"""Markdown, of files and of what web pages and office documents are turned into: sections under their headings."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from rag.reading.chunks import LONGEST, PLACE_CHARACTERS, Block, Document, Piece, pack

if TYPE_CHECKING:
    from markdown_it.token import Token

FRONT_MATTER = re.compile(r"---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)
CODE = ("fence", "code_block")
LEAD_IN = 160  # characters

Heading = tuple[int, str]  # level, title


@dataclass
class _Section:
    """Blocks under one heading, which is the first of them; `path` holds the headings above and this one."""

    path: list[Heading] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    titles: int = 0  # how many of the first blocks are headings

    @property
    def place(self) -> str:
        return " > ".join(title for _, title in self.path)[:PLACE_CHARACTERS]


def markdown(text: str) -> Document:
    """Cut Markdown at its headings (CommonMark, by markdown-it-py); a passage's place is the path of headings above it.

    A section of at most 800 characters is one passage, with its heading line. Code blocks are not divided unless they
    are longer than that.
    """
    pieces = [
        Piece(span, section.place)
        for section in _sections(text)
        for span in pack(text, _glued(section.blocks, section.titles))
    ]
    return Document(text, pieces)


def _sections(text: str) -> Iterator[_Section]:
    """Yield the sections; headings with nothing between them but ever deeper ones open one section together."""
    section = _Section()
    for heading, block in _blocks(text):
        if heading:
            path = [*(above for above in section.path if above[0] < heading[0]), heading]
            if section.titles < len(section.blocks) or len(path) <= len(section.path):
                yield section
                section = _Section()
            section.path = path
            section.titles += 1
        section.blocks.append(block)
    yield section


def _blocks(text: str) -> Iterator[tuple[Heading | None, Block]]:
    """Yield each block on the outermost level, with what it says if it is a heading."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    front = FRONT_MATTER.match(text)
    body = front.end() if front else 0
    if front:
        yield None, Block(0, body)
    starts = [*accumulate((len(line) + 1 for line in text[body:].split("\n")), initial=body)]
    tokens = parser.parse(text[body:])
    for number, token in enumerate(tokens):
        if token.level or not token.map:
            continue
        first, last = (min(starts[line], len(text)) for line in token.map)
        if token.type == "heading_open":
            yield (int(token.tag[1]), tokens[number + 1].content), Block(first, last)
        else:
            inner = [t for t in _until_closed(tokens, number) if t.type in CODE] if last - first > LONGEST else []
            yield from ((None, block) for block in _divided(first, last, inner, starts))


def _until_closed(tokens: Sequence["Token"], number: int) -> Iterator["Token"]:
    yield tokens[number]
    for token in tokens[number + 1 :] if tokens[number].nesting == 1 else ():
        if token.level == 0:
            return
        yield token


def _divided(start: int, end: int, inner: Sequence["Token"], starts: Sequence[int]) -> Iterator[Block]:
    """Yield a long block, such as a list, in parts around the code in it."""
    for token in inner:
        first, last = (min(starts[line], end) for line in token.map or (0, 0))
        if start < first:
            yield Block(start, first)
        yield Block(first, last, whole=True)
        start = last
    if start < end:
        yield Block(start, end)


def _glued(blocks: Sequence[Block], titles: int) -> list[Block]:
    """Join the headings, and a short lead-in, to the block they stand over, unless that is code that would be cut."""
    count = titles and min(titles + 1, len(blocks))
    while 0 < count < len(blocks) and blocks[count - 1].end - blocks[0].start < LEAD_IN:
        count += 1
    while count > 1 and blocks[count - 1].end - blocks[0].start > LONGEST and any(b.whole for b in blocks[:count]):
        count -= 1
    return [*([Block(blocks[0].start, blocks[count - 1].end)] if count else []), *blocks[count:]]
