"""How sure is right, drawn: the reliability diagram."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import GREY, HEIGHT, Chart, drawn
from evals.charts.marks import arm_name, dashed_by, marked_by, percent

FEWEST = 5  # texts, of a point that is drawn


def reliability_chart(details: Mapping[str, Mapping[str, Any]]) -> Chart | None:
    """Return how often each arm is right when it is so sure (Guo et al. 2017, arXiv 1706.04599).

    Args:
        details: those of results.json, by the keys of the arms; more than four are hard to read together.

    Returns:
        None where no answer carries a score.
    """
    import altair as alt

    known = {arm: detail["reliability"] for arm, detail in details.items() if detail["reliability"]}
    rows = [
        {
            "arm": arm,
            "sure_percent": percent(point["confidence"]),
            "right_percent": percent(point["accuracy"]),
            **_span(point, details[arm].get("repeats") or 1),
            "texts": point["n"],
        }
        for arm, reliability in known.items()
        for point in reliability["curve"]
        if point["n"] >= FEWEST
    ]
    if not rows:
        return None
    across = alt.X("sure_percent:Q", title="how sure the arm was, %").scale(domain=[0, 100]).axis(tickCount=5)
    upward = alt.Y("right_percent:Q", title="how often it was right, %").scale(domain=[0, 100])
    ends = [{"sure_percent": end, "right_percent": end} for end in (0, 100)]
    diagonal = alt.Chart(alt.Data(values=ends)).mark_line(color=GREY, strokeDash=[3, 3], strokeWidth=1)
    marks = marked_by("arm", list(known))
    base = drawn(rows).encode(x=across, y=upward)
    lines = base.mark_line(strokeWidth=1.5).encode(color=marks["color"], strokeDash=dashed_by("arm", list(known)))
    size = alt.Size("texts:Q", legend=None).scale(range=[15, 150])
    spans = base.mark_rule(opacity=0.35).encode(y=alt.Y("from_percent:Q"), y2="to_percent:Q", color=marks["color"])
    dots = base.mark_point(filled=True, opacity=1).encode(color=marks["color"], shape=marks["shape"], size=size)
    picture = alt.layer(diagonal.encode(x=across, y=upward), spans, lines, dots).properties(height=HEIGHT)
    note = "On the dotted line an arm is right as often as it is sure; below it, it is too sure."
    return Chart(
        _title({arm: own["ece"] for arm, own in known.items()}),
        picture,
        rows,
        f"{note} Upright lines are 95 % intervals; dots grow with their texts, {FEWEST} at least.",
    )


def _span(point: Mapping[str, Any], repeats: int) -> dict[str, float]:
    """Return the interval of a point in per cent; repeats of a text are alike, and count as one (Wilson 1927)."""
    from lab.statistics import wilson

    low, high = wilson(point["accuracy"] * point["n"] / repeats, point["n"] / repeats)
    return {"from_percent": percent(low), "to_percent": percent(high)}


def _title(errors: Mapping[str, float]) -> str:
    ranked: Sequence[str] = sorted(errors, key=lambda arm: errors[arm])
    best = f"{arm_name(ranked[0])} knows best how sure it is: calibration error {errors[ranked[0]]:.2f}"
    if len(ranked) == 1:
        return f"{arm_name(ranked[0])} is off by {100 * errors[ranked[0]]:.0f} points in how sure it is"
    return f"{best}; {arm_name(ranked[-1])} worst: {errors[ranked[-1]]:.2f}"
