"""Accuracy, drawn: each arm with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import BLUE, Chart, arm_axis, arm_name, drawn, rows_height

Result = Mapping[str, Any]


def accuracy_chart(results: Sequence[Result], names: Sequence[str]) -> Chart:
    """Return the accuracy of each arm with its 95 % interval, the best at the top.

    Args:
        results: rows of results.json.
        names: of their arms, in the same order.
    """
    import altair as alt

    rows = [
        {
            "arm": arm_name(name),
            "accuracy_percent": round(100 * row["accuracy"], 2),
            "from_percent": round(100 * row["accuracy_ci"][0], 2),
            "to_percent": round(100 * row["accuracy_ci"][1], 2),
            "answered": row["n"] - row["failures"],
            "failed": row["failures"],
        }
        for row, name in zip(results, names, strict=True)
        if row["accuracy"] is not None
    ]
    base = drawn(rows).encode(y=arm_axis("arm", sort=alt.EncodingSortField("accuracy_percent", order="descending")))
    across = alt.X("from_percent:Q", title="accuracy, % of answered texts").scale(domain=[0, 100])
    spans = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=across, x2="to_percent:Q")
    dots = base.mark_point(color=BLUE, filled=True, size=80, opacity=1).encode(x="accuracy_percent:Q")
    picture = alt.layer(spans, dots).properties(height=rows_height(len(rows)))
    return Chart(_title(rows), picture, rows, "Dots are accuracies, lines their 95 % intervals.")


def _title(rows: Sequence[Mapping[str, Any]]) -> str:
    best, *others = sorted(rows, key=lambda row: -row["accuracy_percent"])
    alike = [row["arm"] for row in others if row["to_percent"] >= best["from_percent"]]
    told = f"{best['arm']} is most accurate: {best['accuracy_percent']:.1f} %"
    return f"{told}; the intervals of {len(alike)} others reach its own" if alike else f"{told}, clear of all others"
