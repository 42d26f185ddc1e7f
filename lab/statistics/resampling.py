"""Drawing anew, in blocks: what is alike is counted once, so 100,000 examples cost no more than their kinds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95
FEWEST = 1_000
DRAWN = 20_000_000  # counts drawn at most, unless that left fewer than FEWEST resamples
BLOCK = 1_000_000  # counts held in memory at once

Array = NDArray[np.float64]


def percentile_interval(
    counts: NDArray[np.int64], statistic: Callable[[Array], Array], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval (Efron 1979) of a statistic of counts.

    Args:
        counts: how many of the drawn units (examples, or clusters) are of each kind, shape (kinds,).
        statistic: from resampled counts, shape (resamples, kinds), to one value each.
        seed: of the drawing.
        resamples: fewer are drawn, but at least 1,000, where there are over 2,000 kinds.
    """
    random, n = np.random.default_rng(seed), int(counts.sum())
    shares = counts / n
    values = in_blocks(
        lambda size: statistic(random.multinomial(n, shares, size).astype(float)), len(counts), resamples
    )
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def in_blocks(draw: Callable[[int], Array], kinds: int, resamples: int = RESAMPLES) -> Array:
    """Return `resamples` values of `draw(size)`, which holds size x kinds numbers, asked in blocks that fit memory."""
    wanted = min(resamples, max(FEWEST, DRAWN // kinds))
    block = max(1, BLOCK // kinds)
    return np.concatenate([draw(min(block, wanted - start)) for start in range(0, wanted, block)])
