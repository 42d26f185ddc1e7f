"""Which passages to show: by meaning, by words or by both; reranked, varied, or none where nothing is near.

Whatever the passages are ranked by, the score of each is its cosine similarity to the query, so that one threshold
holds for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from rag.generations import document_index
from rag.index import Index
from rag.lexical import Lexical
from rag.passages import Evidence, Passage, Within
from rag.rerank import Reranker

How = Literal["dense", "bm25", "fused"]
POOL = 4  # candidates per passage wanted, where there is something to choose
LEAST_POOL = 20  # candidates, however few passages are wanted
RANK_CONSTANT = 60  # of Cormack et al.
# Cosine similarity of the best passage below which nothing relevant was found: of questions about other things nine in
# ten stay below it over the handbook, of questions about the handbook one in fifty (docs/searching.md).
RELEVANT = 0.25


@dataclass(frozen=True)
class Fusion:
    """How ranks by meaning and by words are joined.

    Attributes:
        least_share: of a query's words, weighted by how rare they are, for a passage to have a rank by words.
        weights: of a rank by meaning and of one by words.
    """

    least_share: float = 0.0
    weights: tuple[float, float] = (1.0, 1.0)


PLAIN = Fusion()  # for labelled examples, of which a text shares little but what counts
QUESTIONS = Fusion(0.2, (1.0, 1.25))  # chosen on the validation questions of the suite `retrieval`


@dataclass(frozen=True)
class Retriever:
    """Searches an index, with lexical search beside it if there is one.

    Attributes:
        index: gives the passages nearest in meaning.
        lexical: gives those that share words; None leaves the ranking to the index.
        diversity: from 0, the best passages, to 1, those least like one another.
        by_meaning: False leaves the ranking to `lexical`.
        reranker: reads query and passage together and ranks the candidates anew; None leaves them as they are.
        fusion: how both rankings are joined.
        min_score: of the passages found, the best must be as similar to the query, or none is returned.
    """

    index: Index
    lexical: Lexical | None = None
    diversity: float = 0.0
    by_meaning: bool = True
    reranker: Reranker | None = None
    min_score: float = -1.0
    fusion: Fusion = PLAIN

    @classmethod
    def over(
        cls,
        index: Index,
        how: How = "fused",
        diversity: float = 0.0,
        reranker: Reranker | None = None,
        min_score: float = -1.0,
    ) -> Self:
        """Return a retriever for questions over all that the index holds now, with the BM25 index kept on disk."""
        lexical = None if how == "dense" else Lexical.of(index)
        return cls(index, lexical, diversity, how != "bm25", reranker, min_score, QUESTIONS)

    def search(self, queries: Sequence[str], k: int, within: Within | None = None) -> list[list[Evidence]]:
        """Return for each query at most `k` passages of those that `within` admits, the best first."""
        if not queries:
            return []
        vectors = self.index.embedder.embed(queries)
        is_plain = not (self.lexical or self.diversity or self.reranker)
        found = self._candidates(queries, vectors, k if is_plain else max(POOL * k, LEAST_POOL), within)
        if self.reranker:
            found = self.reranker.rank(queries, found)
        if self.diversity:
            found = [self._varied(vector, row, k) for vector, row in zip(vectors, found, strict=True)]
        return [self._near(row[:k]) for row in found]

    def _candidates(
        self, queries: Sequence[str], vectors: NDArray[np.float32], size: int, within: Within | None
    ) -> list[list[Evidence]]:
        """Return the best passages by meaning, by words or by both, each with its cosine similarity."""
        if not self.lexical:
            return self.index.nearest(vectors, size, within)
        near = self.index.nearest(vectors, size, within) if self.by_meaning else [[] for _ in queries]
        alike = self.lexical.search(queries, size, within, self.fusion.least_share if self.by_meaning else 0.0)
        pairs = list(zip(near, alike, strict=True))
        missing = [set(map(_id, other)) - set(map(_id, own)) for own, other in pairs]
        known = self.index.vectors(set().union(*missing))
        return [
            _scored(fuse(pair, self.fusion.weights)[:size], vector, {_id(item): item.score for item in pair[0]}, known)
            for vector, pair in zip(vectors, pairs, strict=True)
        ]

    def _varied(self, query: NDArray[np.float32], candidates: list[Evidence], k: int) -> list[Evidence]:
        """Choose by maximal marginal relevance (Carbonell and Goldstein 1998), whose lambda is 1 - diversity."""
        from langchain_core.vectorstores.utils import maximal_marginal_relevance

        known = self.index.vectors(set(map(_id, candidates)))
        there = [item for item in candidates if _id(item) in known]  # one may just have left the index
        vectors = cast(list[list[float]], [known[_id(item)] for item in there])
        chosen = maximal_marginal_relevance(query, vectors, lambda_mult=1 - self.diversity, k=k)
        return [there[index] for index in chosen]

    def _near(self, found: list[Evidence]) -> list[Evidence]:
        return found if any(item.score >= self.min_score for item in found) else []


def search_documents(
    query: str,
    k: int = 4,
    how: How = "fused",
    reranker: str | None = None,
    min_score: float = -1.0,
    within: Within | None = None,
    diversity: float = 0.0,
) -> list[Evidence]:
    """Return at most `k` passages of the document index for a question, the best first; none if none is near enough.

    Args:
        query: the question, or words.
        k: how many passages.
        how: by meaning ("dense"), by words ("bm25"), or by both.
        reranker: what ranks the best candidates anew; see `rag.rerank`. None leaves them as they are.
        min_score: cosine similarity that the best passage must have; RELEVANT is a measured one.
        within: which passages may be returned.
        diversity: from 0, the best passages, to 1, those least like one another.

    Raises:
        BakeoffError: the reranker cannot be had.
    """
    reading = Reranker.load(reranker) if reranker else None
    retriever = Retriever.over(document_index(), how, diversity, reading, min_score)
    return retriever.search([query], k, within)[0]


def fuse(rankings: Sequence[Sequence[Evidence]], weights: Sequence[float] = (1.0, 1.0)) -> list[Evidence]:
    """Return all passages of the rankings by weighted reciprocal rank fusion, which is their score.

    The method is that of Cormack, Clarke and Büttcher 2009 (SIGIR), each ranking's points times its weight.
    """
    first: dict[tuple[str, str, str], Evidence] = {}
    points: dict[tuple[str, str, str], float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, item in enumerate(ranking, 1):
            key = (item.source, item.text, item.label)
            first.setdefault(key, item)
            points[key] = points.get(key, 0.0) + weight / (RANK_CONSTANT + rank)
    ranked = sorted(points, key=lambda key: -points[key])  # stable: among equals, the earlier ranking's comes first
    return [replace(first[key], score=points[key]) for key in ranked]


def _scored(
    found: Sequence[Evidence],
    query: NDArray[np.float32],
    near: dict[str, float],
    known: Mapping[str, NDArray[np.float32]],
) -> list[Evidence]:
    """Return passages with their cosine similarity for a score; one that has just left the index goes."""
    scores = {identifier: float(vector @ query) for identifier, vector in known.items()} | near
    return [replace(item, score=scores[_id(item)]) for item in found if _id(item) in scores]


def _id(item: Evidence) -> str:
    return item.id or Passage(item.text, item.source, item.span, item.label).id
