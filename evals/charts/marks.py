"""What charts share: arms told apart without colour, figures in points and per cent, lists in words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.charts.chart import LONGEST_NAME, SERIES, Row
from lab.console import printable

if TYPE_CHECKING:
    import altair as alt

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ([1, 0], [7, 3], [2, 2], [7, 2, 2, 2], [12, 4], [4, 4], [1, 3], [12, 2, 2, 2])
BESIDE = 18  # letters of the longest name of which two stand side by side in a legend, also on a narrow page
SHORT = "replace(datum.label, '@embedded:', '@')"  # a Vega expression: an arm's key as axes and legends tell it
LETTER = 7.2  # pixels of a letter on an axis, in a wide font
NAMED = 3  # in a title: more nobody reads


def arm_name(key: str) -> str:
    """Return an arm's key as charts tell it: "rag@embedded:smollm2" is "rag@smollm2"."""
    return key.replace("@embedded:", "@")


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return arms' names in a sentence: "a, b and c", or "a, b, c and 4 others"."""
    told = [arm_name(name) for name in names]
    if len(told) > most + 1:
        told = [*told[:most], f"{len(told) - most} others"]
    return " and ".join(part for part in (", ".join(told[:-1]), told[-1]) if part)


def some_of(names: Sequence[str], of: int) -> str:
    """Return two arms' names at most, else how many of the others they are."""
    if len(names) <= 2:
        return listed(names)
    return f"all {of} others" if len(names) == of else f"{len(names)} of the {of} others"


def percent(share: float) -> float:
    """Return a share as per cent, with two digits after the point."""
    return round(100 * share, 2)


def lines_of(field: str, rows: Sequence[Row]) -> "alt.Y":
    """Return the axis that gives each value of a field a line of its own, in the order of the rows.

    It leaves room for the names in a wide font, for nobody knows in which the reader has them.
    """
    import altair as alt

    room = max(LETTER * len(arm_name(str(row[field]))) for row in rows)
    axis = alt.Axis(
        labelExpr=SHORT, ticks=False, domain=False, labelFlush=False, labelPadding=6, minExtent=min(room, LONGEST_NAME)
    )
    return alt.Y(f"{field}:N", title=None, sort=None, axis=axis)


def marked_by(field: str, values: Sequence[str]) -> dict[str, Any]:
    """Return the channels that tell the values of a field apart: each has a colour, and a shape.

    One legend beneath the picture names them; it fits a narrow page.
    """
    import altair as alt

    whole = _legend(values)
    whole["symbolDash"] = [1, 0]  # also where the lines are dashed
    return {
        "color": alt.Color(f"{field}:N", scale=_scale(values, SERIES), legend=_legend(values)),
        "shape": alt.Shape(f"{field}:N", scale=_scale(values, SHAPES), legend=whole),
    }


def dashed_by(field: str, values: Sequence[str], named: bool = False) -> "alt.StrokeDash":
    """Return the channel that tells lines apart by their dashes; `named` in the legend where they bear no shapes."""
    import altair as alt

    return alt.StrokeDash(f"{field}:N", scale=_scale(values, DASHES), legend=_legend(values) if named else None)


def _scale(values: Sequence[str], marks: Sequence[Any]) -> "alt.Scale":
    import altair as alt

    names = [printable(value) for value in values]  # as they stand in the rows that are drawn
    return alt.Scale(domain=names, range=[marks[number % len(marks)] for number in range(len(values))])


def _legend(values: Sequence[str]) -> "alt.Legend":
    import altair as alt

    columns = 2 if max((len(arm_name(value)) for value in values), default=0) <= BESIDE else 1
    legend = alt.Legend(orient="bottom", columns=columns, columnPadding=24, title=None, labelExpr=SHORT, symbolSize=70)
    legend["symbolOpacity"] = 1  # also where the marks are faint
    return legend
