"""A row of results and the details behind it: what is counted, over repeats too, and how fast."""

import json
import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from evals.approach import Fit, Prediction
from evals.metrics import Measured, details, outcomes, result_row
from evals.records import Question, Record
from evals.suite import Arm
from lab.datasets import Example
from lab.statistics import clustered_interval, wilson

ARM = Arm(approach="knn")
NOTHING = Measured(Fit())


def _record(number: int, label: str | None, target: str = "good", sure: float | None = None, repeat: int = 0) -> Record:
    example = Example(str(number), f"text {number}", target, f"x:{number}")
    scores = {} if label is None or sure is None else {label: sure}
    prediction = Prediction(label, None if label else "no answer in time", scores)
    return Record.of(Question("knn", "", "", "test", repeat, example.id), example, prediction, 0.01)


def _many(n: int, repeats: Sequence[int] = (0,)) -> list[Record]:
    random = np.random.default_rng(5)
    targets = np.array(["bad", "good", "so-so"])[random.choice(3, n, p=[0.25, 0.55, 0.2])].tolist()
    chances = random.beta(4, 1, n).tolist()
    return [
        _record(number, target if random.random() < chance else "good", target, sure=round(chance, 3), repeat=repeat)
        for repeat in repeats
        for number, (target, chance) in enumerate(zip(targets, chances, strict=True))
    ]


def test_without_repeats_the_interval_is_wilsons() -> None:
    row = result_row(ARM, _many(200), NOTHING, None)
    assert row["accuracy_ci"] == list(wilson(round(row["accuracy"] * 200), 200))
    assert (row["repeats"], row["accuracy_seeds_ci"]) == (1, None)
    assert row["macro_f1_ci"][0] < row["macro_f1"] < row["macro_f1_ci"][1]


def test_repeats_are_clustered_by_example_and_told_by_seed() -> None:
    records = _many(200, repeats=(0, 1, 2))
    row, once = result_row(ARM, records, NOTHING, None), result_row(ARM, records[:200], NOTHING, None)
    rights = {str(number): [float(r.label == r.target) for r in records[number::200]] for number in range(200)}
    assert row["accuracy_ci"] == list(clustered_interval(rights))
    assert row["repeats"] == 3
    assert row["accuracy_seeds_ci"][0] < row["accuracy"] < row["accuracy_seeds_ci"][1]
    for interval in ("accuracy_ci", "macro_f1_ci"):
        width, width_once = (found[interval][1] - found[interval][0] for found in (row, once))
        assert 0.58 * width_once < width < width_once, "three repeats are less than three times as many examples"


def test_the_outcome_of_an_example_is_the_share_of_its_repeats_that_were_right() -> None:
    said: list[tuple[int, str | None]] = [(1, "good"), (1, "bad"), (1, None), (2, "bad"), (3, None)]
    records = [_record(number, label, repeat=repeat) for repeat, (number, label) in enumerate(said)]
    assert outcomes(records) == {records[0].item: 0.5, records[3].item: 0.0}


def test_details_tell_classes_confusion_and_reliability() -> None:
    records = [
        _record(1, "good", sure=0.95),
        _record(2, "good", "bad", sure=0.75),
        _record(3, "good"),
        _record(4, None),
    ]
    found = json.loads(json.dumps(details(records)))
    assert found["per_class"]["good"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "support": 2})
    assert found["confusion"] == {"labels": ["bad", "good"], "matrix": [[0, 1], [0, 2]]}
    assert found["reliability"]["ece"] == pytest.approx((0.05 + 0.75) / 2)  # over the two with scores
    assert [point["n"] for point in found["reliability"]["curve"]] == [1, 1]


def test_what_has_no_scores_has_no_calibration_and_what_failed_no_classes() -> None:
    assert result_row(ARM, [_record(1, "good")], NOTHING, None)["ece"] is None
    assert details([_record(1, "good")])["reliability"] is None
    row = result_row(ARM, [_record(1, None)], NOTHING, None)
    assert (row["accuracy"], row["macro_f1_ci"], row["ece"]) == (None, None, None)
    assert details([_record(1, None)])["per_class"] == {}


@pytest.mark.parametrize("scored", [lambda rs: result_row(ARM, rs, NOTHING, 1.0), details])
def test_a_hundred_thousand_records_are_scored_in_seconds(scored: Callable[[list[Record]], object]) -> None:
    records = _many(50_000, repeats=(0, 1))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    scored(records)
    assert time.process_time() - start < 3
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 250  # MB beside the records
