"""The noun of this room: a Chart is a finding in a sentence, its picture, and the figures behind it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.export import safe_cell
from lab.console import printable

if TYPE_CHECKING:
    import altair as alt

# Colours that colour-blind readers tell apart, also on black (Okabe & Ito 2008); yellow is left out, for white paper.
BLUE, ORANGE, GREEN, PINK, SKY, RUST, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A8F98"
SERIES = (BLUE, RUST, GREEN, PINK, ORANGE, SKY, GREY)
WIDTH = 640  # pixels of a chart on paper; a page stretches it
LONGEST_NAME = 160  # pixels of a label on an axis: on a telephone half of the width
ROW, FRAME = 28, 60  # pixels of one arm among others, and of what stands around them

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A finding and its picture.

    Attributes:
        title: what was found, in a sentence without markup.
        picture: how `rows` are drawn, as Altair has it (Vega-Lite); it has neither a title nor colours of its frame.
        rows: the figures, one row for each thing that is drawn, under names that say their units.
        note: how to read it: what the axes and the intervals are.
    """

    title: str
    picture: "alt.TopLevelMixin"
    rows: Sequence[Row]
    note: str = ""

    def svg(self, width: int = WIDTH) -> str:
        """Return the picture as SVG without scripts, its text and frame in the colour of the text around it.

        Drawn by Vega-Lite itself (vl-convert).

        Args:
            width: pixels of all of it, axes and legend among them.
        """
        import vl_convert

        fitted = {"type": "fit-x", "contains": "padding"}
        framed = self.picture.configure(**_frame("currentColor")).properties(width=width, autosize=fitted)
        drawn: str = vl_convert.vegalite_to_svg(framed.to_dict())
        return drawn

    def csv(self) -> str:
        """Return the figures as CSV that no spreadsheet runs as formulas."""
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.rows[0]) if self.rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in self.rows)
        return file.getvalue()


def drawn(rows: Sequence[Row]) -> "alt.Chart":
    """Return a chart of these rows, which tells them under the pointer; a mark and its place are still to be added."""
    import altair as alt

    shown = [{name: printable(value) if isinstance(value, str) else value for name, value in r.items()} for r in rows]
    pointed = [f"{name}:N" for name in (shown[0] if shown else ())]
    return alt.Chart(alt.Data(values=shown)).encode(tooltip=pointed)


def arm_name(key: str) -> str:
    """Return an arm's key as people read it: without the word for what runs here."""
    return key.replace("@embedded:", "@")


def arm_axis(field: str, **options: Any) -> "alt.Y":
    """Return the vertical axis of arms, each with its name; `options` go to Altair's Y."""
    import altair as alt

    return alt.Y(f"{field}:N", title=None, **options).axis(labelLimit=LONGEST_NAME, labelOverlap=False)


def rows_height(count: int) -> int:
    """Return the pixels that so many arms need above each other."""
    return ROW * count + FRAME


def _cell(value: object) -> object:
    return safe_cell(printable(value)) if isinstance(value, str) else value


def _frame(ink: str) -> dict[str, Any]:
    """Return Vega-Lite's configuration of everything but the marks."""
    font = "system-ui, sans-serif"
    axis = {
        "labelColor": ink,
        "titleColor": ink,
        "tickColor": ink,
        "domainColor": ink,
        "gridColor": ink,
        "gridOpacity": 0.15,
        "domainOpacity": 0.4,
        "tickOpacity": 0.4,
        "labelFont": font,
        "titleFont": font,
        "titleFontWeight": "normal",
        "labelLimit": LONGEST_NAME,
    }
    legend = {"labelColor": ink, "titleColor": ink, "labelFont": font, "titleFont": font, "labelLimit": LONGEST_NAME}
    text = {"color": ink, "font": font}
    return {"background": "transparent", "axis": axis, "legend": legend, "text": text, "view": {"stroke": None}}
