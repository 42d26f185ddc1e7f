"""Splits: seeded, stratified, and without near-duplicates on two sides."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lab.datasets import Dataset, Example, parse_limit, split_dataset
from lab.datasets.splits import WORTH_KEEPING, duplicate_groups
from lab.errors import BakeoffError


def _dataset(rows: list[tuple[str, str]]) -> Dataset:
    return Dataset("rows", tuple(Example(str(i), t, y, f"rows:{i}") for i, (t, y) in enumerate(rows)))


def test_the_same_seed_gives_the_same_split_and_another_another(tweets: Dataset) -> None:
    assert split_dataset(tweets, 1).fingerprint == split_dataset(tweets, 1).fingerprint
    assert split_dataset(tweets, 1).fingerprint != split_dataset(tweets, 2).fingerprint


def test_a_split_is_whole_disjoint_and_stratified(tweets: Dataset) -> None:
    split = split_dataset(tweets)
    parts = (split.train, split.validation, split.test)
    ids = [example.id for part in parts for example in part.examples]
    assert len(ids) == len(set(ids)) == len(tweets)
    assert [round(len(part) / len(tweets), 2) for part in parts] == [0.70, 0.15, 0.15]
    for part in parts:
        for label in tweets.labels:
            assert abs(part.counts[label] / len(part) - tweets.counts[label] / len(tweets)) < 0.01


def test_near_duplicates_stay_on_one_side(tweets: Dataset) -> None:
    split = split_dataset(tweets)
    groups = duplicate_groups(tweets.texts)
    group_of = {example.id: group for example, group in zip(tweets.examples, groups, strict=True)}
    sides = [{group_of[e.id] for e in part.examples} for part in (split.train, split.validation, split.test)]
    assert len(set(groups)) < len(tweets), "the tweets do have near-duplicates"
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_what_counts_as_a_duplicate() -> None:
    texts = [
        "I really love this wonderful new phone!",
        "i really LOVE this wonderful new phone",
        "@friend I really love this wonderful new phones http://link.example",
        "I really hate waiting for the bus in the rain.",
    ]
    first, same, near, other = duplicate_groups(texts)
    assert first == same == near != other


def test_groups_are_kept_for_the_next_time_whatever_the_order(
    tweets: Dataset, tmp_path: Path, setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_CACHE", str(tmp_path))
    texts = [*tweets.texts[:WORTH_KEEPING], *tweets.texts[:5]]
    found = duplicate_groups(texts)
    kept = next(tmp_path.glob("duplicates/*.json"))
    back = duplicate_groups(texts[::-1])[::-1]
    assert _partition(found) == _partition(back)
    kept.write_text(json.dumps([0] * len(set(texts))))
    assert set(duplicate_groups(texts)) == {0}, "what was kept is read"
    assert len(set(duplicate_groups([*texts, "quite another text"]))) > 1000, "other texts have groups of their own"


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tweets: Dataset, tmp_path: Path, setting: Callable[[str, str], None]
) -> None:
    (tmp_path / "file").write_text("no folder")
    setting("BAKEOFF_CACHE", str(tmp_path / "file"))
    assert len(duplicate_groups(tweets.texts[:WORTH_KEEPING])) == WORTH_KEEPING


def _partition(groups: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(np.flatnonzero(groups == group)) for group in set(groups.tolist())}


def test_a_label_with_too_few_texts_says_where(tweets: Dataset) -> None:
    rows = [(f"text number {n} about {word}", "common") for n, word in enumerate(["tea", "coffee", "milk", "water"])]
    with pytest.raises(BakeoffError, match=r"got 2 of 'rare' \(first at rows:4\)"):
        split_dataset(_dataset([*rows, ("a rare bird", "rare"), ("quite another thing", "rare")]))


@pytest.mark.parametrize(("limit", "expected"), [(None, 200), ("60", 60), ("0.1", 20), ("1.0", 200), ("999", 200)])
def test_limits(limit: str | None, expected: int) -> None:
    assert parse_limit(limit, 200) == expected


@pytest.mark.parametrize("limit", ["0", "-3", "1.5", "many", "nan", "inf"])
def test_bad_limits(limit: str) -> None:
    with pytest.raises(BakeoffError, match="--limit"):
        parse_limit(limit, 200)
