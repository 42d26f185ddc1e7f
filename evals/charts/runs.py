"""Several runs, drawn side by side: the accuracy of each arm in each of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import Chart, drawn
from evals.charts.marks import arm_name, lines_of, marked_by, percent
from lab.console import printable

Result = Mapping[str, Any]


def runs_chart(results: Mapping[str, Mapping[str, Result]]) -> Chart | None:
    """Return the accuracy of each arm in each run with its 95 % interval; None where nothing was answered.

    Args:
        results: by the names of the runs, by the keys of their arms: rows of results.json.
    """
    import altair as alt

    arms = dict.fromkeys(arm for own in results.values() for arm in own)
    rows = [_row(arm, run, own[arm]) for arm in arms for run, own in results.items() if _is_answered(own.get(arm))]
    if not rows:
        return None
    names = [printable(name) for name in results]
    marks = marked_by("run", names)
    across = alt.X("from_percent:Q", title="accuracy, % of answered texts").scale(domain=[0, 100])
    base = drawn(rows).encode(y=lines_of("arm", rows), yOffset=alt.YOffset("run:N", sort=names), color=marks["color"])
    spans = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=across, x2="to_percent:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="accuracy_percent:Q", shape=marks["shape"])
    height = alt.Step(max(9, 30 // len(names)), **{"for": "offset"})
    picture = alt.layer(spans, dots).properties(height=height)
    return Chart(_title(rows), picture, rows, "Marks are accuracies, lines their 95 % intervals.")


def _is_answered(row: Result | None) -> bool:
    return row is not None and row["accuracy"] is not None


def _row(arm: str, run: str, row: Result) -> dict[str, Any]:
    return {
        "arm": arm,
        "run": run,
        "accuracy_percent": percent(row["accuracy"]),
        "from_percent": percent(row["accuracy_ci"][0]),
        "to_percent": percent(row["accuracy_ci"][1]),
        "answered": row["n"] - row["failures"],
    }


def _title(rows: Sequence[Mapping[str, Any]]) -> str:
    best = max(rows, key=lambda row: row["accuracy_percent"])
    return f"{arm_name(best['arm'])} in {best['run']} is most accurate: {best['accuracy_percent']:.1f} %"
