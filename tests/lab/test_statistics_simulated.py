"""What the statistics promise, held against 2,000 made-up experiments each, of which the truth is known.

Binomial error is allowed for: a promise is broken only if it lies outside what 2,000 trials say with 99.9 % certainty,
and for coverage also if it lies outside 94 to 96 %.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from lab.statistics import (
    clustered_interval,
    detectable,
    examples_needed,
    holm,
    macro_f1_interval,
    mcnemar,
    paired_bootstrap,
    permutation,
    power,
    wilson,
)

TRIALS, N = 2000, 500
RESAMPLES = 1000  # in place of 10,000, for time
IDS = [str(number) for number in range(N)]
Interval = tuple[float, float]


def _answers(random: np.random.Generator, n: int, lead: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return two arms' outcomes on examples of shared difficulty, `a` better by `lead`: what pairing is for."""
    easy = random.random(n) < 0.5
    return random.random(n) < np.where(easy, 0.9, 0.55) + lead, random.random(n) < np.where(easy, 0.9, 0.55)


def _repeated(random: np.random.Generator, n: int, repeats: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return two equal arms' outcomes, each of shape (n, repeats), on examples of shared difficulty."""
    chance = random.beta(4, 1, n)[:, None]
    return random.random((n, repeats)) < chance, random.random((n, repeats)) < chance


def _wilson(random: np.random.Generator, n: int) -> bool:
    return _holds(wilson(int(random.binomial(n, 0.8)), n), 0.8)


def _paired(random: np.random.Generator, n: int) -> bool:
    return _holds(paired_bootstrap(*_answers(random, n, lead=0.05), resamples=RESAMPLES), 0.05)


def _paired_repeats(random: np.random.Generator, n: int) -> bool:
    a, b = _repeated(random, n)
    return _holds(paired_bootstrap(a.mean(axis=1), b.mean(axis=1), resamples=RESAMPLES), 0.0)


def _clustered(random: np.random.Generator, n: int) -> bool:
    return _holds(clustered_interval(dict(zip(IDS, _repeated(random, n)[0].tolist(), strict=False))), 0.8)


SHARES = np.array([[0.20, 0.02, 0.03], [0.06, 0.44, 0.05], [0.02, 0.04, 0.14]])  # of target (row) and answer (column)
TRUE_F1 = float(np.mean(2 * np.diag(SHARES) / (SHARES.sum(axis=0) + SHARES.sum(axis=1))))


def _macro_f1(random: np.random.Generator, n: int) -> bool:
    cells = random.choice(9, n, p=SHARES.ravel())
    targets, answers = (np.array(["a", "b", "c"])[side].tolist() for side in (cells // 3, cells % 3))
    return _holds(macro_f1_interval(targets, answers, resamples=RESAMPLES), TRUE_F1)


def _holds(interval: Interval, truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


Trial = Callable[[np.random.Generator, int], bool]
INTERVALS = [_wilson, _paired, _paired_repeats, _clustered, _macro_f1]


def _coverage(trial: Trial, n: int) -> float:
    random = np.random.default_rng(1)
    return sum(trial(random, n) for _ in range(TRIALS)) / TRIALS


@pytest.mark.parametrize("trial", INTERVALS)
def test_intervals_of_95_percent_hold_the_truth_in_94_to_96(trial: Trial) -> None:
    assert 0.94 <= _coverage(trial, N) <= 0.96


@pytest.mark.parametrize("trial", INTERVALS)
def test_with_20_examples_they_hold_it_in_92_to_98(trial: Trial) -> None:
    assert 0.92 <= _coverage(trial, 20) <= 0.98


def test_a_plain_interval_over_repeats_would_hold_it_too_seldom() -> None:
    random = np.random.default_rng(0)
    rights = [int(_repeated(random, N)[0].sum()) for _ in range(TRIALS)]
    assert sum(_holds(wilson(right, N * 5), 0.8) for right in rights) / TRIALS < 0.90


@pytest.mark.parametrize("n", [30, 200, 1000])
def test_wilsons_exact_coverage(n: int) -> None:
    hits = np.arange(n + 1)
    for chance in (0.6, 0.8):
        held = np.array([_holds(wilson(int(hit), n), chance) for hit in hits])
        assert 0.93 <= binom.pmf(hits, n, chance)[held].sum() <= 0.97


def test_of_two_equal_arms_at_most_5_percent_are_called_winners() -> None:
    random = np.random.default_rng(1)
    wins = sum(mcnemar(*_answers(random, 200)) < 0.05 for _ in range(TRIALS))
    assert wins <= 0.05 * TRIALS


def test_of_two_equal_arms_with_repeats_at_most_5_percent_are_called_winners() -> None:
    random = np.random.default_rng(1)
    wins = 0
    for _ in range(TRIALS):
        a, b = _repeated(random, 200)
        wins += permutation(a.mean(axis=1), b.mean(axis=1), int(random.integers(1 << 30)), RESAMPLES) < 0.05
    assert wins <= binom.ppf(0.999, TRIALS, 0.05)
    assert wins >= binom.ppf(0.001, TRIALS, 0.05), "nor is it timid"


def test_of_four_equal_arms_at_most_5_percent_of_runs_call_any_a_winner() -> None:
    random = np.random.default_rng(2)
    wins = 0
    for _ in range(TRIALS):
        chance = np.where(random.random(200) < 0.5, 0.9, 0.55)
        reference, *others = (random.random(200) < chance for _ in range(4))
        wins += min(holm([mcnemar(reference, other) for other in others])) < 0.05
    assert wins <= 0.05 * TRIALS


def _table(n: int, only_a: int, only_b: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two arms' outcomes with so many examples that one alone got right; both got the others right."""
    place = np.arange(n)
    return place >= only_b, (place < only_b) | (place >= only_b + only_a)


def _found(n: int, only_a: float, only_b: float) -> float:
    """Return in which share of 2,000 experiments a difference with these true shares is significant."""
    random = np.random.default_rng(3)
    drawn = random.multinomial(n, [only_a, only_b, 1 - only_a - only_b], TRIALS)
    return sum(mcnemar(*_table(n, int(a), int(b))) < 0.05 for a, b, _ in drawn) / TRIALS


def test_the_size_that_would_settle_it_does_so_four_times_in_five() -> None:
    needed = examples_needed(*_table(1000, 120, 80))
    assert needed is not None
    assert _found(needed, 0.12, 0.08) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("n", [300, 600, 1200])
def test_the_power_told_is_the_share_of_experiments_that_find_the_difference(n: int) -> None:
    told = power(*_table(n, n * 12 // 100, n * 8 // 100))
    assert told == pytest.approx(_found(n, 0.12, 0.08), abs=0.04)


def test_the_detectable_difference_is_detected_four_times_in_five() -> None:
    least = detectable(*_table(500, 60, 60))
    assert least is not None
    assert _found(500, 0.12 + least / 2, 0.12 - least / 2) == pytest.approx(0.8, abs=0.04)
