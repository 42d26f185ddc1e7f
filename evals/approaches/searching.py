"""Search for passages: by meaning, by words, by both, or by both and reranked; silent where nothing is near."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from evals.approach import Fit, Prediction, together
from evals.approaches.answering import best_threshold
from lab.console import progress
from lab.datasets import Dataset
from lab.embeddings import Embedder
from lab.workspace import fingerprint
from rag import Evidence, Index, example_passages
from rag.rerank import Reranker
from rag.retrieve import How, Retriever

DEPTH = 10  # passages for each question


class Search:
    """Finds passages; its label is the best one's source, "" where the best is not near enough to the question.

    Each arm is silent by the same rule: below a cosine similarity that is chosen on validation questions. What it found
    stands in the evidence all the same, the best first.
    """

    def __init__(self, name: str, reranker: str | None = None) -> None:
        """Prepare to search as `name` says: "dense", "bm25", "fused" or "reranked"."""
        self.name, self.fitted = name, Fit()
        self._reranker = reranker
        self._known = self._validation = Dataset("none", ())
        self._retriever: Retriever | None = None
        self._threshold = -1.0

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Bring the index in line with the passages `train`, and choose on validation when to be silent.

        Arms and runs over the same documents, `train`'s name, share the index: what stays the same is embedded once.
        """
        self._known, self._validation = train, validation
        index = Index(f"sought-{fingerprint(train.name)}", Embedder.load())
        rows = ((example.text, "", example.source) for example in train.examples)
        with progress(f"index of {len(train)} passages", total=len(train)) as bar:
            done = index.sync(example_passages(rows), advance=bar.advance)
        start = time.perf_counter()
        reranker = Reranker.load(self._reranker) if self._reranker else None
        how: How = "dense" if self.name == "dense" else "bm25" if self.name == "bm25" else "fused"
        self._retriever = Retriever.over(index, how, reranker=reranker)
        found = replace(self._retriever, reranker=None).search(validation.texts, DEPTH)  # the order decides nothing
        sure = list(map(_sureness, found))
        self._threshold = best_threshold(sure, [bool(target) for target in validation.targets])
        note = f"silent where no passage has a cosine similarity of {self._threshold:.3f}"
        self.fitted = Fit(index.built_seconds + time.perf_counter() - start, not done.added, note)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Search for each question."""
        assert self._retriever is not None, "fit first"
        found = self._retriever.search(texts, DEPTH)
        return [
            Prediction(
                row[0].source if row and _sureness(row) >= self._threshold else "",
                evidence=[item.source for item in row],
            )
            for row in found
        ]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Change the index, and choose anew when to be silent."""
        known = together(self._known, new, gone)
        return self.fit(replace(known, name=self._known.name), self._validation)


def _sureness(found: Sequence[Evidence]) -> float:
    """Return the cosine similarity of the nearest of the passages found."""
    return max((item.score for item in found), default=-1.0)
