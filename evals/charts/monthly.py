"""A month's cost, drawn: against the queries a month, with the points at which two arms cost the same."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from evals.advice.wording import amount, queries
from evals.charts.chart import GREY, Chart, drawn
from evals.charts.marks import arm_name, listed, marked_by
from evals.costs import Load, UnitCosts, break_even_queries, monthly_cost

FEWEST, MOST = 100.0, 1_000_000.0  # queries a month that are drawn, more where more are wanted
STEPS = 60  # of a line

Unit = Literal["USD", "seconds"]


def monthly_cost_chart(costs: Mapping[str, UnitCosts], load: Load, unit: Unit = "USD") -> Chart | None:
    """Return each arm's cost of a month against its queries (both logarithmic); None where no cost is known.

    Args:
        costs: by the arm's key, in `unit`; those that are not known are left out, and named in the note.
        load: the month as it is: its queries are marked, its changes and errors hold throughout.
        unit: of the costs.
    """
    import altair as alt

    known = {arm: own for arm, own in costs.items() if own.known and (own.per_answer or own.per_change)}
    if not known:
        return None
    counts = _counts(load.queries)
    rows = [
        {"arm": arm, "queries_per_month": count, f"{unit.lower()}_per_month": cost}
        for arm, own in known.items()
        for count in counts
        if (cost := _cost(own, load, count)) > 0
    ]
    field = f"{unit.lower()}_per_month"
    turns = _turns(known, load, counts)
    marks = marked_by("arm", list(known), dashed=True)
    across = alt.X("queries_per_month:Q", title="queries a month").scale(type="log", domain=[counts[0], counts[-1]])
    across = across.axis(format="~s", tickCount=5, grid=False)
    upward = alt.Y(f"{field}:Q", title=f"{unit} a month").scale(type="log").axis(format="~g", tickCount=5)
    lines = (
        drawn(rows)
        .mark_line(strokeWidth=1.8)
        .encode(x=across, y=upward, color=marks["color"], strokeDash=marks["strokeDash"])
    )
    now = drawn([{"queries_per_month": load.queries}]).mark_rule(color=GREY, strokeDash=[3, 3]).encode(x=across)
    points = [{"to": arm, "queries_per_month": at, field: _cost(known[arm], load, at)} for at, arm in turns]
    evens = drawn(points).mark_point(shape="diamond", size=160, filled=True, color=GREY, opacity=1)
    picture = alt.layer(now, lines, *([evens.encode(x=across, y=upward)] if points else [])).properties(height=260)
    missing = [arm for arm in costs if arm not in known]
    left = f" Left out, their costs being unknown or nothing: {listed(missing)}." if missing else ""
    note = f"Diamonds: break-even. The dotted line: {queries(load.queries)} a month.{left}"
    return Chart(_title(known, load, turns, unit), picture, rows, note)


def _counts(now: float) -> list[float]:
    low, high = min(FEWEST, now / 10 or FEWEST), max(MOST, 10 * now)
    return [low * (high / low) ** (step / STEPS) for step in range(STEPS + 1)]


def _cost(costs: UnitCosts, load: Load, count: float) -> float:
    return monthly_cost(costs, replace(load, queries=count)) or 0.0


def _cheapest(costs: Mapping[str, UnitCosts], load: Load, count: float) -> str:
    return min(costs, key=lambda arm: _cost(costs[arm], load, count))


def _turns(costs: Mapping[str, UnitCosts], load: Load, counts: Sequence[float]) -> list[tuple[float, str]]:
    """Return the queries a month from which on another arm costs least, with that arm."""
    found = []
    for low, high in pairwise(counts):
        before, after = _cheapest(costs, load, low), _cheapest(costs, load, high)
        at = break_even_queries(costs[before], costs[after], load) if before != after else None
        if at is not None:
            found.append((at, after))
    return found


def _title(costs: Mapping[str, UnitCosts], load: Load, turns: Sequence[tuple[float, str]], unit: Unit) -> str:
    least = _cheapest(costs, load, load.queries)
    cost = amount(_cost(costs[least], load, load.queries), unit)
    told = f"At {queries(load.queries)} a month {arm_name(least)} costs least: {cost}"
    if not turns:
        return f"{told}, as it does at any number of them" if len(costs) > 1 else told
    at, arm = min(turns, key=lambda turn: abs(turn[0] - load.queries))
    if at > load.queries:
        return f"{told}; from {queries(at)} on it is {arm_name(arm)}"
    return f"{told}; below {queries(at)} it is {arm_name(_cheapest(costs, load, at / 1.01))}"


def break_evens(costs: Mapping[str, UnitCosts], load: Load) -> list[dict[str, Any]]:
    """Return from how many queries a month on which arm costs least, as the chart marks it."""
    return [{"queries_per_month": at, "arm": arm} for at, arm in _turns(costs, load, _counts(load.queries))]
