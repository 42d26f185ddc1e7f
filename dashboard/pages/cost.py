"""Cost: what a month costs with each arm, where two of them cost the same, and the advice that follows."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
import yaml

from dashboard.choosing import choose_run
from dashboard.needs import ask_needs, ask_prices, command
from dashboard.page import heading, mendable, plain, show_chart, show_table
from dashboard.reading import basis_of
from evals.advice.advice import advice_from
from evals.advice.candidates import Basis
from evals.advice.choice import Needs, Unit, costs_of, load_of, unit_of
from evals.advice.sensitivity import FLOOR
from evals.advice.telling import sections, table
from evals.charts.monthly import month_chart, right_cost_chart
from evals.costs import UnitCosts
from evals.runner import Run
from lab.prices import Price, load_prices

PAIRED = ("Break-even", "It would turn over", "What cannot be said")  # beside the rest on a wide page

Advice = Mapping[str, Any]


def show() -> None:
    """Draw the page."""
    heading("Cost", "Which arm is right for your month, and from where on would it be another?")
    run = choose_run()
    if run is not None:
        _weigh(run)


@st.fragment
def _weigh(run: Run) -> None:
    """Show the sliders and what follows from them; only this much of the page is drawn again at each drag."""
    listed = load_prices(run.own_prices)
    basis = basis_of(run)
    asked, answered = st.columns([1, 2], gap="large")
    with asked:
        needs = ask_needs()
        prices = ask_prices(basis.arms, listed)
    with mendable():
        priced = basis.priced(prices)
        advice = advice_from(priced, needs)
        with answered:
            _show_month(priced, needs, advice)
        _show_advice(priced, needs, advice)
        _show_command(basis.run_id, needs, {llm: own for llm, own in prices.models.items() if own != listed.of(llm)})


def _show_month(basis: Basis, needs: Needs, advice: Advice) -> None:
    """Show what a month costs with each arm, in the unit in which the advice tells the break-even."""
    even = advice["break_even"] or {"rival": None, "unit": "seconds", "counts_errors": False}
    costs = _costs(basis, needs, advice, even["unit"])
    load = load_of(needs, even["counts_errors"])
    chart = month_chart(costs, load, even["unit"], advice["recommendation"], even["rival"])
    if chart:
        show_chart(chart, "month")


def _costs(basis: Basis, needs: Needs, advice: Advice, unit: Unit) -> dict[str, UnitCosts]:
    """Return the costs of the arms that may be chosen; what is no way to answer is among them if it is advised."""
    out = {one["arm"] for one in advice["ruled_out"]}
    shown = [arm for arm in basis.arms if arm.key not in out]
    return {
        arm.key: costs_of(arm, needs, unit)
        for arm in shown
        if arm.approach != FLOOR or arm.key == advice["recommendation"]
    }


def _show_advice(basis: Basis, needs: Needs, advice: Advice) -> None:
    """Show what `bakeoff advise` says, word for word, and what right answers cost."""
    st.subheader(plain(advice["statement"]), anchor=False)
    left, right = st.columns(2, gap="large")
    for title, lines in sections(advice).items():
        with right if title in PAIRED else left:
            _show_list(title, lines)
    rights = {arm.key: arm.right_interval for arm in basis.arms}
    chart = right_cost_chart(_costs(basis, needs, advice, unit := unit_of(basis.arms, needs)), rights, unit)
    if chart:
        show_chart(chart, "right")
    headers, rows = table(advice)
    show_table([dict(zip(headers, row, strict=True)) for row in rows], "arms")


def _show_list(title: str, lines: Sequence[str]) -> None:
    st.markdown("\n".join([f"**{title}**", "", *(f"- {plain(line)}" for line in lines)]))


def _show_command(run_id: str, needs: Needs, own: Mapping[str, Price]) -> None:
    """Show the command that says the same, with the prices that it needs."""
    st.caption("The same from the command line:")
    st.code(command(run_id, needs, bool(own)), language=None, wrap_lines=True)
    if own:
        st.caption("with this prices.yaml:")
        models = {llm: price.model_dump(mode="json") for llm, price in own.items()}
        st.code(yaml.safe_dump({"models": models}, sort_keys=False), language=None)
