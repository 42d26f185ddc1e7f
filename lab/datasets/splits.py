"""Seeded, stratified splits that keep exact and near duplicates on one side."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from lab.datasets.examples import Dataset, Split
from lab.errors import BakeoffError
from lab.workspace import Workspace, fingerprint, read_json, write_text

if TYPE_CHECKING:
    from datasketch import MinHash

NEAR_DUPLICATE = 0.8  # Jaccard similarity of character 5-grams
PERMUTATIONS = 64  # of MinHash
TRAIN, VALIDATION = 0.70, 0.15  # the rest is test
WORTH_KEEPING = 2_000  # texts, from which on their groups take longer to find than to read
KNOWN_SKETCHES = 1 << 14  # texts whose MinHash is held in memory: some 15 MB
KNOWN_SHINGLES = 1 << 18  # whose hashes are held in memory: some 60 MB


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
    """Return a group number per text, in order of appearance; texts that are the same, or nearly, share one.

    Candidates come from MinHash with locality-sensitive hashing (Broder 1997; datasketch) over character 5-grams of
    the lower-cased text without links, mentions and punctuation; each candidate is confirmed by its exact Jaccard
    similarity. The groups of many texts are kept in the cache folder, whatever the order of the texts.
    """
    distinct = sorted(set(texts))
    group_of = dict(zip(distinct, _kept_groups(distinct), strict=True))
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(group_of[text], len(numbers)) for text in texts], dtype=np.int64)


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


def _kept_groups(texts: Sequence[str]) -> list[int]:
    """Return the group of each of many texts from the cache, where somebody has looked for them before."""
    if len(texts) < WORTH_KEEPING:
        return _find_groups(texts)
    key = fingerprint(texts, NEAR_DUPLICATE, PERMUTATIONS, version("datasketch"))
    path = Workspace.current().cache / "duplicates" / f"{key}.json"
    if path.exists():
        kept: list[int] = read_json(path)
        return kept
    groups = _find_groups(texts)
    with suppress(OSError, BakeoffError):  # a cache that cannot be written costs time and nothing else
        write_text(path, json.dumps(groups))
    return groups


def _find_groups(texts: Sequence[str]) -> list[int]:
    """Return the group of each of these texts, all different."""
    from datasketch import MinHashLSH
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first_of: dict[str, int] = {}
    pairs = [(number, first_of.setdefault(_bare(text), number)) for number, text in enumerate(texts)]
    bare = {number: own for own, number in first_of.items()}
    index = MinHashLSH(threshold=NEAR_DUPLICATE - 0.1, num_perm=PERMUTATIONS)
    for own, number in first_of.items():
        sketch = _sketch(own)
        pairs += [(number, other) for other in index.query(sketch) if _jaccard(own, bare[other]) >= NEAR_DUPLICATE]
        index.insert(number, sketch, check_duplication=False)
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(texts), len(texts)))
    return [int(group) for group in connected_components(graph, directed=False)[1]]


@lru_cache(KNOWN_SKETCHES)  # a run looks for duplicates in its data, and for leaks in what it drew of that
def _sketch(bare: str) -> "MinHash":
    sketch = _empty_sketch().copy()
    sketch.update_batch(_shingles(bare))
    return sketch


@cache
def _empty_sketch() -> "MinHash":
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, hashfunc=_hashed)


@lru_cache(KNOWN_SHINGLES)  # texts of a kind share most of their 5-grams
def _hashed(shingle: str) -> int:
    from datasketch.hashfunc import sha1_hash32

    return int(sha1_hash32(shingle.encode()))


def _bare(text: str) -> str:
    """Return the text's words, in small letters, without links, mentions and punctuation."""
    bare = re.sub(r"https?://\S+|@\w+", " ", text.lower())
    return " ".join(re.findall(r"\w+", bare)) or text


def _shingles(bare: str) -> frozenset[str]:
    return frozenset(bare[start : start + 5] for start in range(max(1, len(bare) - 4)))


def _jaccard(a: str, b: str) -> float:
    ours, theirs = _shingles(a), _shingles(b)
    return len(ours & theirs) / len(ours | theirs)


def _too_few(dataset: Dataset, label: str, distinct: int) -> BakeoffError:
    where = next(example.source for example in dataset.examples if example.label == label)
    return BakeoffError(
        "at least 3 distinct texts of each label, so that all of train, validation and test have it",
        f"{distinct} of '{label}' (first at {where})",
        "add examples of it, or remove or rename the label",
    )
