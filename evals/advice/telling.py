"""Advice as people read it: its lists under their titles, and the table of arms; for the terminal and for pages."""

from collections.abc import Mapping
from typing import Any

from evals.advice.wording import significant

HEADERS = ("arm", "right", "p95 ms", "{}/1,000", "{}/1,000 right", "{}/month")

Advice = Mapping[str, Any]


def sections(advice: Advice) -> dict[str, list[str]]:
    """Return the lists of an advice by their titles; those that have nothing to say are left out.

    Args:
        advice: the document of `bakeoff advise --json`.
    """
    beyond = advice["break_even"]
    told = {
        "Because, beside it": advice["because"],
        "Ruled out": [f"{one['arm']}: {one['reason']}" for one in advice["ruled_out"]],
        "Break-even": [beyond["statement"]] if beyond else [],
        "It would turn over": [turn["statement"] for turn in advice["turns_over_if"]]
        or ["by no change of a single one of these inputs"],
        "Other weights": [_weighed(advice["weightings"])],
        "What cannot be said": advice["rests_on"]["unknown"],
        "Rests on": [_rests(advice["rests_on"], advice["recommendation"])],
    }
    return {title: lines for title, lines in told.items() if lines}


def table(advice: Advice) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of the arms' costs, in dollars where any are known, else in seconds of this machine."""
    arms = advice["rests_on"]["arms"]
    priced = any(arm["cost_per_answer_usd"] is not None for arm in arms)
    return [header.format("$" if priced else "s") for header in HEADERS], [_cells(arm, priced) for arm in arms]


def _weighed(found: Advice) -> str:
    shares = ", ".join(f"{key} {share:.0%}" for key, share in found["wins"].items() if share >= 0.005)
    without = f" ({' and '.join(found['left_out'])} unknown, left out)" if found["left_out"] else ""
    return f"of {found['draws']:,} random weightings of {', '.join(found['criteria'])}{without}, first is: {shares}"


def _rests(found: Advice, key: str) -> str:
    arm = next(arm for arm in found["arms"] if arm["arm"] == key)
    low, high = arm["accuracy_ci"]
    data, prices = found["dataset"], found["prices"].items()
    told = "".join(f"; {llm} at ${p['input']:g} and ${p['output']:g} ({p['as_of']}, verify)" for llm, p in prices)
    return (
        f"run {found['run_id']}: {arm['n']} answers on {data['name']}, {data['train']} texts to learn from;"
        f" {key} gets {arm['right']:.1%} right (95 % interval {low:.1%} to {high:.1%}){told}"
    )


def _cells(arm: Mapping[str, Any], priced: bool) -> list[str]:
    unit = "cost_per_{}_usd" if priced else "seconds_per_{}"
    answer, correct, month = (arm[unit.format(what)] for what in ("answer", "correct", "month"))
    amounts = (answer and answer * 1000, correct and correct * 1000, month)
    figures = ["unknown" if amount is None else significant(amount) for amount in amounts]
    latency = "unknown" if arm["latency_p95_ms"] is None else f"{arm['latency_p95_ms']:.1f}"
    return [arm["arm"].replace("@embedded:", "@"), f"{arm['right']:.1%}", latency, *figures]
