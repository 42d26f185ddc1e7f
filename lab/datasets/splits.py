"""Seeded, stratified splits that keep exact and near duplicates on one side."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lab.datasets.examples import Dataset, Split
from lab.errors import BakeoffError

NEAR_DUPLICATE = 0.8  # Jaccard similarity of character 5-grams
TRAIN, VALIDATION = 0.70, 0.15  # the rest is test


def split_dataset(dataset: Dataset, seed: int = 0) -> Split:
    """Split 70 / 15 / 15 by label; the same dataset and seed give the same split.

    Raises:
        BakeoffError: a label has too few distinct texts to stand in all three parts.
    """
    groups = duplicate_groups(dataset.texts)
    first_of_group = {int(group): index for index, group in reversed(list(enumerate(groups)))}
    label_of_group = {group: dataset.targets[index] for group, index in first_of_group.items()}
    random = np.random.default_rng(seed)
    part_of_group: dict[int, int] = {}
    for label in dataset.labels:
        own = [group for group, owner in label_of_group.items() if owner == label]
        if len(own) < 3:
            raise _too_few(dataset, label, len(own))
        part_of_group |= _assign([own[i] for i in random.permutation(len(own))], np.bincount(groups))
    parts: tuple[list[int], ...] = ([], [], [])
    for index in random.permutation(len(dataset)):
        parts[part_of_group[int(groups[index])]].append(int(index))
    origin = dataset.origin and replace(dataset.origin, seed=seed)
    train, validation, test = (replace(dataset.subset(part), origin=origin) for part in parts)
    return Split(train, validation, test)


def duplicate_groups(texts: Sequence[str]) -> np.ndarray:
    """Return a group number per text; texts that are the same, or nearly, share one.

    Candidates come from MinHash with locality-sensitive hashing (Broder 1997; datasketch) over character 5-grams of
    the lower-cased text without links, mentions and punctuation; each candidate is confirmed by its exact Jaccard
    similarity.
    """
    from datasketch import MinHash, MinHashLSH

    shingles = [_shingles(text) for text in texts]
    index = MinHashLSH(threshold=NEAR_DUPLICATE - 0.1, num_perm=64)
    pairs: list[tuple[int, int]] = []
    seen: dict[frozenset[str], int] = {}
    for number, own in enumerate(shingles):
        if own in seen:
            pairs.append((number, seen[own]))
            continue
        seen[own] = number
        sketch = MinHash(num_perm=64)
        sketch.update_batch([shingle.encode() for shingle in own])
        pairs += [(number, other) for other in index.query(sketch) if _jaccard(own, shingles[other]) >= NEAR_DUPLICATE]
        index.insert(number, sketch, check_duplication=False)
    rows, columns = np.array(pairs or [(0, 0)]).T
    size = len(texts)
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1])


def parse_limit(limit: str | None, size: int) -> int:
    """Return how many of `size` a --limit means: a whole number is a count, a decimal up to 1 a fraction.

    Raises:
        BakeoffError: it is neither.
    """
    if limit is None:
        return size
    try:
        number = float(limit)
    except ValueError:
        number = 0
    if not 0 < number < float("inf") or ("." in limit and number > 1):
        raise BakeoffError("--limit as a count (60) or a fraction (0.1)", f"'{limit}'", "give one of these")
    return min(size, max(1, round(number * size) if "." in limit else int(number)))


def _assign(groups: Sequence[int], sizes: np.ndarray) -> dict[int, int]:
    """Deal one label's groups out: 0 train, 1 validation, 2 test; the first three make sure that none is empty."""
    total = sum(int(sizes[group]) for group in groups)
    parts = {group: part for part, group in enumerate(groups[:3])}
    filled = [int(sizes[group]) for group in groups[:3]]
    goals = (TRAIN * total, VALIDATION * total, (1 - TRAIN - VALIDATION) * total)
    for group in groups[3:]:
        part = max(range(3), key=lambda p: (goals[p] - filled[p]) / goals[p])
        parts[group] = part
        filled[part] += int(sizes[group])
    return parts


def _shingles(text: str) -> frozenset[str]:
    bare = re.sub(r"https?://\S+|@\w+", " ", text.lower())
    bare = " ".join(re.findall(r"\w+", bare)) or text
    return frozenset(bare[start : start + 5] for start in range(max(1, len(bare) - 4)))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b)


def _too_few(dataset: Dataset, label: str, distinct: int) -> BakeoffError:
    where = next(example.source for example in dataset.examples if example.label == label)
    return BakeoffError(
        "at least 3 distinct texts of each label, so that all of train, validation and test have it",
        f"{distinct} of '{label}' (first at {where})",
        "add examples of it, or remove or rename the label",
    )
