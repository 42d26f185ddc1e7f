"""What accuracy costs, drawn: against latency and against dollars, with the Pareto front."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from evals.charts.chart import BLUE, GREY, HEIGHT, Chart, Row, drawn
from evals.charts.labels import Dot, Place, placed
from evals.charts.marks import arm_name, listed, percent

LEAST_MS = 0.1  # on the axis of latency; what takes less stands there
ROOM = 1.8  # a logarithmic axis goes on beyond its outermost points by this factor


def latency_chart(results: Sequence[Row], names: Sequence[str]) -> Chart | None:
    """Return accuracy against the median latency of one text (logarithmic); None unless two arms were timed.

    Args:
        results: rows of results.json.
        names: the keys of their arms, in the same order.
    """
    rows = _rows(results, names, "latency_p50_ms", "latency_ms")
    note = f"The median for one text at a time, warm; less than {LEAST_MS} ms stands there."
    return _tradeoff(rows, "latency_ms", ("latency of one text, ms", "slower"), LEAST_MS, note)


def cost_chart(results: Sequence[Row], names: Sequence[str]) -> Chart | None:
    """Return accuracy against the dollars of 1,000 answers (logarithmic); None unless the price of two is known."""
    rows = _rows(results, names, "cost_per_1k_usd", "usd_per_1000")
    least = min((row["usd_per_1000"] for row in rows if row["usd_per_1000"] > 0), default=0.0) / 2
    note = (
        "Dollars are seconds of this machine at your hourly price, or a remote LLM's tokens; what is free stands left."
    )
    return _tradeoff(rows, "usd_per_1000", ("USD for 1,000 answers", "dearer"), least, note) if least else None


def pareto_front(points: Sequence[tuple[str, float, float]]) -> list[str]:
    """Return the names of (name, price, accuracy) that no other beats in both, the cheapest first (Pareto 1906)."""
    front: list[str] = []
    best = float("-inf")
    for name, _, accuracy in sorted(points, key=lambda point: (point[1], -point[2])):
        if accuracy > best:
            front.append(name)
            best = accuracy
    return front


def _rows(results: Sequence[Row], names: Sequence[str], measure: str, field: str) -> list[dict[str, Any]]:
    return [
        {
            "arm": name,
            field: row[measure],
            "accuracy_percent": percent(row["accuracy"]),
            "from_percent": percent(row["accuracy_ci"][0]),
            "to_percent": percent(row["accuracy_ci"][1]),
        }
        for row, name in zip(results, names, strict=True)
        if row["accuracy"] is not None and row[measure] is not None
    ]


def _tradeoff(rows: list[dict[str, Any]], field: str, words: tuple[str, str], least: float, note: str) -> Chart | None:
    """Return the chart; `words` are the title of the axis across, and what it is to have more of it."""
    import altair as alt

    if len(rows) < 2:
        return None
    axis, worse = words
    front = pareto_front([(row["arm"], row[field], row["accuracy_percent"]) for row in rows])
    rows = [row | {"on_the_front": row["arm"] in front} for row in rows]
    shown = [row | {field: max(row[field], least)} for row in rows]
    domain = min(row[field] for row in shown) / ROOM, max(row[field] for row in shown) * ROOM
    across = alt.X(f"{field}:Q", title=axis).scale(type="log", domain=list(domain), nice=False)
    across = across.axis(format="~g", tickCount=5, grid=False)
    upward = alt.Y("accuracy_percent:Q", title="accuracy, %").scale(zero=False, nice=True)
    base = drawn(shown)
    spans = base.mark_rule(strokeWidth=1.5, opacity=0.5).encode(
        x=across, y=alt.Y("from_percent:Q", title="accuracy, %").scale(zero=False), y2="to_percent:Q", color=_front()
    )
    steps = drawn([row for row in shown if row["on_the_front"]]).mark_line(
        interpolate="step-after", strokeDash=[4, 3], color=BLUE, opacity=0.5
    )
    dots = base.mark_point(size=90, opacity=1).encode(x=across, y=upward, color=_front(), shape=_sign(), fill=_fill())
    labels = [
        drawn([row]).mark_text(**place).encode(x=across, y=upward, text=alt.value(arm_name(row["arm"])))
        for row, place in zip(shown, _places(shown, field, domain), strict=True)
    ]
    picture = alt.layer(spans, steps.encode(x=across, y=upward), dots, *labels).properties(height=HEIGHT)
    note = f"Filled: the Pareto front. Upright: 95 % intervals. {note}"
    return Chart(_title(front, len(rows), worse), picture, rows, note)


def _front() -> Any:
    import altair as alt

    return alt.condition("datum.on_the_front", alt.value(BLUE), alt.value(GREY))


def _fill() -> Any:
    import altair as alt

    return alt.condition("datum.on_the_front", alt.value(BLUE), alt.value("transparent"))


def _sign() -> Any:
    import altair as alt

    return alt.condition("datum.on_the_front", alt.value("circle"), alt.value("square"))


def _places(rows: Sequence[Mapping[str, Any]], field: str, domain: tuple[float, float]) -> list[Place]:
    """Return where each arm's name stands beside its dot, on the narrowest page."""
    low, high = min(row["from_percent"] for row in rows), max(row["to_percent"] for row in rows)
    decades = log10(domain[1] / domain[0])

    def down(share: float) -> float:
        return float((high - share) / (high - low or 1))

    dots = [
        Dot(
            log10(row[field] / domain[0]) / decades,
            down(row["accuracy_percent"]),
            down(row["to_percent"]),
            down(row["from_percent"]),
        )
        for row in rows
    ]
    return placed(dots, [arm_name(row["arm"]) for row in rows])


def _title(front: Sequence[str], arms: int, worse: str) -> str:
    if len(front) == 1:
        return f"{listed(front)} is alone on the Pareto front: every other arm is {worse} and no more accurate"
    if len(front) == arms:
        return f"All {arms} arms are on the Pareto front: the more accurate, the {worse}"
    return f"Pareto front: {listed(front, 5)}; the others are {worse} and no more accurate"
