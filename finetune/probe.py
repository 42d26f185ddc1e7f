"""A linear probe: logistic regression on frozen sentence embeddings, the cheapest way to learn from labels."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lab.datasets import Dataset

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from transformers import PreTrainedModel

STRENGTHS = (0.1, 1.0, 10.0)
HEAD = "head.safetensors"


class Probe(torch.nn.Module):
    """An encoder whose token vectors are averaged to one of length 1 (Sentence-BERT, arXiv 1908.10084), and a head."""

    def __init__(self, encoder: "PreTrainedModel", labels: int) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, labels)

    @property
    def config(self) -> Any:
        """Return the encoder's configuration."""
        return self.encoder.config

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.head.weight.device

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Return the logits, shape (batch, labels)."""
        return SimpleNamespace(logits=self.head(self.embed(input_ids, attention_mask)))

    def embed(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return one unit vector per text, shape (batch, hidden size)."""
        vectors = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None].to(vectors.dtype)
        mean = (vectors * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1)

    def save_pretrained(self, folder: Path) -> None:
        """Write the encoder and the head, as safetensors."""
        from safetensors.torch import save_file

        self.encoder.save_pretrained(folder)
        save_file(self.head.state_dict(), folder / HEAD)


def fit_head(
    probe: Probe, vectors: NDArray[np.float32], train: Dataset, watched: NDArray[np.float32], validation: Dataset
) -> dict[str, Any]:
    """Fit one logistic regression (scikit-learn) per strength, keep the one that is best on validation as the head.

    Args:
        probe: gets the new head.
        vectors: embeddings of `train`, shape (len(train), hidden size).
        train: whose labels are learned; all of the labels there are.
        watched: embeddings of `validation`.
        validation: chooses the strength.

    Returns a dict like that of `train_model`; its one step is the fit.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    start = time.perf_counter()
    models = [LogisticRegression(C=c, max_iter=1000).fit(vectors, train.targets) for c in STRENGTHS]
    best = max(models, key=lambda model: model.score(watched, validation.targets))
    weight, bias = _per_label(best, train.labels)
    with torch.no_grad():
        probe.head.weight.copy_(torch.from_numpy(weight))
        probe.head.bias.copy_(torch.from_numpy(bias))
    loss = float(log_loss(train.targets, best.predict_proba(vectors), labels=train.labels))
    return {
        "steps": 1,
        "epochs": 1.0,
        "seconds": round(time.perf_counter() - start, 2),
        "train_loss": round(loss, 4),
        "curve": [],
        "best_step": 1,
        "findings": [],
        "resumed_at": 0,
        "strength": best.C,
    }


def _per_label(model: "LogisticRegression", labels: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one row of weights and a bias per label; a regression of two labels has only one row for both."""
    assert list(model.classes_) == list(labels)
    weight, bias = model.coef_, model.intercept_
    if len(labels) == 2:
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    return weight.astype(np.float32), bias.astype(np.float32)
