"""The statistics agree with the libraries that have them, and keep their error rates in simulation."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from lab.statistics import compare, examples_needed, holm, mcnemar, paired_bootstrap, wilson

RANDOM = np.random.default_rng(7)


def _pair(n: int, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    return RANDOM.random(n) < a, RANDOM.random(n) < b


def test_wilson_is_the_textbook_interval() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 20)[0] == pytest.approx(0)


@pytest.mark.parametrize("chances", [(0.8, 0.7), (0.5, 0.5), (0.9, 0.2)])
def test_mcnemar_equals_statsmodels(chances: tuple[float, float]) -> None:
    a, b = _pair(200, *chances)
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    assert mcnemar(a, b) == pytest.approx(reference_mcnemar(table, exact=True).pvalue, abs=1e-9)


def test_two_that_always_agree_do_not_differ() -> None:
    same = np.array([True, False, True])
    assert mcnemar(same, same) == 1
    assert paired_bootstrap(same, same) == (0, 0)
    assert examples_needed(same, same) is None


def test_the_bootstrap_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    a, b = _pair(300, 0.8, 0.7)
    reference = bootstrap((a.astype(float) - b,), np.mean, method="percentile", rng=1, n_resamples=9999)
    assert paired_bootstrap(a, b) == pytest.approx(tuple(reference.confidence_interval), abs=0.01)


def test_equal_approaches_seldom_win_and_intervals_cover() -> None:
    wins, covered, trials = 0, 0, 2000
    for _ in range(trials):
        hard = RANDOM.random(200) < 0.5  # shared difficulty: what pairing is for
        a, b = (RANDOM.random(200) < np.where(hard, 0.55, 0.9) for _ in "ab")
        wins += mcnemar(a, b) < 0.05
        low, high = paired_bootstrap(a, b)
        covered += low <= 0 <= high
    assert wins / trials <= 0.05
    assert 0.93 <= covered / trials <= 0.97


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_the_size_that_would_settle_it_does() -> None:
    a, b = _pair(4000, 0.80, 0.75)
    needed = examples_needed(a, b)
    assert needed is not None
    found = sum(mcnemar(*_pair(needed, a.mean(), b.mean())) < 0.05 for _ in range(300)) / 300
    assert 0.7 <= found <= 0.9


def test_comparisons_are_on_the_examples_both_answered() -> None:
    outcomes = {"a": {"1": True, "2": True, "3": False}, "b": {"2": False, "3": False, "4": True}, "c": {}}
    only = compare([("a", "b"), ("a", "c")], outcomes)
    assert [(c.a, c.b, c.n, c.difference) for c in only] == [("a", "b", 2, 0.5)]
