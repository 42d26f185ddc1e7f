"""The statistics agree with the libraries that have them, and with figures worked out by hand."""

import json
import time
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import permutation_test
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support
from statsmodels.api import OLS
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from lab.statistics import (
    calibrate,
    clustered_interval,
    cohens_g,
    compare,
    confusion,
    detectable,
    examples_needed,
    holm,
    macro_f1_interval,
    mcnemar,
    odds_ratio,
    paired_bootstrap,
    permutation,
    power,
    seed_interval,
    wilson,
)

RANDOM = np.random.default_rng(7)
LABELS = np.array(["bad", "good", "so-so"])


def _pair(n: int, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    return RANDOM.random(n) < a, RANDOM.random(n) < b


def _repeated(n: int, repeats: int, beta: tuple[float, float] = (4, 1)) -> np.ndarray:
    """Return outcomes, shape (n, repeats), of examples of which some are easier than others."""
    return (RANDOM.random((n, repeats)) < RANDOM.beta(*beta, n)[:, None]).astype(float)


def _answers(n: int) -> tuple[list[str], list[str]]:
    targets, noise = RANDOM.choice(3, n, p=[0.25, 0.55, 0.2]), RANDOM.choice(3, n)
    predicted = np.where(RANDOM.random(n) < 0.7, targets, noise)
    return LABELS[targets].tolist(), LABELS[predicted].tolist()


def test_wilson_is_the_textbook_interval_and_equals_statsmodels() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 20)[0] == pytest.approx(0)
    assert wilson(417, 500) == pytest.approx(proportion_confint(417, 500, 0.05, "wilson"), abs=1e-9)


@pytest.mark.parametrize("sizes", [[5] * 60, [1, 2, 3, 4, 5] * 12])
def test_the_clustered_interval_equals_the_cluster_robust_one_of_statsmodels(sizes: list[int]) -> None:
    values = {str(n): row[:size].tolist() for n, (row, size) in enumerate(zip(_repeated(60, 5), sizes, strict=True))}
    flat = np.concatenate(list(values.values()))
    groups = np.repeat(np.arange(60), sizes)
    fitted = OLS(flat, np.ones(len(flat))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert clustered_interval(values) == pytest.approx(tuple(fitted.conf_int()[0]), abs=1e-9)


def test_repeats_that_say_the_same_again_add_nothing() -> None:
    once = {str(n): [row[0]] for n, row in enumerate(_repeated(300, 1))}
    often = {example: own * 5 for example, own in once.items()}
    assert clustered_interval(often) == pytest.approx(clustered_interval(once), abs=1e-12)
    right = sum(own[0] for own in once.values())
    assert clustered_interval(once) == pytest.approx(wilson(right, 300), abs=0.005)


def test_examples_that_are_all_right_in_all_repeats_leave_doubt() -> None:
    assert clustered_interval({str(n): [1.0] * 5 for n in range(20)}) == wilson(20, 20)


def test_the_interval_over_seeds_is_students() -> None:
    assert seed_interval([0.80, 0.82, 0.84]) == pytest.approx((0.770317, 0.869683), abs=1e-6)  # t(2) = 4.302653
    assert seed_interval([0.8]) is None


@pytest.mark.parametrize("chances", [(0.8, 0.7), (0.5, 0.5), (0.9, 0.2)])
def test_mcnemar_equals_statsmodels(chances: tuple[float, float]) -> None:
    a, b = _pair(200, *chances)
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    assert mcnemar(a, b) == pytest.approx(reference_mcnemar(table, exact=True).pvalue, abs=1e-9)


@pytest.mark.parametrize("repeats", [1, 3, 5])
def test_the_permutation_test_equals_scipys_where_all_signs_are_tried(repeats: int) -> None:
    a, b = _repeated(11, repeats).mean(axis=1), _repeated(11, repeats, (1, 1)).mean(axis=1)
    reference = permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=2**11)
    assert permutation(a, b) == pytest.approx(reference.pvalue, abs=1e-9)


def test_the_permutation_test_agrees_with_scipys_where_signs_are_drawn() -> None:
    a, b = _repeated(200, 5).mean(axis=1), _repeated(200, 5, (3, 1)).mean(axis=1)
    reference = permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True, rng=1
    )
    assert 0 < reference.pvalue < 0.5
    assert permutation(a, b) == pytest.approx(reference.pvalue, abs=0.015)


def test_on_rights_and_wrongs_the_permutation_test_is_mcnemars() -> None:
    few = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0]), np.array([0, 0, 0, 0, 0, 0, 0, 1, 0])
    assert permutation(*few) == pytest.approx(mcnemar(*(side.astype(bool) for side in few)), abs=1e-9)
    a, b = _pair(300, 0.75, 0.70)
    assert permutation(a, b) == pytest.approx(mcnemar(a, b), abs=0.02)


def test_thirds_are_thirds_whichever_way_they_were_reached() -> None:
    third = float(Fraction(1, 3))
    assert permutation(np.array([1.0, third]), np.array([1 - third, 2 * third])) == 1.0


def test_two_that_always_agree_do_not_differ() -> None:
    same = np.array([True, False, True])
    assert mcnemar(same, same) == permutation(same, same) == 1
    assert paired_bootstrap(same, same) == (0, 0)
    for undefined in (examples_needed, cohens_g, odds_ratio, power, detectable):
        assert undefined(same, same) is None


