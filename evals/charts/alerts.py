"""What stands beside an alert: the training's curve with the step marked, or the two distributions of a drift."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import GREY, Chart, drawn
from evals.charts.marks import dashed_by, lines_of, marked_by, percent

TRAINING, VALIDATION = "training loss", "validation loss"
STEEP = 20.0  # times the lowest loss; a curve that reaches higher is drawn on a logarithmic axis
EXPECTED, FOUND = "validation texts", "production"


def curve_chart(
    kind: str, subject: str, step: int, curve: Sequence[Mapping[str, Any]], guessing: float | None
) -> Chart:
    """Return a training's losses over its steps, a line at the step of an alert, and one at the loss of guessing.

    Args:
        kind: of the alert.
        subject: the training.
        step: that the alert is about.
        curve: points {step, loss} and {step, eval_loss}; what is no number is left out.
        guessing: the loss, in nats, of always answering the label frequencies; None where nobody noted it.
    """
    import altair as alt

    rows = [
        {"step": int(point["step"]), "texts": texts, "loss_nats": float(point[name])}
        for texts, name in ((TRAINING, "loss"), (VALIDATION, "eval_loss"))
        for point in curve
        if math.isfinite(float(point.get(name, math.nan)))
    ]
    title, note = f"{subject}: {kind} at step {step}", "The upright line is the step of the alert."
    if not rows:
        return Chart(f"{title}; no loss was a number", drawn(rows).mark_point(), rows)
    kinds = list(dict.fromkeys(str(row["texts"]) for row in rows))
    marks = marked_by("texts", kinds)
    height = alt.Y("loss_nats:Q", title="cross-entropy, nats").scale(type=_axis(rows), zero=False)
    base = drawn(rows).encode(x=alt.X("step:Q", title="step").axis(grid=False), y=height, color=marks["color"])
    place = drawn([{"alert": kind, "step": step}]).encode(x="step:Q")
    layers = [
        place.mark_rule(color=GREY, strokeWidth=2),
        base.mark_line(strokeWidth=2).encode(strokeDash=dashed_by("texts", kinds)),
        base.mark_point(filled=True, size=30, opacity=1).encode(shape=marks["shape"]),
    ]
    if guessing is not None:
        level = drawn([{"loss_of_guessing": guessing}]).encode(y=alt.Y("loss_of_guessing:Q"))
        layers.insert(0, level.mark_rule(color=GREY, strokeDash=[6, 4]))
        note += " The dashed level is what guessing the label frequencies costs."
    return Chart(title, alt.layer(*layers).properties(height=240), rows, note)


def drift_chart(kind: str, subject: str, numbers: Mapping[str, Any]) -> Chart:
    """Return the shares of each category on validation and in production, with their 95 % intervals (Wilson).

    Args:
        kind: of the alert.
        subject: the classifier.
        numbers: the alert's: categories, counts and reference_counts, and the population stability index.
    """
    import altair as alt

    rows = [
        row
        for name, *counts in zip(numbers["categories"], numbers["reference_counts"], numbers["counts"], strict=True)
        if any(counts)
        for row in _shares(name, counts, numbers)
    ]
    marks = marked_by("of", [EXPECTED, FOUND])
    offset = alt.YOffset("of:N", sort=[EXPECTED, FOUND])
    base = drawn(rows).encode(y=lines_of("category", rows), yOffset=offset, color=marks["color"])
    across = alt.X("from_percent:Q", title="share, %").scale(domainMin=0)
    spans = base.mark_rule(strokeWidth=2, opacity=0.7).encode(x=across, x2="to_percent:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x="share_percent:Q", shape=marks["shape"])
    what = "the labels" if kind == "label drift" else "the confidence"
    psi = numbers["population_stability_index"]
    title = f"{subject}: {what} moved, population stability index {psi:.2f}"
    total, last = sum(numbers["reference_counts"]), sum(numbers["counts"])
    note = f"Shares of {total} validation texts and of the last {last} predictions, with their 95 % intervals."
    height = alt.Step(13, **{"for": "offset"})
    return Chart(title, alt.layer(spans, dots).properties(height=height), rows, note)


def _shares(name: str, counts: Sequence[int], numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    from lab.statistics import wilson

    rows = []
    for of, count, total in zip((EXPECTED, FOUND), counts, _totals(numbers), strict=True):
        low, high = wilson(count, total)
        shares = {"share_percent": percent(count / total), "from_percent": percent(low), "to_percent": percent(high)}
        rows.append({"category": name, "of": of, **shares, "count": count})
    return rows


def _totals(numbers: Mapping[str, Any]) -> tuple[int, int]:
    return max(1, sum(numbers["reference_counts"])), max(1, sum(numbers["counts"]))


def _axis(rows: Sequence[Mapping[str, Any]]) -> Any:
    losses = [row["loss_nats"] for row in rows]
    return "log" if min(losses) > 0 and max(losses) > STEEP * min(losses) else "linear"
