"""Calibration: is an approach that says 80 % sure right in 80 % of these cases?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Bin:
    """One point of the reliability curve: the `n` answers whose confidence lies in (low, high]."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """The expected calibration error in [0, 1], and the reliability curve over the bins that are not empty."""

    ece: float
    curve: tuple[Bin, ...]


def calibrate(confidences: Sequence[float], correct: Sequence[bool]) -> Calibration | None:
    """Return the calibration of answers in ten bins of equal width (Guo et al. 2017, arXiv 1706.04599).

    Args:
        confidences: the probability that each answer gave its own label; none at all have no calibration (None).
        correct: whether each answer was right.
    """
    if not len(confidences):
        return None
    confidence, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    edges = np.linspace(0, 1, BINS + 1)
    number = np.digitize(confidence, edges[1:-1], right=True)
    sizes = np.bincount(number, minlength=BINS)
    filled = np.flatnonzero(sizes)
    mean_confidence = np.bincount(number, confidence, BINS)[filled] / sizes[filled]
    accuracy = np.bincount(number, right, BINS)[filled] / sizes[filled]
    ece = float((sizes[filled] * np.abs(accuracy - mean_confidence)).sum() / len(confidence))
    points = zip(filled, mean_confidence, accuracy, strict=True)
    return Calibration(
        ece, tuple(Bin(b / BINS, (b + 1) / BINS, int(sizes[b]), float(c), float(a)) for b, c, a in points)
    )
