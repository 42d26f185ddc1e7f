"""A citation opened: the cited words with what stands around them, read from the source as it is now."""

from lab.errors import BakeoffError
from rag.reading.chunks import Span
from rag.reading.origins import Columns, Origin
from rag.reading.reader import read
from rag.reading.unreadable import Unreadable


def excerpt(
    source: str, span: Span, around: int = 200, cited: str | None = None, columns: Columns = Columns()
) -> tuple[str, str, str]:
    """Return up to `around` characters before a citation, the cited words, and as many after, from the source itself.

    Args:
        source: an absolute path or an address.
        span: where the passage stands in what is read from there.
        around: how much before and after, in characters.
        cited: the passage as it is cited, if that is known: the source must still say it there.
        columns: with which the source was read.

    Raises:
        BakeoffError: the source cannot be read any more, or says something else there now.
    """
    start, end = span
    try:
        text = read(Origin(source, ""), columns).text
    except Unreadable as error:
        raise BakeoffError(f"the source {source}", str(error), "bring it back, or run: bakeoff index sync") from None
    exact = text[start:end]
    if len(exact) < end - start or cited not in (None, exact):
        raise BakeoffError(
            f"the cited passage in {source}, characters {start}-{end}",
            "another text: the source has changed",
            "run: bakeoff index sync",
        )
    return text[max(0, start - around) : start], exact, text[end : end + around]
