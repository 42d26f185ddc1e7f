"""What charts share: arms told apart without colour, figures in points and per cent, lists in words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.charts.chart import LONGEST_NAME, SERIES, Row

if TYPE_CHECKING:
    import altair as alt

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ((1, 0), (7, 3), (2, 2), (7, 2, 2, 2), (12, 4), (4, 4), (1, 3), (12, 2, 2, 2))
SHORT = "replace(datum.label, '@embedded:', '@')"  # a Vega expression: an arm's key as axes and legends tell it
LETTER = 7.0  # pixels of a letter on an axis, in a wide font
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


def marked_by(field: str, values: Sequence[str], dashed: bool = False) -> dict[str, Any]:
    """Return the channels that tell the values of a field apart, each by colour and shape, and a line by its dashes.

    One legend beneath the picture names them; it fits a narrow page.
    """
    import altair as alt

    legend = alt.Legend(
        orient="bottom", columns=2, columnPadding=24, title=None, labelExpr=SHORT, symbolSize=70, symbolOpacity=1
    )

    def scale(marks: Sequence[Any]) -> alt.Scale:
        return alt.Scale(domain=list(values), range=[marks[n % len(marks)] for n in range(len(values))])

    channels: dict[str, Any] = {
        "color": alt.Color(f"{field}:N", scale=scale(SERIES), legend=legend),
        "shape": alt.Shape(f"{field}:N", scale=scale(SHAPES), legend=legend),
    }
    if dashed:
        channels["strokeDash"] = alt.StrokeDash(f"{field}:N", scale=scale([list(d) for d in DASHES]), legend=legend)
    return channels
