"""Accuracy, drawn: each arm with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import BLUE, Chart, drawn
from evals.charts.marks import arm_name, lines_of, percent, some_of

Result = Mapping[str, Any]


def accuracy_chart(results: Sequence[Result], names: Sequence[str]) -> Chart | None:
    """Return the accuracy of each arm with its 95 % interval, the best at the top; None where nothing was answered.

    Args:
        results: rows of results.json.
        names: the keys of their arms, in the same order.
    """
    import altair as alt

    rows = sorted(
        (_row(row, name) for row, name in zip(results, names, strict=True) if row["accuracy"] is not None),
        key=lambda row: -row["accuracy_percent"],
    )
    if not rows:
        return None
    base = drawn(rows).encode(y=lines_of("arm", rows))
    across = alt.X("from_percent:Q", title="accuracy, % of answered texts").scale(domain=[0, 100]).axis(tickCount=5)
    spans = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=across, x2="to_percent:Q")
    dots = base.mark_point(color=BLUE, filled=True, size=80, opacity=1).encode(x="accuracy_percent:Q")
    return Chart(_title(rows), alt.layer(spans, dots), rows, "Dots are accuracies, lines their 95 % intervals.")


def _row(row: Result, name: str) -> dict[str, Any]:
    return {
        "arm": name,
        "accuracy_percent": percent(row["accuracy"]),
        "from_percent": percent(row["accuracy_ci"][0]),
        "to_percent": percent(row["accuracy_ci"][1]),
        "answered": row["n"] - row["failures"],
        "failed": row["failures"],
    }


def _title(rows: Sequence[Mapping[str, Any]]) -> str:
    best, *others = rows
    told = f"{arm_name(best['arm'])} is most accurate: {best['accuracy_percent']:.1f} %"
    if not others:
        return told.replace(" is most accurate", " answers rightly")
    alike = [row["arm"] for row in others if row["to_percent"] >= best["from_percent"]]
    if not alike:
        return f"{told}, clear of all others"
    if len(alike) == 1:
        return f"{told}; the interval of {arm_name(alike[0])} reaches its own"
    return f"{told}; the intervals of {some_of(alike, len(others))} reach its own"
