"""Labelled texts as rows of tokens, and the order in which training sees them."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import Sampler

from finetune.encoders import fitting_length
from finetune.hyperparameters import Hyperparameters
from lab.datasets import Dataset

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Row = dict[str, Any]
POOL = 50  # batches that are sorted by length together: enough to save padding, few enough to stay random


def encode(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", knobs: Hyperparameters, data: Dataset
) -> list[Row]:
    """Return one row per example: input_ids and attention_mask (lists of one length) and labels (its number)."""
    encoded = tokenizer(data.texts, truncation=True, max_length=fitting_length(model, tokenizer, knobs.max_length))
    numbers = {str(label): int(number) for label, number in (model.config.label2id or {}).items()}
    return [
        {"input_ids": ids, "attention_mask": mask, "labels": numbers[label]}
        for ids, mask, label in zip(encoded["input_ids"], encoded["attention_mask"], data.targets, strict=True)
    ]


def by_length(rows: Sequence[Row]) -> list[Row]:
    """Return the rows from the shortest to the longest."""
    return sorted(rows, key=lambda row: len(row["input_ids"]))


def even_sample(rows: Sequence[Row], size: int) -> list[Row]:
    """Return `size` rows evenly spaced by length, so that what they cost is what all rows cost."""
    ordered = by_length(rows)
    return [ordered[number * len(ordered) // size] for number in range(size)]


class LengthGrouped(Sampler[int]):
    """Indices in an order that puts like lengths into one batch, shuffled anew each epoch.

    After Hugging Face's LengthGroupedSampler, with two differences: the order depends on the seed and the epoch
    alone, so that a resumed run sees the batches it would have seen; and the batches of a pool are shuffled, so that
    no pool runs from long to short.
    """

    def __init__(self, rows: Sequence[Row], batch_size: int, seed: int, epoch: Callable[[], int]) -> None:
        self._lengths = np.array([len(row["input_ids"]) for row in rows])
        self._batch_size, self._seed, self._epoch = batch_size, seed, epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self._seed, self._epoch()))
        order = random.permutation(len(self._lengths))
        pools = np.split(order, range(POOL * self._batch_size, len(order), POOL * self._batch_size))
        ordered = np.concatenate([pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools])
        batches = np.split(ordered, range(self._batch_size, len(ordered), self._batch_size))
        for number in random.permutation(len(batches) - 1):
            yield from map(int, batches[number])
        yield from map(int, batches[-1])  # the one that may be short
