"""Which arm to use, given what a month asks for: one rule, in which a difference that may be luck never decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evals.advice.candidates import Candidate, Candidates
from evals.costs import Load, UnitCosts, monthly_cost

Unit = Literal["USD", "seconds"]


@dataclass(frozen=True)
class Needs:
    """What is asked of the arms: how often, how fast, and at which prices (USD); None where it is not known or asked.

    `cost_per_error` is what one text without a right answer costs; unknown, accuracy goes before cost.
    """

    queries_per_month: float = 10_000
    changes_per_month: float = 1
    max_latency_ms: float | None = None
    usd_per_hour: float | None = None
    cost_per_error: float | None = None


@dataclass(frozen=True)
class Choice:
    """The arm to use, and what decided.

    Attributes:
        key: of the arm.
        leader: the arm it was measured against: cheapest with errors counted, or else the most accurate.
        peers: the arms that are not significantly less accurate than the leader.
        unit: of the costs that decided among the peers.
        counts_errors: whether errors entered in dollars.
    """

    key: str
    leader: str
    peers: tuple[str, ...]
    unit: Unit
    counts_errors: bool


def choose(arms: Candidates, needs: Needs) -> Choice:
    """Choose among at least one arm.

    The leader costs least a month with its errors counted; where errors have no price, or some arm's dollars are
    unknown, it is the most accurate. Of the arms that are not significantly less accurate than the leader, the one
    that is cheapest to run is chosen: in dollars where all of theirs are known, else in seconds.
    """
    counts_errors = needs.cost_per_error is not None and unit_of(arms, needs) == "USD"
    with_errors = running(needs, "USD", counts_errors)
    leader = min(arms, key=lambda arm: (with_errors(arm) if counts_errors else -arm.right, -arm.right)).key
    peers = arms.only(arm.key for arm in arms if not arms.is_less_accurate(arm.key, leader))
    unit = unit_of(peers, needs)
    cost = running(needs, unit)
    chosen = min(peers, key=lambda arm: (cost(arm), -arm.right))
    return Choice(chosen.key, leader, tuple(peers.arms), unit, counts_errors)


def unit_of(arms: Candidates, needs: Needs) -> Unit:
    """Return "USD" where every arm's dollars are known, else "seconds"."""
    return "USD" if all(arm.usd(needs.usd_per_hour).known for arm in arms) else "seconds"


def costs_of(arm: Candidate, needs: Needs, unit: Unit) -> UnitCosts:
    """Return what the arm takes, in that unit."""
    return arm.usd(needs.usd_per_hour) if unit == "USD" else arm.seconds()


def load_of(needs: Needs, counts_errors: bool = False) -> Load:
    """Return the month of these needs, with errors at their price or, by default, at none."""
    return Load(
        needs.queries_per_month, needs.changes_per_month, (needs.cost_per_error or 0.0) if counts_errors else 0.0
    )


def running(needs: Needs, unit: Unit, counts_errors: bool = False) -> Callable[[Candidate], float]:
    """Return what gives an arm's cost of a month; infinite where it is unknown, so that it is never the least."""
    load = load_of(needs, counts_errors)

    def cost(arm: Candidate) -> float:
        known = monthly_cost(costs_of(arm, needs, unit), load)
        return float("inf") if known is None else known

    return cost
