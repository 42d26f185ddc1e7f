"""Data that changes, drawn: what each arm gets right of it as time goes on, and what each change takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import HEIGHT, Chart, drawn
from evals.charts.marks import arm_name, dashed_by, lines_of, marked_by, percent

LEAST_SECONDS = 0.01  # on the axis; what takes less stands there


def time_line_charts(timeline: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return a chart for each test: its accuracy after each step, one line an arm.

    Read across, a test's line rises where its data is taken in, and falls where later data make an arm forget it: the
    rows of the matrix of Lopez-Paz and Ranzato (2017, arXiv 1706.08840).

    Args:
        timeline: the data of that name among a freshness run's findings.
    """
    return [_time_line(test, timeline) for test in dict.fromkeys(row["test"] for row in timeline)]


def change_cost_chart(changes: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return the seconds (logarithmic) that each arm took for each change; None where none was measured.

    Args:
        changes: the data of that name among a freshness run's findings; the dollars are among the figures.
    """
    import altair as alt

    rows = [
        {"arm": row["arm"], "change": row["change"], "seconds": round(row["seconds"], 3), "usd": row["usd"]}
        for row in changes
        if row["seconds"] is not None
    ]
    if not rows:
        return None
    shown = [row | {"seconds": max(row["seconds"], LEAST_SECONDS)} for row in rows]
    kinds = list(dict.fromkeys(row["change"] for row in rows))
    across = alt.X("seconds:Q", title="seconds to take the change in").scale(type="log", nice=True)
    dots = drawn(shown).mark_point(filled=True, size=80, opacity=1)
    picture = dots.encode(
        x=across.axis(format="~g", tickCount=4), y=lines_of("arm", rows), **marked_by("change", kinds)
    )
    dollars = " Dollars, with seconds at your hourly price, are in the figures." if rows[0]["usd"] is not None else ""
    return Chart(_cost_title(rows), picture, rows, f"One mark for each change; mean over repeats.{dollars}")


def _time_line(test: str, timeline: Sequence[Mapping[str, Any]]) -> Chart:
    import altair as alt

    rows = [
        {
            "arm": row["arm"],
            "after": row["step"],
            "accuracy_percent": percent(row["accuracy"]),
            "from_percent": percent(row["ci"][0]),
            "to_percent": percent(row["ci"][1]),
            "texts": row["n"],
        }
        for row in timeline
        if row["test"] == test
    ]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    marks = marked_by("arm", arms)
    upward = alt.Y("accuracy_percent:Q", title=f"accuracy on {test}, %").scale(domain=[0, 100])
    across = alt.X("after:N", title="after", sort=None).scale(paddingInner=0.3).axis(labelAngle=0, labelLimit=90)
    base = drawn(rows).encode(x=across, xOffset=alt.XOffset("arm:N", sort=arms), color=marks["color"])
    lines = base.mark_line(strokeWidth=1.5).encode(y=upward, strokeDash=dashed_by("arm", arms))
    spans = base.mark_rule(opacity=0.5).encode(y=alt.Y("from_percent:Q"), y2="to_percent:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(y=upward, shape=marks["shape"])
    note = f"Accuracy on the test texts of {test} after each step; upright lines are 95 % intervals."
    return Chart(_time_title(test, rows), alt.layer(lines, spans, dots).properties(height=HEIGHT), rows, note)


def _time_title(test: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Say who gains most where the test's own data arrives, and who falls most afterwards."""
    steps = list(dict.fromkeys(row["after"] for row in rows))
    told = {(row["arm"], row["after"]): row["accuracy_percent"] for row in rows}
    own = steps.index(test) if test in steps else 0
    gains, falls = _moves(told, steps[: own + 1][-2:]), _moves(told, [steps[own], steps[-1]])
    words, gainer = [], ""
    if gains:
        gainer, (before, after) = max(gains.items(), key=lambda item: item[1][1] - item[1][0])
        verb = "gains most from" if after > before else "gains nothing from"
        words.append(f"{arm_name(gainer)} {verb} {test}: {before:.0f} to {after:.0f} %")
    if falls:
        arm, (before, after) = min(falls.items(), key=lambda item: item[1][1] - item[1][0])
        who, what = "later it" if arm == gainer else arm_name(arm), "it" if gains else test
        worst = f"{who} forgets most of {what}: {before:.0f} to {after:.0f} %"
        words.append(worst if after < before else f"no arm forgets {what}")
    return "; ".join(words) or f"{len(told)} arms were tested on {test} once"


def _moves(told: Mapping[tuple[str, str], float], steps: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return for each arm its accuracy at the first and the last of two steps."""
    if len(steps) < 2 or steps[0] == steps[-1]:
        return {}
    first, last = ({arm: share for (arm, step), share in told.items() if step == at} for at in steps)
    return {arm: (first[arm], last[arm]) for arm in first if arm in last}


def _cost_title(rows: Sequence[Mapping[str, Any]]) -> str:
    taken: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        taken.setdefault(row["arm"], []).append(row)
    means = {arm: sum(row["seconds"] for row in own) / len(own) for arm, own in taken.items()}
    told = []
    for arm in dict.fromkeys((min(means, key=lambda arm: means[arm]), max(means, key=lambda arm: means[arm]))):
        usd = [row["usd"] for row in taken[arm] if row["usd"] is not None]
        price = f" (${sum(usd) / len(usd):.2g})" if usd else ""
        told.append(f"{arm_name(arm)} {means[arm]:.2g} s{price}")
    return f"A change takes {' and '.join(told)} on average"
