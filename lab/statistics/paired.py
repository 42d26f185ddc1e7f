"""Two arms on the same examples: tests, intervals, effect sizes and power.

`a` and `b` are, example by example, 1 where the arm was right and 0 where it was wrong; over repeats, the mean of
them. A repeated example is thereby one cluster and counts once (Miller, arXiv 2411.00640).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.statistics.resampling import LEVEL, RESAMPLES, Array, in_blocks, percentile_interval

Outcomes = NDArray[Any]  # booleans, or numbers in [0, 1]
POWER = 0.8


def mcnemar(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the exact p-value of McNemar's test (1947; scipy): do the examples that one got right split evenly?"""
    from scipy.stats import binomtest

    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def permutation(a: Outcomes, b: Outcomes, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Return the two-sided p-value of the paired permutation test of the mean difference (Fisher 1935).

    If the arms are equal, each example's difference might as well have the other sign. All signs are tried where that
    takes at most `resamples` tries, else as many are drawn, as scipy.stats.permutation_test does it. On outcomes that
    are all 0 or 1 it is the exact McNemar test.
    """
    difference = _difference(a, b)
    sizes = np.abs(difference[difference != 0])
    observed = abs(float(difference.sum())) - 1e-9  # sums of the same numbers in another order are the same
    if not len(sizes):
        return 1.0
    if 2 ** len(sizes) <= resamples:
        signs = 1 - 2 * ((np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes))) & 1)
        return float((np.abs(signs @ sizes) >= observed).mean())
    random = np.random.default_rng(seed)
    values, counts = np.unique(sizes, return_counts=True)
    sums = in_blocks(
        lambda size: (2 * random.binomial(counts, 0.5, (size, len(counts))) - counts) @ values, len(counts), resamples
    )
    return float((1 + (np.abs(sums) >= observed).sum()) / (1 + len(sums)))


def paired_bootstrap(a: Outcomes, b: Outcomes, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 95 % percentile interval of the difference in accuracy, examples resampled in pairs (Efron 1979)."""
    values, counts = np.unique(_difference(a, b), return_counts=True)
    return percentile_interval(counts, lambda drawn: drawn @ values / len(a), seed, resamples)


def cohens_g(a: Outcomes, b: Outcomes) -> float | None:
    """Return Cohen's g (1988), signed: the share of what one alone got right that is a's, less a half.

    0.05 is a small, 0.15 a medium, 0.25 a large effect; None where the arms never differ.
    """
    only_a, only_b = _only(a, b)
    return only_a / (only_a + only_b) - 0.5 if only_a + only_b else None


def odds_ratio(a: Outcomes, b: Outcomes) -> float | None:
    """Return the paired odds ratio: what a alone got right over what b alone got right; None without the latter."""
    only_a, only_b = _only(a, b)
    return only_a / only_b if only_b else None


def examples_needed(a: Outcomes, b: Outcomes, power: float = POWER) -> int | None:
    """Return how many examples would settle this difference at 5 % with 80 % power (Connor 1987); None without one."""
    from scipy.stats import norm

    difference, null, spread = _moments(a, b)
    if difference == 0:
        return None
    reach = norm.ppf((1 + LEVEL) / 2) * null + norm.ppf(power) * spread
    return int(np.ceil((reach / difference) ** 2))


def power(a: Outcomes, b: Outcomes) -> float | None:
    """Return the power at 5 % to find a true difference as large as this one with as many examples (Connor 1987).

    None where the arms never differ.
    """
    from scipy.stats import norm

    difference, null, spread = _moments(a, b)
    if null == 0:
        return None
    beyond = difference * len(a) ** 0.5 - norm.ppf((1 + LEVEL) / 2) * null
    return float(norm.cdf(beyond / spread)) if spread else float(beyond > 0)


def detectable(a: Outcomes, b: Outcomes) -> float | None:
    """Return the least difference in accuracy that as many examples find at 5 % with 80 % power.

    Connor's formula solved for the difference, at the observed disagreement; None where the arms never differ.
    """
    from scipy.stats import norm

    null, n = _moments(a, b)[1], len(a)
    if null == 0:
        return None
    z, z_power = norm.ppf((1 + LEVEL) / 2), norm.ppf(POWER)
    root = z_power * max(0.0, n + z_power**2 - z**2) ** 0.5
    return min(1.0, float(null * (n**0.5 * z + root) / (n + z_power**2)))


def _difference(a: Outcomes, b: Outcomes) -> Array:
    """Return a - b, rounded so that equal fractions (1 - 2/3 and 1/3) are equal numbers."""
    return np.asarray(np.round(a.astype(float) - b.astype(float), 12))


def _only(a: Outcomes, b: Outcomes) -> tuple[float, float]:
    difference = _difference(a, b)
    return float(difference[difference > 0].sum()), float(-difference[difference < 0].sum())


def _moments(a: Outcomes, b: Outcomes) -> tuple[float, float, float]:
    """Return the size of the mean difference, its spread per example if there were none, and its spread."""
    difference = _difference(a, b)
    mean, square = abs(float(difference.mean())), float(np.square(difference).mean())
    return mean, square**0.5, max(0.0, square - mean**2) ** 0.5
