"""Intervals and paired tests, after Miller, "Adding Error Bars to Evals" (arXiv 2411.00640)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same examples: `difference` is the accuracy of `a` minus that of `b`, both in [0, 1]."""

    a: str
    b: str
    difference: float
    ci: tuple[float, float]
    p_value: float
    p_adjusted: float
    n: int
    needed: int | None
    metric: str = "accuracy"
    test: str = "exact McNemar; 95 % paired bootstrap interval; Holm-adjusted"


def wilson(correct: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion (statsmodels)."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(correct, n, alpha=1 - LEVEL, method="wilson")
    return float(low), float(high)


def compare(pairs: Sequence[tuple[str, str]], outcomes: dict[str, dict[str, bool]], seed: int = 0) -> list[Comparison]:
    """Compare each pair of arms on the examples that both answered; p-values are Holm-adjusted over the family.

    Args:
        pairs: which arms to compare.
        outcomes: for each arm, whether each example it answered was right.
        seed: of the bootstrap.
    """
    drafts = [(a, b, _aligned(outcomes[a], outcomes[b])) for a, b in pairs]
    drafts = [(a, b, both) for a, b, both in drafts if both.shape[1]]
    raw = [mcnemar(both[0], both[1]) for _, _, both in drafts]
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
        )
        for (a, b, both), p_value, p_adjusted in zip(drafts, raw, holm(raw), strict=True)
    ]


def mcnemar(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the exact p-value of McNemar's test: are the examples that only one got right evenly shared?"""
    from scipy.stats import binomtest

    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def paired_bootstrap(a: NDArray[np.bool_], b: NDArray[np.bool_], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile interval of the difference in accuracy, examples resampled in pairs."""
    difference = a.astype(float) - b.astype(float)
    values, counts = np.unique(difference, return_counts=True)
    resampled = np.random.default_rng(seed).multinomial(len(difference), counts / len(difference), size=RESAMPLES)
    low, high = np.quantile(resampled @ values / len(difference), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted by Holm's step-down method (statsmodels)."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def examples_needed(a: NDArray[np.bool_], b: NDArray[np.bool_], power: float = 0.8) -> int | None:
    """Return how many examples would settle this difference at 5 % with 80 % power (Connor 1987); None without one."""
    from scipy.stats import norm

    discordant, difference = float((a != b).mean()), abs(float(a.mean()) - float(b.mean()))
    if difference == 0:
        return None
    reach = norm.ppf((1 + LEVEL) / 2) * discordant**0.5 + norm.ppf(power) * (discordant - difference**2) ** 0.5
    return int(np.ceil((reach / difference) ** 2))


def _aligned(a: dict[str, bool], b: dict[str, bool]) -> NDArray[np.bool_]:
    shared = sorted(a.keys() & b.keys())
    return np.array([[a[example] for example in shared], [b[example] for example in shared]], dtype=bool)
