"""A source opened at its span: the words as they stand there now, or as they were indexed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import BakeoffError

if TYPE_CHECKING:
    from rag import Evidence

AROUND = 600  # characters shown before a span and after it
LONGEST_SOURCE = 48  # characters of a source's name in a list
COUNTED = ("markdown", "rst", "plain", "code", "json")  # what is read line by line as it stands in the file


@dataclass(frozen=True)
class OpenedSource:
    """A passage where it stands.

    Attributes:
        before: what stands before it in its document; "" where there is no document to look into.
        exact: the passage.
        after: likewise, behind it.
        lines: the first and the last line of the passage in its file, counted from 1; None where lines tell nothing.
        lost: why the passage is not read from its document any more, "" while it is.
    """

    before: str
    exact: str
    after: str
    lines: tuple[int, int] | None = None
    lost: str = ""


def open_source(item: "Evidence") -> OpenedSource:
    """Open the source of an evidence at its span: a document as it is now; what was never a file as it was found."""
    if not Path(item.source).is_absolute():
        return OpenedSource("", item.text, "")
    from rag.citations import in_context
    from rag.reading.kinds import kind_of

    try:
        around = max(item.span[1], AROUND + 1)  # to the document's beginning, for the lines to be counted
        before, exact, after = in_context(item, around)
    except BakeoffError as error:
        return OpenedSource("", item.text, "", lost=f"{error.expected}: {error.got}")
    whole = replace(OpenedSource(before, exact, after), before=_ending(before), after=_beginning(after))
    if kind_of(Path(item.source).suffix) not in COUNTED:
        return whole
    first = before.count("\n") + 1
    return replace(whole, lines=(first, first + exact.rstrip("\n").count("\n")))


def whereabouts(item: "Evidence") -> str:
    """Return in a few words where an evidence stands: its file or address, and the place in it."""
    path = Path(item.source)
    source = path.name if path.is_absolute() else item.source
    if len(source) > LONGEST_SOURCE:
        source = f"{source[: LONGEST_SOURCE - 1]}…"
    return " · ".join(part for part in (source, item.place, item.label) if part)


def details(item: "Evidence", opened: OpenedSource) -> str:
    """Return where exactly an evidence stands, and how well it fits."""
    lines = ""
    if opened.lines:
        first, last = opened.lines
        lines = f"line {first}" if first == last else f"lines {first} to {last}"
    span = f"characters {item.span[0]} to {item.span[1]}"
    return " · ".join(part for part in (item.place, lines, span, f"score {item.score:.2f}") if part)


def _ending(text: str) -> str:
    """Return the last words of a text, from a line's or a word's beginning on."""
    if len(text) <= AROUND:
        return text
    cut = text[-AROUND:]
    return "… " + cut.partition("\n" if "\n" in cut else " ")[2]


def _beginning(text: str) -> str:
    """Return the first words of a text, up to a line's or a word's end."""
    if len(text) <= AROUND:
        return text
    cut = text[:AROUND]
    return cut.rpartition("\n" if "\n" in cut else " ")[0] + " …"
