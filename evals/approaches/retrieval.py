"""Retrieval: the nearest labelled examples vote (knn), or show the base LLM how it is done (rag)."""

from collections.abc import Sequence
from typing import Self

from evals.approach import Fit, Prediction, best
from evals.approaches.baselines import as_prediction, fill
from lab.console import progress
from lab.datasets import Dataset
from lab.llm import BaseLLM, LabelPrompt
from rag import Evidence, Index, example_index
from rag.documents import Passage, example_passages


class _OverExamples:
    """What both share: an index of the training examples, filled once for every approach and every base LLM."""

    def __init__(self, k: int) -> None:
        self.fitted = Fit()
        self._k = k
        self._index: Index | None = None
        self._labels: list[str] = []

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Bring the index in line with `train`; where it is already, nothing is embedded again."""
        self._index = example_index(train.fingerprint)
        self._labels = train.labels
        with progress(f"index of {len(train)} examples", total=len(train)) as bar:
            done = self._index.sync(_passages(train), advance=bar.advance)
        note = "" if done.added else f"nothing was re-indexed: the index already held its {len(train)} examples"
        self.fitted = Fit(self._index.built_seconds, reused=not done.added, note=note)
        return self

    def update(self, new: Dataset) -> Self:
        """Add the new examples to the index; the old ones stay as they are."""
        assert self._index is not None, "fit first"
        self._index.sync(_passages(new), sources={example.source for example in new.examples})
        self._labels = sorted({*self._labels, *new.labels})
        return self

    def _neighbours(self, texts: Sequence[str]) -> list[list[Evidence]]:
        assert self._index is not None, "fit first"
        return self._index.search(texts, self._k)


class Knn(_OverExamples):
    """The k nearest labelled examples vote, each weighted by its cosine similarity."""

    name = "knn"

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Let the neighbours of each text vote."""
        return [self._vote(evidence) for evidence in self._neighbours(texts)]

    def _vote(self, evidence: list[Evidence]) -> Prediction:
        votes = dict.fromkeys(self._labels, 1e-9)
        for item in evidence:
            votes[item.label] += max(0.0, item.score)
        total = sum(votes.values())
        scores = {label: vote / total for label, vote in votes.items()}
        return Prediction(best(scores), scores=scores, evidence=[item.source for item in evidence])


class Rag(_OverExamples):
    """The base LLM labels a text after it has read the k nearest labelled examples, the nearest last."""

    name = "rag"

    def __init__(self, llm: BaseLLM, instruction: str, k: int) -> None:
        super().__init__(k)
        self._llm, self._instruction = llm, instruction

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Retrieve, then let the LLM score every label."""
        neighbours = self._neighbours(texts)
        instruction = fill(self._instruction, self._labels)
        prompts = [
            LabelPrompt(instruction, text, tuple((item.text, item.label) for item in reversed(evidence)))
            for text, evidence in zip(texts, neighbours, strict=True)
        ]
        scored = self._llm.score_labels(prompts, self._labels)
        return [
            as_prediction(scores, [item.source for item in evidence])
            for scores, evidence in zip(scored, neighbours, strict=True)
        ]


def _passages(data: Dataset) -> list[Passage]:
    return list(example_passages((example.text, example.label, example.source) for example in data.examples))
