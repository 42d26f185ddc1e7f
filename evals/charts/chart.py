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
WIDTH, HEIGHT = 640, 210  # pixels of a chart on paper, where its rows do not decide; a page stretches it
SIZE = 11  # pixels of its letters
LONGEST_NAME = 220  # pixels of a label on an axis

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
        drawn: str = vl_convert.vegalite_to_svg(framed.to_dict(validate=False))  # Altair's check doubles the time
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
    pointed = [alt.Tooltip(f"{name}:N") for name in (shown[0] if shown else ())]  # from a bare name Altair takes 20 ms
    return alt.Chart(alt.Data(values=shown)).encode(tooltip=pointed)


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
        "labelFontSize": SIZE,
        "titleFont": font,
        "titleFontSize": SIZE,
        "titleFontWeight": "normal",
        "labelLimit": LONGEST_NAME,
    }
    legend = {"labelColor": ink, "titleColor": ink, "labelFont": font, "titleFont": font, "labelFontSize": SIZE}
    legend |= {"labelLimit": LONGEST_NAME}
    text, view = {"color": ink, "font": font}, {"stroke": None}
    return {"background": "transparent", "axis": axis, "legend": legend, "text": text, "view": view, "aria": False}
