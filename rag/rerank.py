"""Reranking: a model reads query and passage together, or token by token, and ranks the best candidates anew.

One string names it: "embedded:minilm", which needs no download, or any cross-encoder that sentence-transformers loads,
by its id on the Hugging Face hub or its folder.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache

import numpy as np

from lab.devices import choose_device
from lab.embeddings import model_folder
from lab.errors import BakeoffError
from lab.redact import reason
from rag.passages import Evidence

EMBEDDED = "embedded:minilm"
RERANKED = 20  # candidates: 10 and 30 did no better on validation


class Reranker(ABC):
    """Ranks the first RERANKED candidates of each query anew; those behind them keep their places."""

    @classmethod
    @cache
    def load(cls, name: str) -> "Reranker":
        """Return the reranker called `name`, loaded once per process.

        Raises:
            BakeoffError: there is no such cross-encoder here or on the hub, or its weights are no safetensors.
        """
        return LateInteraction() if name == EMBEDDED else CrossEncoding(name)

    def rank(self, queries: Sequence[str], found: Sequence[Sequence[Evidence]]) -> list[list[Evidence]]:
        """Return the candidates of each query, the best first; their scores stay what they are."""
        return [self._ranked(query, list(candidates)) for query, candidates in zip(queries, found, strict=True)]

    def _ranked(self, query: str, candidates: list[Evidence]) -> list[Evidence]:
        head, rest = candidates[:RERANKED], candidates[RERANKED:]
        if len(head) < 2:
            return candidates
        points = self.points(query, [item.text for item in head])
        return [head[place] for place in np.argsort(-np.asarray(points), kind="stable")] + rest

    @abstractmethod
    def points(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return how well each text answers the query, on a scale of the reranker's own."""


class LateInteraction(Reranker):
    """Compares token by token: ColBERT's MaxSim (Khattab and Zaharia 2020, arXiv 2004.12832) without its training.

    Each token of the query counts by its cosine similarity to the token of the passage that is most like it in context,
    as the embedded MiniLM's last layer has them.
    """

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(model_folder(EMBEDDED), device=choose_device())

    def points(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the mean over the query's tokens of the greatest similarity, in [-1, 1]."""
        from torch.nn.functional import normalize

        tokens = self._model.encode([query, *texts], output_value="token_embeddings", show_progress_bar=False)
        asked, *told = [normalize(own[1:-1].float(), dim=-1) for own in tokens]  # without the marks of begin and end
        return [float((asked @ own.T).max(dim=1).values.mean()) if len(own) else -1.0 for own in told]


class CrossEncoding(Reranker):
    """Reads query and passage as one text (Nogueira and Cho 2019, arXiv 1901.04085), by sentence-transformers."""

    def __init__(self, name: str) -> None:
        """Load the cross-encoder, an id or a folder."""
        from sentence_transformers import CrossEncoder

        fix = f"name a cross-encoder's id or folder, or {EMBEDDED}"
        try:
            self._model = CrossEncoder(name, device=choose_device(), model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            raise BakeoffError(f"a cross-encoder '{name}' in safetensors", reason(error), fix) from error
        if self._model.num_labels != 1:
            raise BakeoffError(f"one score per pair from '{name}'", f"{self._model.num_labels} labels", fix)

    def points(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the cross-encoder's score of each pair."""
        scores = self._model.predict([(query, text) for text in texts], show_progress_bar=False)
        return [float(score) for score in scores]
