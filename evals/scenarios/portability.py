"""Portability: another base LLM over the same index and prompts, another BERT under the same data: what stays?"""

from collections.abc import Iterator, Sequence

from evals.costs import total
from evals.metrics import outcomes
from evals.records import Record
from evals.scenarios import static
from evals.scenarios.scenario import Finding, PricedFits, change_usd
from evals.suite import Arm, Suite
from lab.statistics import compare

plan, is_primary = static.plan, static.is_primary


def findings(suite: Suite, records: Sequence[Record], fits: PricedFits) -> list[Finding]:
    """Return for each swap what it changed, and what had to be done again for it."""
    answered = {arm.key: outcomes([r for r in records if r.arm == arm.key]) for arm in suite.arms}
    pairs = [(a, b) for a, b in swaps(suite.arms) if (a.llm, a.base) != (b.llm, b.base)]
    pairs = [(a, b) for a, b in pairs if answered[a.key] and answered[b.key]]
    found = {(c.a, c.b): c for c in compare([(b.key, a.key) for a, b in pairs], answered, suite.seed)}
    rows, data = [], []
    for before, after in pairs:
        change = found.get((after.key, before.key))
        if change is None:  # no text that both answered
            continue
        low, high = (100 * bound for bound in change.ci)
        again = [fit for moment, fit in fits.items() if moment.arm == after.key] if before.base != after.base else []
        redone = sum(fit.seconds for fit in again)
        usd = change_usd(redone, total(*(fit.tokens_usd for fit in again)))
        data.append(
            {
                "approach": before.approach,
                "before": _part(before, after, before),
                "after": _part(before, after, after),
                "seconds_again": redone,
                "usd_again": usd,
                "difference": change.difference,
                "ci": list(change.ci),
                "p_adjusted": change.p_adjusted,
            }
        )
        rows.append(
            [
                before.approach,
                f"{_part(before, after, before)} → {_part(before, after, after)}",
                f"{_mean(answered[before.key]):.1%} → {_mean(answered[after.key]):.1%}",
                f"{100 * change.difference:+.1f} ({low:+.1f} to {high:+.1f})",
                f"{change.p_adjusted:.2g}",
                f"trained again, {redone:.0f} s" if before.base != after.base else "nothing: index and prompts stay",
                "unknown" if usd is None else f"{usd:.4f}",
            ]
        )
    return [
        Finding(
            "What carries over when a base model is swapped",
            ["approach", "swapped", "accuracy", "points (95 % interval)", "p, Holm", "done again", "$"],
            rows,
            "Paired on the same texts. Seconds are those of the training, also where an earlier run had done it;"
            " dollars are these seconds at your hourly price.",
            {"swaps": data},
        )
    ]


def swaps(arms: Sequence[Arm]) -> Iterator[tuple[Arm, Arm]]:
    """Yield each arm after the first one of its approach."""
    firsts = {arm.approach: arm for arm in reversed(arms)}
    for arm in arms:
        first = firsts[arm.approach]
        if arm is not first:
            yield first, arm


def _part(before: Arm, after: Arm, arm: Arm) -> str:
    """Return the name of the base model of `arm` that the swap is about."""
    return arm.base if before.base != after.base else str(arm.llm)


def _mean(rights: dict[str, float]) -> float:
    return sum(rights.values()) / len(rights)
