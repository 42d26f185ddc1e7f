"""The nearest passages in one order, whoever wrote the index: of those that are equally near, the first ids."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from rag.passages import Evidence
from rag.rows import evidence_of

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection as ChromaCollection

MOST = 256  # passages to look among for the first of equals


def ranked(
    collection: "ChromaCollection", vectors: NDArray[np.float32], k: int, where: Mapping[str, Any] | None
) -> list[list[Evidence]]:
    """Return for each vector its `k` nearest passages, nearest first.

    Which of two equals Chroma returns depends on whether the process that asks is the one that wrote them. So one more
    is asked for, and where that is as near as the last, twice as many.
    """
    found = collection.query(query_embeddings=cast(Any, vectors), n_results=k + 1, where=cast(Any, where))
    each = zip(*(found[part] or [] for part in ("ids", "documents", "metadatas", "distances")), strict=True)
    rows = [sorted((evidence_of(*one) for one in zip(*row, strict=True)), key=_place) for row in each]
    tied = [number for number, row in enumerate(rows) if _is_tied(row, k)] if k < MOST else []
    if tied:
        for number, wider in zip(tied, ranked(collection, vectors[tied], 2 * k, where), strict=True):
            rows[number] = wider
    return [row[:k] for row in rows]


def _is_tied(row: Sequence[Evidence], k: int) -> bool:
    return len(row) > k and _nearness(row[k - 1]) == _nearness(row[k])


def _place(evidence: Evidence) -> tuple[float, str]:
    return -_nearness(evidence), evidence.id


def _nearness(evidence: Evidence) -> float:
    return round(evidence.score, 6)  # what differs by less is rounding in the search
