"""Which passages to show: the nearest, those that embeddings and words agree on, or a varied choice of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rag.index import Index
from rag.lexical import Lexical
from rag.passages import Evidence, Passage

POOL = 4  # candidates per passage wanted, where there is something to choose
RANK_CONSTANT = 60  # of Cormack et al.


@dataclass(frozen=True)
class Retriever:
    """Searches an index, with lexical search beside it if there is one.

    Attributes:
        index: gives the passages nearest in meaning.
        lexical: gives those that share words; None leaves the ranking to the index.
        diversity: from 0, the best passages, to 1, those least like one another.
    """

    index: Index
    lexical: Lexical | None = None
    diversity: float = 0.0

    def search(self, queries: Sequence[str], k: int) -> list[list[Evidence]]:
        """Return for each query `k` passages, the best first."""
        if not queries or not (self.lexical or self.diversity):
            return self.index.search(queries, k)
        vectors = self.index.embedder.embed(queries)
        found = self.index.nearest(vectors, POOL * k)
        if self.lexical:
            found = [fuse(pair) for pair in zip(found, self.lexical.search(queries, POOL * k), strict=True)]
        if self.diversity:
            found = [self._varied(vector, row[: POOL * k], k) for vector, row in zip(vectors, found, strict=True)]
        return [row[:k] for row in found]

    def _varied(self, query: NDArray[np.float32], candidates: list[Evidence], k: int) -> list[Evidence]:
        """Choose by maximal marginal relevance (Carbonell and Goldstein 1998), whose lambda is 1 - diversity."""
        from langchain_core.vectorstores.utils import maximal_marginal_relevance

        ids = [Passage(item.text, item.source, item.span, item.label).id for item in candidates]
        known = self.index.vectors(set(ids))
        vectors = cast(list[list[float]], [known[identifier] for identifier in ids])
        chosen = maximal_marginal_relevance(query, vectors, lambda_mult=1 - self.diversity, k=k)
        return [candidates[index] for index in chosen]


def fuse(rankings: Sequence[Sequence[Evidence]]) -> list[Evidence]:
    """Return all passages of the rankings by reciprocal rank fusion (Cormack et al. 2009), which is their score."""
    first: dict[tuple[str, str, str], Evidence] = {}
    points: dict[tuple[str, str, str], float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            key = (item.source, item.text, item.label)
            first.setdefault(key, item)
            points[key] = points.get(key, 0.0) + 1 / (RANK_CONSTANT + rank)
    ranked = sorted(points, key=lambda key: -points[key])  # stable: among equals, the earlier ranking's comes first
    return [replace(first[key], score=points[key]) for key in ranked]
