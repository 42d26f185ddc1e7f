"""Gains and losses in points, drawn as a matrix: swaps of base models, and texts or labels that get worse."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals.charts.chart import BLUE, RUST, Chart, drawn
from evals.charts.marks import arm_name, lines_of, percent
from evals.verdict import SIGNIFICANT

if TYPE_CHECKING:
    import altair as alt

PALE, DARK = "#E9ECF1", "#14181f"  # of no change, and of the figure on it


def swap_chart(swaps: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return what each approach gains or loses where its base model is swapped; None where none was.

    Args:
        swaps: the data of that name among a portability run's findings.
    """
    rows = [
        {
            "approach": row["approach"],
            "swap": f"{_short(row['before'])} → {_short(row['after'])}",
            **_points(row),
            "seconds_done_again": round(row["seconds_again"], 2),
        }
        for row in swaps
    ]
    if not rows:
        return None
    note = "Points of accuracy after the swap, paired on the same texts; * and a frame: Holm-adjusted p < 0.05."
    return Chart(_swap_title(rows), _matrix(rows, "approach", "swap"), rows, note)


def robustness_chart(drops: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return what each arm gains or loses where texts or labels get worse; None where nothing was compared.

    Args:
        drops: the data of that name among a robustness run's findings.
    """
    rows = [{"arm": row["arm"], "trouble": row["trouble"], **_points(row)} for row in drops]
    if not rows:
        return None
    note = "Points of accuracy beside clean texts after clean training; * and a frame: Holm-adjusted p < 0.05."
    return Chart(_drop_title(rows), _matrix(rows, "trouble", "arm"), rows, note)


def _points(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a difference in points, with its interval, and whether it is real."""
    low, high = row["ci"]
    return {
        "points": percent(row["difference"]),
        "from_points": percent(low),
        "to_points": percent(high),
        "p_holm": float(f"{row['p_adjusted']:.2g}"),
        "real": row["p_adjusted"] < SIGNIFICANT,
    }


def _matrix(rows: Sequence[Mapping[str, Any]], down: str, across: str) -> "alt.TopLevelMixin":
    import altair as alt

    most = max(5.0, *(abs(row["points"]) for row in rows))
    colour = alt.Color("points:Q", legend=None).scale(domain=[-most, 0, most], range=[RUST, PALE, BLUE])
    labels = alt.Axis(labelExpr="split(replace(datum.label, 'embedded:', ''), '@')", labelAngle=0, orient="top")
    base = drawn(rows).encode(
        x=alt.X(f"{across}:N", title=None, sort=None, axis=labels.copy()), y=lines_of(down, rows).scale(padding=0.08)
    )
    cells = base.mark_rect(strokeWidth=2.5).encode(
        color=colour, stroke=alt.condition("datum.real", alt.value("currentColor"), alt.value("transparent"))
    )
    told = base.transform_calculate(told="format(datum.points, '+.1f') + (datum.real ? ' *' : '')")
    ink = alt.condition(f"datum.points > {0.55 * most}", alt.value("#ffffff"), alt.value(DARK))
    figures = told.mark_text(fontSize=12).encode(text="told:N", color=ink)
    return alt.layer(cells, figures).properties(height=alt.Step(34))


def _swap_title(rows: Sequence[Mapping[str, Any]]) -> str:
    real = [row for row in rows if row["real"]]
    if not real:
        return f"No swap of a base model changes accuracy by more than luck may explain ({len(rows)} tried)"
    most = max(real, key=lambda row: abs(row["points"]))
    verb = "gains" if most["points"] > 0 else "loses"
    told = f"{arm_name(most['approach'])} {verb} {abs(most['points']):.1f} points by {most['swap']}"
    others = len(rows) - len(real)
    return f"{told}; {others} of {len(rows)} swaps change nothing for sure" if others else f"{told}: every swap counts"


def _drop_title(rows: Sequence[Mapping[str, Any]]) -> str:
    lost = [row for row in rows if row["real"] and row["points"] < 0]
    if not lost:
        return "Nothing that was tried costs an arm more than luck may explain"
    worst = min(lost, key=lambda row: row["points"])
    told = f"{worst['trouble']} costs {arm_name(worst['arm'])} most: {worst['points']:+.1f} points"
    return f"{told[0].upper()}{told[1:]}; {len(lost)} of {len(rows)} losses are real"


def _short(model: str) -> str:
    return model.removeprefix("embedded:")