def test_the_bootstrap_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    a, b = _pair(300, 0.8, 0.7)
    reference = bootstrap((a.astype(float) - b,), np.mean, method="percentile", rng=1, n_resamples=9999)
    assert paired_bootstrap(a, b) == pytest.approx(tuple(reference.confidence_interval), abs=0.01)


def test_holm_steps_down_as_in_statsmodels() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    many = RANDOM.random(20) ** 3
    assert holm(many.tolist()) == pytest.approx(multipletests(many, method="holm")[1].tolist(), abs=1e-9)
    assert holm([]) == []


def test_effect_sizes_are_read_off_the_examples_that_one_alone_got_right() -> None:
    a, b = np.array([1, 1, 1, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 0])
    assert cohens_g(a, b) == pytest.approx(0.25)
    assert cohens_g(b, a) == pytest.approx(-0.25)
    assert odds_ratio(a, b) == 3
    assert odds_ratio(np.array([1, 1]), np.array([0, 1])) is None


def test_classes_equal_those_of_scikit_learn() -> None:
    targets, predicted = _answers(400)
    targets[0], predicted[1] = "rare", "never true"
    found = confusion(targets, predicted)
    assert found.counts.tolist() == confusion_matrix(targets, predicted, labels=found.labels).tolist()
    reference = precision_recall_fscore_support(targets, predicted, labels=found.labels, zero_division=0)
    for position, label in enumerate(found.labels):
        assert list(found.per_class()[label].values()) == pytest.approx([float(row[position]) for row in reference])
    macro = f1_score(targets, predicted, labels=sorted(set(targets)), average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(macro, abs=1e-9)


def test_the_macro_f1_interval_agrees_with_scikit_learn_on_examples_drawn_anew() -> None:
    targets, predicted = (np.array(side) for side in _answers(300))
    draws = RANDOM.integers(0, 300, (1000, 300))
    scores = [confusion(targets[draw].tolist(), predicted[draw].tolist()).macro_f1 for draw in draws]
    first = f1_score(targets[draws[0]], predicted[draws[0]], average="macro")
    assert scores[0] == pytest.approx(first, abs=1e-9)
    found = macro_f1_interval(targets.tolist(), predicted.tolist())
    assert found == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.01)


def test_the_macro_f1_interval_draws_whole_examples() -> None:
    targets, predicted = _answers(200)
    clusters = [str(n) for n in range(200)] * 5
    once = macro_f1_interval(targets, predicted)
    assert macro_f1_interval(targets * 5, predicted * 5, clusters) == pytest.approx(once, abs=0.01)
    low, high = macro_f1_interval(targets * 5, predicted * 5)
    assert high - low < 0.6 * (once[1] - once[0]), "as if they were five times as many examples"


def test_the_calibration_error_is_the_one_worked_out_by_hand() -> None:
    found = calibrate([0.95, 0.91, 0.65, 0.62, 0.7], [True, False, True, True, False])
    assert found is not None
    # (0.9, 1]: two of five, sure 0.93, right 0.5; (0.6, 0.7]: three of five, sure 0.656667, right 0.666667
    assert found.ece == pytest.approx(2 / 5 * 0.43 + 3 / 5 * 0.01, abs=1e-9)
    assert [(point.low, point.high, point.n) for point in found.curve] == [(0.6, 0.7, 3), (0.9, 1.0, 2)]
    assert calibrate([], []) is None


def test_one_who_is_right_as_often_as_sure_is_calibrated() -> None:
    sure = RANDOM.random(50_000)
    right = RANDOM.random(50_000) < sure
    honest, boastful = calibrate(sure.tolist(), right.tolist()), calibrate([1.0] * 50_000, right.tolist())
    assert honest is not None
    assert boastful is not None
    assert honest.ece < 0.015
    assert boastful.ece == pytest.approx(1 - right.mean(), abs=1e-9)


def test_comparisons_are_on_the_examples_both_answered() -> None:
    outcomes: dict[str, dict[str, float]] = {
        "a": {"1": True, "2": True, "3": False},
        "b": {"2": False, "3": False, "4": True},
        "c": {},
    }
    only = compare([("a", "b"), ("a", "c")], outcomes)
    assert [(c.a, c.b, c.n, c.difference) for c in only] == [("a", "b", 2, 0.5)]
    assert json.loads(json.dumps(asdict(only[0])))["odds_ratio"] is None


def test_the_test_follows_from_the_outcomes_and_says_its_name() -> None:
    one, repeated = _repeated(100, 1).mean(axis=1), _repeated(100, 5, (2, 1)).mean(axis=1)
    outcomes = {name: {str(n): float(hit) for n, hit in enumerate(own)} for name, own in (("a", one), ("b", repeated))}
    outcomes["c"] = {example: 1 - hit for example, hit in outcomes["a"].items()}
    by_repeats, by_answers = compare([("a", "b"), ("a", "c")], outcomes)
    assert by_repeats.test.startswith("paired permutation")
    assert by_repeats.p_value == permutation(one, repeated)
    assert by_answers.test.startswith("exact McNemar")
    assert by_answers.p_value == mcnemar(one == 1, one == 0)


def test_a_hundred_thousand_examples_are_compared_in_seconds() -> None:
    start = time.perf_counter()
    outcomes = {
        name: {str(n): float(hit) for n, hit in enumerate(_repeated(100_000, 5, beta).mean(axis=1))}
        for name, beta in (("a", (4.0, 1.0)), ("b", (4.1, 1.0)))
    }
    (found,) = compare([("a", "b")], outcomes)
    assert found.n == 100_000
    assert time.perf_counter() - start < 5
