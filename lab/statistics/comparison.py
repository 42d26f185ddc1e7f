"""Comparisons: each pair of arms on the examples both answered, adjusted over the family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.statistics.paired import (
    Outcomes,
    cohens_g,
    detectable,
    examples_needed,
    mcnemar,
    odds_ratio,
    paired_bootstrap,
    permutation,
    power,
)
from lab.statistics.resampling import Array

MCNEMAR, PERMUTATION = "exact McNemar", "paired permutation over examples, their repeats averaged"
BESIDE_TEST = "95 % paired bootstrap interval; Holm-adjusted"


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same examples: `difference` is the accuracy of `a` minus that of `b`, both in [0, 1].

    Attributes:
        ci: 95 % interval of the difference.
        p_adjusted: the p-value after Holm's adjustment over all comparisons made together.
        needed: examples that would settle a difference of this size; None without a difference.
        test: in words, which test and interval were used.
        effect: Cohen's g, in [-0.5, 0.5], positive where `a` is better; None where the arms never differ.
        odds_ratio: right by `a` alone over right by `b` alone; None where b alone was never right.
        power: the chance to find a true difference of this size with `n` examples.
        detectable: the least difference that `n` examples find with 80 % power.
    """

    a: str
    b: str
    difference: float
    ci: tuple[float, float]
    p_value: float
    p_adjusted: float
    n: int
    needed: int | None
    metric: str = "accuracy"
    test: str = f"{MCNEMAR}; {BESIDE_TEST}"
    effect: float | None = None
    odds_ratio: float | None = None
    power: float | None = None
    detectable: float | None = None


def compare(
    pairs: Sequence[tuple[str, str]], outcomes: Mapping[str, Mapping[str, float]], seed: int = 0
) -> list[Comparison]:
    """Compare each pair of arms on the examples that both answered; p-values are Holm-adjusted over the family.

    Args:
        pairs: which arms to compare; one without a common example is left out.
        outcomes: for each arm and each example it answered, whether it was right; over repeats, the share of them that
            was right. If all are 0 or 1 the test is McNemar's, else the paired permutation test.
        seed: of the bootstrap and of the permutations.
    """
    drafts = [(a, b, _aligned(outcomes[a], outcomes[b])) for a, b in pairs]
    drafts = [(a, b, both) for a, b, both in drafts if both.shape[1]]
    tests = [_test(both, seed) for _, _, both in drafts]
    adjusted = holm([p_value for p_value, _ in tests])
    return [
        Comparison(
            a,
            b,
            difference=float(both[0].mean() - both[1].mean()),
            ci=paired_bootstrap(both[0], both[1], seed),
            p_value=p_value,
            p_adjusted=p_adjusted,
            n=both.shape[1],
            needed=examples_needed(both[0], both[1]),
            test=f"{test}; {BESIDE_TEST}",
            effect=cohens_g(both[0], both[1]),
            odds_ratio=odds_ratio(both[0], both[1]),
            power=power(both[0], both[1]),
            detectable=detectable(both[0], both[1]),
        )
        for (a, b, both), (p_value, test), p_adjusted in zip(drafts, tests, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted by Holm's step-down method (Holm 1979)."""
    # statsmodels' multipletests, which agrees, collects the process's garbage at each call: 0.1 s beside torch.
    order = np.argsort(p_values)
    steps = np.asarray(p_values, dtype=float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in adjusted]


def _test(both: Outcomes, seed: int) -> tuple[float, str]:
    """Return the p-value of the test that fits the outcomes, and the test's name."""
    if np.isin(both, (0, 1)).all():
        right = both.astype(bool)
        return mcnemar(right[0], right[1]), MCNEMAR
    return permutation(both[0], both[1], seed), PERMUTATION


def _aligned(a: Mapping[str, float], b: Mapping[str, float]) -> Array:
    shared = sorted(a.keys() & b.keys())
    return np.array([[a[example] for example in shared], [b[example] for example in shared]], dtype=float)
