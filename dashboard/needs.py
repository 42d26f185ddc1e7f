"""What a user needs, asked with sliders: how much a month, how fast, and at which prices. All stands in the address."""

from collections.abc import Iterable
from datetime import date

import numpy as np

from dashboard.slider import slide
from evals.advice.candidates import Candidates
from evals.advice.choice import Needs
from lab.prices import Price, PriceList
from lab.settings import settings

STOPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # of a slider in each decade: nearly equal steps of the logarithm
UNKNOWN, NO_LIMIT = "unknown", "no limit"


def ask_needs() -> Needs:
    """Let the user say what a month asks for; what nobody knows stays unknown."""
    often, changing = Needs.queries_per_month, Needs.changes_per_month
    return Needs(
        _slider("Queries a month", "queries_per_month", _decades(0, 7), often) or 0.0,
        _slider("Changes of the data a month", "changes_per_month", [0, *_decades(-1, 3)], changing) or 0.0,
        usd_per_hour=ask_hour(),
        cost_per_error=_slider(
            "A wrong answer, USD",
            "cost_per_error",
            _decades(-4, 3),
            None,
            below=UNKNOWN,
            hint="Unknown: accuracy goes before cost.",
        ),
        max_latency_ms=_slider(
            "Longest wait for one text, ms",
            "max_latency_ms",
            _decades(0, 4),
            None,
            above=NO_LIMIT,
            hint="Arms whose 95th percentile is longer are ruled out.",
        ),
    )


def ask_hour() -> float | None:
    """Let the user say what an hour of this machine costs, in USD; None where it is unknown."""
    now = settings().usd_per_hour
    hint = "Unknown: costs are told in seconds." if now is None else ""
    return _slider("An hour of this machine, USD", "usd_per_hour", _decades(-3, 2), now, below=UNKNOWN, hint=hint)


def ask_prices(arms: Candidates, listed: PriceList) -> PriceList:
    """Let the user move the price of each remote LLM's tokens; returns the prices of these arms' LLMs.

    One price for each: the records hold one sum of tokens, nearly all read, and it is priced as read.
    """
    llms = {arm.llm: listed.of(arm.llm) for arm in arms if arm.llm}
    local = {llm: price for llm, price in llms.items() if price and price.billed == "seconds"}
    asked = {llm: _ask_price(llm, price) for llm, price in llms.items() if llm not in local}
    return PriceList(local | {llm: price for llm, price in asked.items() if price})


def command(run_id: str, needs: Needs, own_prices: bool) -> str:
    """Return the command that gives the same advice."""
    given = {
        "--queries-per-month": needs.queries_per_month,
        "--changes-per-month": needs.changes_per_month,
        "--max-latency-ms": needs.max_latency_ms,
        "--usd-per-hour": needs.usd_per_hour,
        "--cost-per-error": needs.cost_per_error,
    }
    options = [f"{name} {_digits(value)}" for name, value in given.items() if value is not None]
    return " ".join(["bakeoff advise", run_id, *options, *(["--prices prices.yaml"] if own_prices else [])])


def _ask_price(llm: str, listed: Price | None) -> Price | None:
    now = listed.input if listed else None
    told = f"Listed on {listed.as_of} ({listed.source})" if listed else "No price of it is listed"
    label = f"A million tokens of {llm}, USD"
    chosen = _slider(label, f"price_{llm}", [0, *_decades(-2, 2)], now, below=UNKNOWN, hint=f"{told}.")
    if listed and chosen == now:
        return listed
    if chosen is None:
        return None
    written = max(listed.output, chosen) if listed else chosen
    return Price(input=chosen, output=written, as_of=date.today(), source="a slider of the dashboard")


def _slider(
    label: str, key: str, stops: Iterable[float], now: float | None, *, below: str = "", above: str = "", hint: str = ""
) -> float | None:
    """Let the user choose one of the stops, or the word at one of its ends, which stands for None.

    Where a number is known from elsewhere (`now`), the word "unknown" below the stops is not offered.
    """
    known = sorted({*stops, *([] if now is None else [now])})
    options: dict[str, float | None] = {below: None} if below and now is None else {}
    options |= {f"{_digits(stop, grouped=True)}": stop for stop in known}
    options |= {above: None} if above else {}
    first = next(word for word, value in options.items() if value == now)
    return options[slide(label, list(options), first, key, hint)]


def _decades(first: int, last: int) -> list[float]:
    """Return the stops from one power of ten to another."""
    return [float(f"{stop}e{power}") for power in range(first, last) for stop in STOPS] + [float(f"1e{last}")]


def _digits(value: float, grouped: bool = False) -> str:
    """Return a number in full, without an exponent."""
    whole = f"{value:,.0f}" if grouped else f"{value:.0f}"
    return whole if value == int(value) else np.format_float_positional(value, trim="-")
