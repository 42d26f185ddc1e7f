"""Files that a text editor shows as they are: plain text, reStructuredText and source code."""

import codecs
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from rag.reading.chunks import LONGEST, PLACE_CHARACTERS, Block, Document, Piece, Span, merge_places, pack
from rag.reading.kinds import LANGUAGES
from rag.reading.unreadable import Unreadable

# UTF-32 before UTF-16, whose little-endian mark begins the same.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Empty lines, taken whole and never given back: else a million of them would be tried from each one on.
_GAP = re.compile(r"\n(?:[^\S\n]*+\n)++")
# reStructuredText: a title over a line of one punctuation mark, at least as long, perhaps with such a line above.
_RST_TITLE = re.compile(r"^(?:([!-/:-@\[-`{-~])\1+\n)?(\S.*)\n([!-/:-@\[-`{-~])\3+[^\S\n]*$", re.MULTILINE)


def decode(raw: bytes) -> str:
    """Return the text of a file as Python's text mode does, in UTF-8 or what its byte order mark says.

    No other encoding is guessed: a wrong guess changes letters without a word.

    Raises:
        Unreadable: it is not such text; tells the byte and its place.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-SIG")
        raise Unreadable(f"not {name} text: the byte 0x{raw[error.start]:02x} at {error.start}") from None
    if "\0" in text:
        raise Unreadable(f"binary, not text: a NUL at {text.index(chr(0))}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def plain(text: str) -> Document:
    """Cut plain text at its paragraphs; a passage's place is its lines."""
    return Document(text, [Piece(span, name) for span, name in _with_lines(text, pack(text, paragraphs(text)))])


def code(text: str, suffix: str) -> Document:
    """Cut source code at functions and classes where langchain-text-splitters knows the language of `suffix`.

    In other languages it is cut at blank lines before a line that is not indented. A passage's place is its lines.
    """
    language = LANGUAGES.get(suffix.lower())
    blocks = _definitions(text, language) if language else paragraphs(text, whole=True)
    return Document(text, [Piece(span, name) for span, name in _with_lines(text, pack(text, blocks))])


def rst(text: str) -> Document:
    """Cut reStructuredText at its headings; a passage's place is the path of headings above it."""
    pieces: list[Piece] = []
    styles: list[str] = []
    path: list[str] = []
    start, place = 0, ""
    for title in _titles(text):
        pieces += [Piece(span, place) for span in pack(text, paragraphs(text, start, title.start()))]
        style = f"{title[1] or ''}{title[3]}"
        styles += [] if style in styles else [style]
        path = [*path[: styles.index(style)], title[2].strip()]
        start, place = title.start(), " > ".join(path)[:PLACE_CHARACTERS]
    pieces += [Piece(span, place) for span in pack(text, paragraphs(text, start))]
    return Document(text, pieces)


def paragraphs(text: str, start: int = 0, end: int | None = None, whole: bool = False) -> Iterator[Block]:
    """Yield the paragraphs from `start` to `end`, each with the indented ones after it and the gap that follows."""
    end = len(text) if end is None else end
    for gap in _GAP.finditer(text, start, end):
        if gap.end() < end and not text[gap.end()].isspace():
            yield Block(start, gap.end(), whole)
            start = gap.end()
    if start < end:
        yield Block(start, end, whole)


def line_numbers(text: str) -> Callable[[int], int]:
    """Return a function from a character's offset in `text` to its line, from 1."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return lambda offset: bisect_right(starts, offset)


def _with_lines(text: str, spans: Iterable[Span]) -> Iterator[tuple[Span, str]]:
    line_of = line_numbers(text)
    for start, end in spans:
        yield (start, end), merge_places(f"line {line_of(start)}", f"line {line_of(end - 1)}")


def _titles(text: str) -> Iterator[re.Match[str]]:
    for title in _RST_TITLE.finditer(text):
        if len(title[0].rstrip().rpartition("\n")[2]) >= len(title[2].rstrip()):
            yield title


def _definitions(text: str, language: str) -> Iterator[Block]:
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter.from_language(
        Language(language), chunk_size=LONGEST, chunk_overlap=0, strip_whitespace=False
    )
    start = 0
    for chunk in splitter.split_text(text):
        start = text.index(chunk, start)
        yield Block(start, start + len(chunk), whole=True)
        start += len(chunk)
