"""Learning curves, drawn: accuracy by the number of labelled examples, and where tuning overtakes."""

from collections.abc import Mapping, Sequence
from math import inf
from statistics import mean, median
from typing import Any

from evals.charts.chart import GREY, HEIGHT, Chart, drawn
from evals.charts.marks import arm_name, dashed_by, marked_by, percent

Curves = Mapping[str, Mapping[Any, Mapping[Any, float]]]  # arm -> size -> repeat -> accuracy; keys are texts in JSON


def learning_chart(accuracy: Curves, crossings: Sequence[Mapping[str, Any]] = ()) -> Chart | None:
    """Return the learning curves with their 95 % intervals over seeds (Student's t); None where there are none.

    Args:
        accuracy: the data of that name among a data_efficiency run's findings.
        crossings: likewise; those of the tuned arm that ends highest are marked on its curve.
    """
    import altair as alt

    rows = [
        _row(arm, int(size), list(repeats.values()))
        for arm, sizes in accuracy.items()
        for size, repeats in sizes.items()
    ]
    if not rows:
        return None
    marks = marked_by("arm", list(accuracy))
    sizes = sorted({row["examples"] for row in rows})
    across = alt.X("examples:Q", title="labelled examples").scale(type="log", domain=[sizes[0] / 1.2, sizes[-1] * 1.2])
    across = across.axis(values=sizes, format="d", grid=False, labelOverlap=True)
    upward = alt.Y("accuracy_percent:Q", title="accuracy, %").scale(zero=False)
    base = drawn(rows).encode(x=across, color=marks["color"])
    bands = base.mark_area(opacity=0.15).encode(y=alt.Y("from_percent:Q").scale(zero=False), y2="to_percent:Q")
    lines = base.mark_line(strokeWidth=1.5).encode(y=upward, strokeDash=dashed_by("arm", list(accuracy)))
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(y=upward, shape=marks["shape"])
    points = _overtakings(rows, crossings)
    rings = drawn(points).mark_point(shape="diamond", size=220, color=GREY, strokeWidth=2, opacity=1)
    picture = alt.layer(bands, lines, dots, *([rings.encode(x=across, y=upward)] if points else []))
    note = "Means over seeds; bands are 95 % intervals over them."
    if points:
        told = ", ".join(f"{arm_name(point['other'])} from {point['examples']:.0f}" for point in points)
        note = f"{note} Large diamonds: {arm_name(points[0]['arm'])} overtakes {told} on (median of the seeds)."
    return Chart(_title(rows, points, crossings), picture.properties(height=HEIGHT), rows, note)


def _row(arm: str, size: int, figures: Sequence[float]) -> dict[str, Any]:
    from lab.statistics import seed_interval

    low, high = seed_interval(figures) or (mean(figures), mean(figures))
    return {
        "arm": arm,
        "examples": size,
        "accuracy_percent": percent(mean(figures)),
        "from_percent": percent(max(0.0, low)),
        "to_percent": percent(min(1.0, high)),
        "seeds": len(figures),
    }


def _overtakings(rows: Sequence[Mapping[str, Any]], crossings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return where the tuned arm that ends highest overtakes each other, on its own curve."""
    tuned = _best(rows, [crossing["tuned"] for crossing in crossings])
    found = []
    for crossing in crossings:
        points = [point for point in crossing["points"] if point is not None]
        if crossing["tuned"] == tuned and len(points) > len(crossing["points"]) / 2:
            at = median(inf if point is None else point for point in crossing["points"])
            own = {"arm": tuned, "other": crossing["other"], "seeds": len(points), "of": len(crossing["points"])}
            found.append({**own, "examples": at, "accuracy_percent": _height(rows, str(tuned), at)})
    return found


def _height(rows: Sequence[Mapping[str, Any]], arm: str, size: float) -> float:
    """Return the accuracy on an arm's curve, straight over the logarithm of the size."""
    import numpy as np

    own = sorted((row["examples"], row["accuracy_percent"]) for row in rows if row["arm"] == arm)
    sizes, figures = zip(*own, strict=True)
    return float(np.interp(np.log2(size), np.log2(sizes), figures))


def _best(rows: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> str | None:
    """Return which of these arms is most accurate with the most examples."""
    last = max(row["examples"] for row in rows)
    ends = {row["arm"]: row["accuracy_percent"] for row in rows if row["examples"] == last and row["arm"] in arms}
    return max(ends, key=lambda arm: ends[arm], default=None)


def _title(
    rows: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]], crossings: Sequence[Mapping[str, Any]]
) -> str:
    tuned = _best(rows, [crossing["tuned"] for crossing in crossings])
    rival = _best(rows, [crossing["other"] for crossing in crossings if crossing["tuned"] == tuned])
    last = max(row["examples"] for row in rows)
    if tuned is None or rival is None:
        best = str(_best(rows, [row["arm"] for row in rows]))
        return f"With {last:,} labelled examples {arm_name(best)} is most accurate"
    point = next((point for point in points if point["other"] == rival), None)
    if point is None:
        return f"{arm_name(tuned)} does not overtake {arm_name(rival)} up to {last:,} labelled examples"
    where = f"from about {point['examples']:.0f} labelled examples on"
    return f"{arm_name(tuned)} overtakes {arm_name(rival)} {where}, in {point['seeds']} of {point['of']} seeds"
