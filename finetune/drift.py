"""Has the stream left the reference? Population stability, and a sequential test whose false alarms are rationed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 25  # predictions that are taken in at once
OPEN = 32  # change points that are kept open, so that a block costs the same for ever
CONCENTRATIONS = (8.0, 64.0, 512.0)  # how near to the shares before it a change is expected, in predictions
PRIOR = 0.5  # Jeffreys' count per category, before anything is seen


@dataclass(frozen=True)
class Drift:
    """An alarm of the detector.

    Attributes:
        seen: predictions since the detector (re)started.
        since: predictions since the likeliest change point; at most `seen`.
        counts: of these, how many fell into each category.
        psi: population stability index of these against the reference.
    """

    seen: int
    since: int
    counts: tuple[int, ...]
    psi: float


def population_stability(reference: Sequence[int], counts: Sequence[int]) -> float:
    """Return the population stability index of two counts over the same categories: sum of (q - p) ln(q / p).

    Half an observation is added to each category, so that an empty one costs much but not infinitely much. Below 0.1
    is customarily called stable, above 0.25 a major shift (Siddiqi, "Credit Risk Scorecards", 2006). Without any
    drift, two samples of sizes n and m over k categories give about (k - 1)(1/n + 1/m) (Yurdakul, "Statistical
    Properties of Population Stability Index", 2018), which is why a test stands beside it.
    """
    before, after = np.asarray(reference) + PRIOR, np.asarray(counts) + PRIOR
    p, q = before / before.sum(), after / after.sum()
    return float(((q - p) * np.log(q / p)).sum())


class DriftDetector:
    """Raises an alarm when a stream of categories no longer comes from where the reference came from.

    A Shiryaev-Roberts e-detector (Shin, Ramdas and Rinaldo, "E-detectors", 2022, arXiv 2203.03532). Each block of
    predictions opens a change point j with a stake of one unit per prediction. The stake is multiplied, block by
    block, by how much better "the shares changed at j" foretold the block than "nothing has changed":

        DirichletMultinomial(block | shares before j, and what came since j)
        / DirichletMultinomial(block | 1/2 + the reference's counts + all that came)

    The denominator knows that the reference is itself a finite sample: it is the chance of the block given the
    reference and the stream so far, under Jeffreys' prior. So, without drift, no stake grows on average, all stakes
    together amount on average to the number of predictions, and they reach A at most once in A predictions on
    average: for any reference, over the shares that it leaves possible. That is the stated rate, valid for ever; after
    an alarm all starts anew from the reference.

    How far a change goes is unknown, so each stake is split over several concentrations of the prior after the
    change. When more than `OPEN` change points are open, the two that lie closest together for their age become one;
    the stake of the less likely passes to the other, which keeps the sum, and with it the rate.
    """

    def __init__(self, reference: Sequence[int], false_alarm_every: float = 100_000) -> None:
        """Start from the reference's counts per category; at most one false alarm in `false_alarm_every`."""
        self.reference = np.asarray(reference, dtype=np.float64)
        self._limit = float(np.log(false_alarm_every))
        self._block = np.zeros(len(self.reference))
        self._filled = 0
        self._restart()

    def _restart(self) -> None:
        size, splits = len(self.reference), len(CONCENTRATIONS)
        self._total = np.zeros(size)
        self._before = np.empty((0, size))  # what had come when each change point was opened
        self._beliefs = np.empty((0, splits, size))  # Dirichlet parameters of each change point
        self._stakes = np.empty((0, splits))  # logarithms

    def add(self, category: int) -> Drift | None:
        """Take in one prediction; every `BLOCK` of them are judged together, and after an alarm all starts anew."""
        self._block[category] += 1
        self._filled += 1
        if self._filled < BLOCK:
            return None
        self._open()
        self._judge(self._block)
        self._block = np.zeros_like(self._block)
        self._filled = 0
        if np.logaddexp.reduce(self._stakes, axis=None) >= self._limit:
            return self._alarm()
        if len(self._stakes) > OPEN:
            self._merge()
        return None

    def _open(self) -> None:
        """Open a change point before the block; a change starts out from the shares so far."""
        null = PRIOR + self.reference + self._total
        beliefs = np.outer(CONCENTRATIONS, null / null.sum())
        stake = np.full((1, len(CONCENTRATIONS)), np.log(BLOCK / len(CONCENTRATIONS)))
        self._before = np.concatenate([self._before, self._total[None]])
        self._beliefs = np.concatenate([self._beliefs, beliefs[None]])
        self._stakes = np.concatenate([self._stakes, stake])

    def _judge(self, block: NDArray[np.float64]) -> None:
        """Multiply each stake by what its change point foretold better, then let all learn the block."""
        null = PRIOR + self.reference + self._total
        self._stakes += _log_chance(block, self._beliefs) - _log_chance(block, null)
        self._beliefs += block
        self._total = self._total + block

    def _alarm(self) -> Drift:
        likeliest = int(np.logaddexp.reduce(self._stakes, axis=1).argmax())
        counts = (self._total - self._before[likeliest]).astype(int).tolist()
        seen = int(self._total.sum())
        self._restart()
        psi = population_stability(self.reference.astype(int).tolist(), counts)
        return Drift(seen, sum(counts), tuple(counts), psi)

    def _merge(self) -> None:
        ages = self._total.sum() - self._before.sum(axis=1)
        first = int(((ages[:-1] - ages[1:]) / ages[:-1]).argmin())
        pair = np.logaddexp.reduce(self._stakes[first : first + 2], axis=1)
        loser, winner = (first, first + 1) if pair[0] < pair[1] else (first + 1, first)
        # The whole stake keeps its shares over the concentrations of the winner.
        self._stakes[winner] += np.logaddexp(*pair) - pair.max()
        for name in ("_before", "_beliefs", "_stakes"):
            setattr(self, name, np.delete(getattr(self, name), loser, axis=0))


def _log_chance(block: NDArray[np.float64], belief: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-probability of one order of the block's categories, for each belief along the last axis."""
    from scipy.special import gammaln

    drawn = block > 0
    chance = gammaln(belief[..., drawn] + block[drawn]) - gammaln(belief[..., drawn])
    whole = belief.sum(axis=-1)
    return np.asarray(chance.sum(axis=-1) - gammaln(whole + block.sum()) + gammaln(whole))
