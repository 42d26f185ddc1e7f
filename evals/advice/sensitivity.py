"""What would turn a recommendation over: a change of one input, and other weights on what matters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from evals.advice.candidates import Candidates
from evals.advice.choice import Needs, Unit, choose, running, unit_of

INPUTS = ("queries_per_month", "changes_per_month", "usd_per_hour", "cost_per_error")
FLOOR = "majority"  # not a way to answer, but the least that one has to beat
DRAWS = 10_000
COMPARED: tuple[tuple[Unit, bool], ...] = (("USD", True), ("USD", False), ("seconds", False))  # what choose() weighs


@dataclass(frozen=True)
class Turnover:
    """The nearest value of one input, upwards or downwards, beyond which another arm is recommended.

    `factor` is how many times larger or smaller that is than now; None from zero.
    """

    input: str
    now: float
    at: float
    factor: float | None
    recommendation: str


def turnovers(arms: Candidates, needs: Needs) -> list[Turnover]:
    """Return, for each input that can turn the choice over by itself, the smallest change that does; smallest first.

    A month's cost is linear in each input, so the choice can turn only where two arms cost the same; between two such
    neighbouring points one look is enough. Inputs that are unknown (None) are left out.
    """
    found = [turn for name in INPUTS for turn in _nearest(arms, needs, name)]
    return sorted(found, key=lambda turn: float("inf") if turn.factor is None else turn.factor)


def weightings(arms: Candidates, needs: Needs, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Weigh accuracy, cost, latency and freshness at random and count which arm comes first.

    The weights are drawn from a flat Dirichlet distribution, every mixture being as likely as any other. Each criterion
    is scaled from 0 (worst arm) to 1 (best); arms that are not significantly less accurate than the most accurate
    share its 1. A criterion that is unknown for an arm is left out, and so is the majority baseline.

    Returns:
        `draws`, `criteria`, `left_out`, and `wins`: of each arm its share of the draws, in [0, 1], largest first.
    """
    import numpy as np

    field = arms.only(arm.key for arm in arms if arm.approach != FLOOR or len(arms) == 1)
    badness = _badness(field, needs)
    known = {name: list(values.values()) for name, values in badness.items() if None not in values.values()}
    scores = np.array([_scaled(np.array(values, dtype=float)) for values in known.values()])
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(known)), size=draws)
    winners = np.bincount((weights @ scores).argmax(axis=1), minlength=len(field))
    wins = {key: float(count) / draws for key, count in zip(field.arms, winners, strict=True)}
    return {
        "draws": draws,
        "criteria": list(known),
        "left_out": [name for name in badness if name not in known],
        "wins": dict(sorted(wins.items(), key=lambda win: -win[1])),
    }


def _nearest(arms: Candidates, needs: Needs, name: str) -> list[Turnover]:
    """Return the nearer of the turnovers above and below the input's present value, if there is one."""
    now = getattr(needs, name)
    if now is None:
        return []
    chosen = choose(arms, needs).key
    points = sorted(_crossings(arms, needs, name))
    above, below = [x for x in points if x > now], [x for x in reversed(points) if x < now]
    found = []
    for path, end in ((above, 2 * max([now, *above]) + 1), (below, 0.0)):
        for at, beyond in zip(path, [*path[1:], end], strict=False):  # no point, no step
            other = choose(arms, replace(needs, **{name: (at + beyond) / 2})).key
            if other != chosen:
                found.append(Turnover(name, now, at, max(at / now, now / at) if now else None, other))
                break
    return sorted(found, key=lambda turn: turn.factor or float("inf"))[:1]


def _crossings(arms: Candidates, needs: Needs, name: str) -> set[float]:
    """Return the positive values of the input at which two arms cost the same, with errors counted or not."""
    zero, one = replace(needs, **{name: 0.0}), replace(needs, **{name: 1.0})
    found = set()
    for unit, counts_errors in COMPARED:
        at_zero, at_one = running(zero, unit, counts_errors), running(one, unit, counts_errors)
        for a, b in combinations(arms, 2):
            start = at_zero(a) - at_zero(b)
            slope = at_one(a) - at_one(b) - start
            at = -start / slope if slope else 0.0
            if 0 < at < float("inf"):
                found.add(at)
    return found


def _badness(arms: Candidates, needs: Needs) -> Mapping[str, dict[str, float | None]]:
    """Return each criterion's value for each arm, less being better."""
    most = max(arm.right for arm in arms)
    leader = next(arm.key for arm in arms if arm.right == most)
    in_dollars = unit_of(arms, needs) == "USD"
    cost = running(needs, "USD" if in_dollars else "seconds")
    comparable = in_dollars or all(arm.local for arm in arms)  # at any price of an hour, seconds rank as dollars do
    return {
        "accuracy": {a.key: -a.right if arms.is_less_accurate(a.key, leader) else -most for a in arms},
        "cost": {a.key: cost(a) if comparable else None for a in arms},
        "latency": {a.key: a.latency_ms for a in arms},
        "freshness": {a.key: a.change_seconds for a in arms},
    }


def _scaled(badness: Any) -> Any:
    """Return the values from 0 (worst) to 1 (best); all 1 where they are equal."""
    import numpy as np

    low, high = badness.min(), badness.max()
    return (high - badness) / (high - low) if high > low else np.ones_like(badness)
