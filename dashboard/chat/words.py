"""Text from outside as HTML in which it stays text: answers with their citations, passages with their span."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from lab.console import printable

if TYPE_CHECKING:
    from agents.claims import Claim

CITATION = re.compile(r"\[(\d{1,6})\]")
_AS_WRITTEN = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0"
_UNSUPPORTED = "text-decoration:underline wavy;text-decoration-thickness:1px;text-underline-offset:4px"
_HIGHLIGHT = "background:#E69F0055;color:inherit;border-bottom:2px solid #E69F00"
_LINK = "color:inherit;font-weight:600;text-underline-offset:3px"


def as_text(text: str) -> str:
    """Return a text of outside as HTML: every mark of it is escaped, and what would hide or turn words is shown."""
    return escape(printable(text), quote=True)


def answer_html(text: str, claims: "Sequence[Claim]", anchors: Mapping[int, str]) -> str:
    """Return an answer as HTML: a link on each citation, a wavy line and [?] on sentences that stand in no source.

    Args:
        text: the answer.
        claims: its sentences, with their spans in it.
        anchors: of the sources, by their numbers; other citations stay as they are.
    """
    parts, at = list[str](), 0
    for claim in sorted((claim for claim in claims if claim.n is None), key=lambda claim: claim.span):
        start, end = claim.span
        if start < at:
            continue
        inside = _linked(text[start:end], anchors)
        parts.append(_linked(text[at:start], anchors))
        parts.append(f'<span style="{_UNSUPPORTED}" title="stands in no source">{inside}</span>&nbsp;<b>[?]</b>')
        at = end
    parts.append(_linked(text[at:], anchors))
    return f'<p style="{_AS_WRITTEN}">{"".join(parts)}</p>'


def passage_html(before: str, exact: str, after: str) -> str:
    """Return a passage as HTML, highlighted between what stands around it."""
    marked = f'<mark style="{_HIGHLIGHT}">{as_text(exact)}</mark>'
    return f'<p style="{_AS_WRITTEN};font-size:.85rem">{as_text(before)}{marked}{as_text(after)}</p>'


def scores_html(scores: Mapping[str, float]) -> str:
    """Return the probability of each route as a table with bars, the likeliest first."""
    rows = "".join(
        f'<tr><td style="padding:0 .6em 0 0;border:0">{as_text(route)}</td><td style="width:50%;border:0">'
        f'<div style="width:{100 * share:.1f}%;min-width:1px;height:.6em;background:currentColor;opacity:.55"></div>'
        f'</td><td style="text-align:right;border:0;white-space:nowrap">{share:.1%}</td></tr>'
        for route, share in sorted(scores.items(), key=lambda pair: -pair[1])
    )
    return f'<table style="width:100%;font-size:.85rem;border-collapse:collapse">{rows}</table>'


def anchor_html(anchor: str) -> str:
    """Return the place that a citation's link leads to, below the page's own head."""
    return f'<div id="{anchor}" style="scroll-margin-top:5rem"></div>'


def _linked(text: str, anchors: Mapping[int, str]) -> str:
    return "".join(_pieces(text, anchors))


def _pieces(text: str, anchors: Mapping[int, str]) -> Iterator[str]:
    at = 0
    for found in CITATION.finditer(text):
        anchor = anchors.get(int(found[1]))
        yield as_text(text[at : found.start()])
        name = as_text(found[0])
        yield f'<a href="#{anchor}" style="{_LINK}">{name}</a>' if anchor else name
        at = found.end()
    yield as_text(text[at:])
