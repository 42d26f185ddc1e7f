"""What a month and what right answers cost, drawn; the break-even point is where two arms' months cost the same."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evals.advice.choice import Unit
from evals.advice.wording import amount, changes, queries, significant
from evals.charts.chart import BLUE, GREY, Chart, drawn
from evals.charts.marks import arm_name, dashed_by, lines_of, listed, marked_by, percent
from evals.costs import Load, UnitCosts, break_even_queries, cost_per_correct, monthly_cost

if TYPE_CHECKING:
    import altair as alt

FEWEST, MOST = 1.0, 10_000_000.0  # queries a month that are drawn
STEPS = 70  # of a line
HEIGHT = 300
THICK, THIN = 3, 1.2  # lines of what is weighed, and of the rest
ANSWERS = 1000  # right ones, of which the cost is told

Costs = Mapping[str, UnitCosts]
Interval = tuple[float, float]


def month_chart(costs: Costs, load: Load, unit: Unit, chosen: str, rival: str | None = None) -> Chart | None:
    """Return each arm's cost of a month against its queries (both logarithmic); None where no cost is known.

    Args:
        costs: by the arm's key, in `unit`; what is not known is left out, and named in the note.
        load: the month as it is: its queries are marked, its changes and errors hold throughout.
        unit: of the costs.
        chosen: the arm whose break-even with its `rival` is marked.
        rival: the arm that it is weighed against.
    """
    import altair as alt

    known = {arm: own for arm, own in costs.items() if own.known}
    pair = [arm for arm in (chosen, rival) if arm in known]
    at = break_even_queries(known[pair[0]], known[pair[1]], load) if len(pair) == 2 else None
    rows, field = _rows(known, load, unit, at), f"{unit.lower()}_per_month"
    if not rows:
        return None
    across, upward = _axes(field, f"{unit} a month")
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    width = alt.condition(alt.FieldOneOfPredicate(field="arm", oneOf=pair), alt.value(THICK), alt.value(THIN))
    lines = drawn(rows).mark_line().encode(x=across, y=upward, color=marked_by("arm", arms)["color"], strokeWidth=width)
    now = drawn([{"queries_per_month": load.queries}]).mark_rule(color=GREY, strokeDash=[3, 3]).encode(x=across)
    layers = [now, lines.encode(strokeDash=dashed_by("arm", arms, named=True))]
    note = f"Dotted: {queries(load.queries)} a month, with {changes(load.changes)}."
    if at is not None and FEWEST <= at <= MOST:
        note = f"Diamond: break-even. {note}"
        point = drawn([{"queries_per_month": at, field: _cost(known[chosen], load, at)}])
        layers.append(_even(point.encode(x=across, y=upward), at))
    picture = alt.layer(*layers).properties(height=HEIGHT)
    left_out = _left_out([arm for arm in costs if arm not in known])
    return Chart(_month_title(known, load, unit, pair, at), picture, rows, note + left_out)


def right_cost_chart(costs: Costs, rights: Mapping[str, Interval], unit: Unit) -> Chart | None:
    """Return what a thousand right answers cost with each arm (logarithmic), the cheapest at the top; None as above.

    The cost of pass of Erol et al. (2025, arXiv 2504.13359). Its interval is that of the share that is right.

    Args:
        costs: by the arm's key, in `unit`; what is not known, or nothing, is left out and named in the note.
        rights: by the arm's key, the 95 % interval of the share of its answers that are right.
        unit: of the costs.
    """
    import altair as alt

    each = {arm: _right_cost(own, 1 - own.error_share) for arm, own in costs.items()}
    found = sorted((cost, arm) for arm, cost in each.items() if cost)
    if not found:
        return None
    field, (least, cheapest), (most, _) = f"{unit.lower()}_per_{ANSWERS}_right", found[0], found[-1]
    rows = [
        {
            "arm": arm,
            field: cost,
            "from": _right_cost(costs[arm], rights[arm][1]),
            "to": _right_cost(costs[arm], rights[arm][0]),  # none, where perhaps nothing is ever right
            "right_percent": percent(1 - costs[arm].error_share),
        }
        for cost, arm in found
    ]
    across = alt.X(f"{field}:Q", title=f"{unit} for {ANSWERS:,} right answers")
    across = across.scale(type="log", domain=[least / 2, most * 2], clamp=True).axis(format="~g", tickCount=5)
    base = drawn(rows).encode(y=lines_of("arm", rows))
    spans = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=alt.X("from:Q"), x2="to:Q")
    spans = spans.transform_filter("datum.to !== null")
    dots = base.mark_point(color=BLUE, filled=True, size=80, opacity=1).encode(x=across)
    return Chart(
        f"{ANSWERS:,} right answers cost least with {arm_name(cheapest)}: {amount(least, unit)}",
        alt.layer(spans, dots),
        rows,
        "The cost of an answer over the share that is right, lines over that share's 95 % interval; changes of the"
        " data are not in it." + _left_out([arm for arm, cost in each.items() if not cost]),
    )


def _right_cost(costs: UnitCosts, right: float) -> float | None:
    cost = cost_per_correct(costs.per_answer, right)
    return ANSWERS * cost if cost else None


def _rows(known: Costs, load: Load, unit: Unit, at: float | None) -> list[dict[str, Any]]:
    counts = {FEWEST * (MOST / FEWEST) ** (step / STEPS) for step in range(STEPS + 1)}
    counts |= {count for count in (at, load.queries) if count and FEWEST <= count <= MOST}
    return [
        {"arm": arm, "queries_per_month": count, f"{unit.lower()}_per_month": cost}
        for arm, own in known.items()
        for count in sorted(counts)
        if (cost := _cost(own, load, count)) > 0  # a logarithmic axis has no zero
    ]


def _cost(costs: UnitCosts, load: Load, count: float) -> float:
    return monthly_cost(costs, replace(load, queries=count)) or 0.0


def _axes(field: str, title: str) -> "tuple[alt.X, alt.Y]":
    import altair as alt

    across = alt.X("queries_per_month:Q", title="queries a month").scale(type="log", domain=[FEWEST, MOST])
    upward = alt.Y(f"{field}:Q", title=title).scale(type="log")
    return across.axis(format="~s", tickCount=7, grid=False), upward.axis(format="~g", tickCount=5)


def _even(point: "alt.Chart", at: float) -> Any:
    """Return the mark of the break-even point with its number, on the side where there is room."""
    import altair as alt

    diamond = point.mark_point(shape="diamond", size=200, filled=True, color=GREY, opacity=1)
    right = at > (FEWEST * MOST) ** 0.5
    told = point.mark_text(align="right" if right else "left", dx=-12 if right else 12, dy=16, fontSize=13)
    return alt.layer(diamond, told.encode(text=alt.value(significant(at))))


def _month_title(known: Costs, load: Load, unit: Unit, pair: Sequence[str], at: float | None) -> str:
    if len(pair) < 2:
        arm = pair[0] if pair else next(iter(known))
        return f"{arm_name(arm)} costs {amount(_cost(known[arm], load, load.queries), unit)} a month"
    chosen, rival = (known[arm] for arm in pair)
    beyond = 2 * at if at else load.queries or 1.0
    cheaper, dearer = pair if _cost(chosen, load, beyond) <= _cost(rival, load, beyond) else reversed(pair)
    told = f"{arm_name(cheaper)} costs less than {arm_name(dearer)}"
    return f"{told} from {queries(at)} a month on" if at else f"{told} at any number of queries"


def _left_out(arms: Sequence[str]) -> str:
    return f" Left out, their cost being unknown or nothing: {listed(arms)}." if arms else ""
