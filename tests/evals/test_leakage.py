"""Planted leaks are found, clean data gives no false alarm, and what is too good to be true is said to be."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from evals.leakage import LABEL_NOISE, Leak, find_leaks, suspicious
from lab.datasets import Dataset, Example, Split, split_dataset
from lab.datasets.study import SETS, _archive, _study_file, label_of

NOTHING = Dataset("nothing", ())


def _kinds(leaks: list[Leak]) -> list[tuple[str, int]]:
    return [(leak.kind, leak.count) for leak in leaks]


def _changed(part: Dataset, change: Callable[[Example], str]) -> Dataset:
    return replace(part, examples=tuple(replace(example, text=change(example)) for example in part.examples))


def test_the_tweets_give_no_false_alarm(tweets: Dataset) -> None:
    split = split_dataset(tweets)
    assert find_leaks(split.train, split.validation, split.test, index=split.train.texts) == []


def test_copies_of_test_texts_in_training_and_validation_are_found(small: Split) -> None:
    copies = [replace(e, id=f"copy-{e.id}", text=f"@someone {e.text.upper()}!!") for e in small.test.examples[:12]]
    train = replace(small.train, examples=(*small.train.examples, *copies[:7]))
    validation = replace(small.validation, examples=(*small.validation.examples, *copies[7:]))
    found = find_leaks(train, validation, small.test)
    assert _kinds(found) == [("duplicate", 7), ("duplicate", 5)]
    assert "test texts with a near-duplicate among the training texts" in found[0].what
    assert found[0].examples == tuple(example.id for example in small.test.examples[:3])


def test_test_texts_in_the_index_are_found_alone_or_within_a_passage(small: Split) -> None:
    long = [example for example in small.test.examples if len(example.text.split()) > 10][:4]
    passage = f"A letter to the editor. {long[2].text} And so on, for many more words. {long[3].text} The end."
    index = [*small.train.texts, long[0].text, long[1].text.lower(), passage]
    (found,) = find_leaks(small.train, small.validation, small.test, index)
    assert (found.kind, found.count) == ("indexed", 4)
    assert found.examples == tuple(example.id for example in long[:3])
    assert "bakeoff index add" in found.fix


PLANTED: list[Callable[[Example], str]] = [
    lambda e: f"{e.text} label: {e.label}",
    lambda e: f"__label__{e.label} {e.text}",
    lambda e: f"[{e.label.upper()}] {e.text}",
    lambda e: f"{e.text} #{e.label}",
    lambda e: f"{e.text} - {e.label}",
]


@pytest.mark.parametrize("plant", PLANTED)
def test_a_label_written_into_the_texts_is_found(small: Split, plant: Callable[[Example], str]) -> None:
    train, validation, test = (_changed(part, plant) for part in (small.train, small.validation, small.test))
    leaks = find_leaks(train, validation, test)
    found = [leak for leak in leaks if leak.kind == "label_in_text"]  # short texts have become alike, too
    assert len(found) == 3
    assert sum(leak.count for leak in found) >= 598
    assert "texts that state their label: 'negative'" in found[0].what


def test_a_label_marked_in_some_texts_of_one_part_is_enough(tweets: Dataset) -> None:
    split = split_dataset(tweets.subset(range(1500)))
    test = _changed(split.test, lambda e: f"{e.text} sentiment={e.label}" if e.label == "positive" else e.text)
    (found,) = find_leaks(split.train, split.validation, test)
    assert (found.kind, found.count) == ("label_in_text", split.test.counts["positive"])


def test_a_label_that_is_named_as_often_elsewhere_is_no_leak(small: Split) -> None:
    assert find_leaks(NOTHING, NOTHING, _changed(small.train, lambda e: f"{e.text} rating: positive or neutral")) == []


def test_better_than_the_labels_allow_is_suspicious() -> None:
    found = suspicious(0.99, 630, 0.05)
    assert found is not None
    assert found.p_value == pytest.approx(binomtest(624, 630, 0.95, alternative="greater").pvalue, abs=1e-9)
    assert found.ceiling == pytest.approx(0.95)
    assert "99.0% on 630 texts is more than the 95.0%" in found.statement


@pytest.mark.parametrize(
    ("accuracy", "n", "noise"), [(0.95, 630, 0.05), (1.0, 20, 0.05), (1.0, 630, 0.0), (0.0, 0, 0.1)]
)
def test_what_luck_explains_is_not(accuracy: float, n: int, noise: float) -> None:
    assert suspicious(accuracy, n, noise) is None


@pytest.mark.parametrize("name", LABEL_NOISE)
def test_the_label_noise_is_how_often_other_raters_would_say_otherwise(name: str) -> None:
    random, file = np.random.default_rng(0), f"hutto_ICWSM_2014/{SETS[name][0]}_anonDataRatings.txt"
    disagreeing = []
    for line in _study_file(_archive(), file).decode("utf-8-sig").splitlines()[::3]:
        ratings = np.array(json.loads(line.split("\t")[3]))
        panels = random.choice(ratings, (50, len(ratings))).mean(axis=1)
        disagreeing.append(np.mean([label_of(panel) != label_of(ratings.mean()) for panel in panels]))
    assert np.mean(disagreeing) == pytest.approx(LABEL_NOISE[name], abs=0.006)
