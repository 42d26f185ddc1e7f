"""Retrieval: the nearest labelled examples vote (knn), or show the base LLM how it is done (rag)."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from evals.approach import Fit, Prediction, best, together
from evals.approaches.labelling import Labeller, as_prediction, fill
from evals.suite import Order, Retrieval
from lab.console import progress
from lab.datasets import Dataset
from lab.llm import LabelPrompt
from lab.workspace import fingerprint
from rag import Evidence, Index, example_index
from rag.index import Sync
from rag.lexical import Lexical
from rag.passages import Passage, example_passages
from rag.retrieve import Retriever


@dataclass(frozen=True)
class Shots:
    """Which labelled examples the base LLM is shown, and in which order; `seed` is that of a random order."""

    k: int = 8
    order: Order = "nearest_last"
    diversity: float = 0.0
    retrieval: Retrieval = "dense"
    seed: int = 0

    def arrange(self, text: str, evidence: Sequence[Evidence]) -> tuple[tuple[str, str], ...]:
        """Return the examples (text, label) in the order of the prompt, which depends on `text` and nothing else."""
        shots = [(item.text, item.label) for item in evidence]
        if self.order == "nearest_last":
            shots.reverse()
        elif self.order == "random":
            random = np.random.default_rng(int(fingerprint(self.seed, text), 16))
            shots = [shots[index] for index in random.permutation(len(shots))]
        return tuple(shots)


class IndexedExamples:
    """An index of the training examples, filled once for every approach and every base LLM."""

    def __init__(self, k: int, counted: bool = True) -> None:
        self.fitted = Fit()
        self._k, self._counted = k, counted
        self._index: Index | None = None
        self._train: Dataset | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Bring the index in line with `train`; where it is already, nothing is embedded again."""
        self._index = example_index(train.fingerprint)
        self._train = train
        done = self._sync(self._index, f"index of {len(train)} examples")
        note = "" if done.added else f"nothing was re-indexed: the index already held its {len(train)} examples"
        return self._took(not done.added, note)

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Add what is new to the index, replace what has changed, remove what is gone; the rest stays as it is.

        This happens in a copy, as other approaches use the index; the seconds are those of the change alone.
        """
        assert self._index is not None and self._train is not None, "fit first"
        before, self._train = self._train.fingerprint, together(self._train, new, gone)
        self._index = self._index.copy(f"examples-{self._train.fingerprint}-after-{before}")
        done = self._sync(self._index, f"update of the index to {len(self._train)} examples")
        note = f"index: {done.added} examples added, {done.removed} removed, {done.unchanged} unchanged"
        return self._took(not done.added and not done.removed, note)

    def _took(self, reused: bool, note: str) -> Self:
        assert self._index is not None
        self.fitted = Fit(self._index.built_seconds, reused, note) if self._counted else Fit(reused=True)
        return self

    def _sync(self, index: Index, title: str) -> Sync:
        with progress(title, total=len(self._known)) as bar:
            return index.sync(_passages(self._known), advance=bar.advance)

    @property
    def _known(self) -> Dataset:
        assert self._train is not None, "fit first"
        return self._train

    def _neighbours(self, texts: Sequence[str]) -> list[list[Evidence]]:
        assert self._index is not None, "fit first"
        return self._index.search(texts, self._k)


class Knn(IndexedExamples):
    """The k nearest labelled examples vote, each weighted by its cosine similarity.

    As a part of another approach whose index it shares it is not `counted`: the index' seconds are told only once.
    """

    name = "knn"

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Let the neighbours of each text vote."""
        return [self._vote(evidence) for evidence in self._neighbours(texts)]

    def _vote(self, evidence: list[Evidence]) -> Prediction:
        votes = dict.fromkeys(self._known.labels, 1e-9)
        for item in evidence:
            votes[item.label] += max(0.0, item.score)
        total = sum(votes.values())
        scores = {label: vote / total for label, vote in votes.items()}
        return Prediction(best(scores), scores=scores, evidence=[item.source for item in evidence])


class Retrieving(IndexedExamples, ABC):
    """What all that retrieve and then read share: a retriever over the index, and something learned on validation."""

    def __init__(self, k: int, retrieval: Retrieval, diversity: float) -> None:
        super().__init__(k)
        self._retrieval, self._diversity = retrieval, diversity
        self._validation: Dataset | None = None
        self._retriever: Retriever | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Bring the index in line with `train`, and learn from validation what has to be known before it is read."""
        self._validation = validation
        super().fit(train, validation)
        return self._prepare()

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Change the index, and learn anew: what is retrieved has changed."""
        super().update(new, gone)
        return self._prepare()

    def _prepare(self) -> Self:
        assert self._index is not None and self._validation is not None
        start = time.perf_counter()
        lexical = Lexical(_passages(self._known)) if self._retrieval == "fused" else None
        self._retriever = Retriever(self._index, lexical, self._diversity)
        spent = time.perf_counter() - start if lexical else 0.0
        learned = self._learn(self._validation)
        self.fitted = replace(
            self.fitted,
            seconds=self.fitted.seconds + spent + learned.seconds,
            note="; ".join(filter(None, [self.fitted.note, learned.note])),
            tokens=learned.tokens,
            output_tokens=learned.output_tokens,
        )
        return self

    @abstractmethod
    def _learn(self, validation: Dataset) -> Fit:
        """Learn from validation texts, and return what that took."""

    def _neighbours(self, texts: Sequence[str]) -> list[list[Evidence]]:
        assert self._retriever is not None, "fit first"
        return self._retriever.search(texts, self._k)


class Rag(Retrieving):
    """The base LLM labels a text after it has read k labelled examples found for it, the nearest last by default."""

    name = "rag"

    def __init__(self, labeller: Labeller, instruction: str, shots: Shots) -> None:
        super().__init__(shots.k, shots.retrieval, shots.diversity)
        self._label, self._instruction, self._shots = labeller, instruction, shots

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Retrieve, then let the LLM score every label."""
        neighbours = self._neighbours(texts)
        scored = self._label(self._prompts(texts, neighbours), self._known.labels)
        return [
            as_prediction(scores, [item.source for item in evidence])
            for scores, evidence in zip(scored, neighbours, strict=True)
        ]

    def _learn(self, validation: Dataset) -> Fit:
        """Learn the LLM's bias towards labels, if it is to be calibrated."""
        return self._label.learn(
            lambda texts: self._prompts(texts, self._neighbours(texts)), self._known.labels, validation
        )

    def _prompts(self, texts: Sequence[str], neighbours: Sequence[Sequence[Evidence]]) -> list[LabelPrompt]:
        instruction = fill(self._instruction, self._known.labels)
        return [
            LabelPrompt(instruction, text, self._shots.arrange(text, evidence))
            for text, evidence in zip(texts, neighbours, strict=True)
        ]


def _passages(data: Dataset) -> list[Passage]:
    return list(example_passages((example.text, example.label, example.source) for example in data.examples))
