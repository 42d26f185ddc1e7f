"""Confidence intervals of one accuracy: one answer per example, several repeats of each, or several seeds."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lab.statistics.resampling import LEVEL, percentile_interval


def wilson(correct: float, n: float) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion (Wilson 1927)."""
    from scipy.special import ndtri

    # statsmodels' proportion_confint, which agrees to the last bit, imports pandas: a second at each command's start.
    share, z = correct / n, float(ndtri((1 + LEVEL) / 2))
    whole = 1 + z**2 / n
    middle = (share + z**2 / (2 * n)) / whole
    reach = z * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))) / whole
    return max(0.0, middle - reach), min(1.0, middle + reach)


def clustered_interval(values: Mapping[str, Collection[float]]) -> tuple[float, float]:
    """Return the 95 % interval of the mean over all repeats of all examples, each example a cluster.

    Repeats of one example are alike, so they count as one cluster and not as so many examples (Miller, arXiv
    2411.00640). The error is the cluster-robust one of statsmodels' OLS, with Student's t on clusters - 1
    degrees of freedom, cut off at 0 and 1; where all clusters are alike and it is 0, Wilson's interval.

    Args:
        values: for each example, the outcome of each repeat (right 1, wrong 0), at least one.
    """
    from scipy.stats import t

    sums = np.array([sum(own) for own in values.values()], dtype=float)
    sizes = np.array([len(own) for own in values.values()], dtype=float)
    clusters, mean = len(sums), sums.sum() / sizes.sum()
    residuals = sums - sizes * mean
    spread = float(np.square(residuals).sum())
    if clusters < 2 or spread < 1e-12:
        return wilson(float(mean) * clusters, clusters)
    error = (clusters / (clusters - 1) * spread) ** 0.5 / sizes.sum()
    reach = t.ppf((1 + LEVEL) / 2, clusters - 1) * error
    return max(0.0, float(mean - reach)), min(1.0, float(mean + reach))


def mean_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a mean over examples (Efron 1979), one value per example."""
    kinds, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    return percentile_interval(counts, lambda drawn: drawn @ kinds / len(values), seed)


def seed_interval(figures: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % Student interval of a figure's mean over seeds, one figure per seed; None for fewer than two.

    It says how far other seeds may lie on these same examples; `clustered_interval` says it for other examples.
    """
    if len(figures) < 2:
        return None
    from scipy.stats import t

    mean, error = np.mean(figures), np.std(figures, ddof=1) / len(figures) ** 0.5
    reach = t.ppf((1 + LEVEL) / 2, len(figures) - 1) * error
    return float(mean - reach), float(mean + reach)
