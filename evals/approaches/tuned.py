"""What learns weights from the labels: a fine-tuned BERT, and a linear probe on frozen embeddings."""

import time
from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from evals.approach import Fit, Prediction, best, together
from finetune import Classifier, Hyperparameters, LinearProbe, train_or_reuse
from lab.datasets import Dataset
from lab.embeddings import Embedder


class _Probabilistic(Protocol):
    labels: list[str]

    def predict_proba(self, texts: Sequence[str]) -> "NDArray[np.floating]": ...


class Finetuned:
    """A BERT fine-tuned on the training examples; the registry keeps it, so the same setting is trained once."""

    name = "finetuned"

    def __init__(self, base: str, hyperparameters: Hyperparameters) -> None:
        self.fitted = Fit()
        self._base, self._hyperparameters = base, hyperparameters
        self._data: tuple[Dataset, Dataset] | None = None
        self._classifier: Classifier | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Fine-tune, or take the classifier that this data and setting gave before."""
        self._data = (train, validation)
        trained = train_or_reuse(train, validation, self._hyperparameters, self._base)
        self._classifier = trained.classifier
        note = f"classifier {trained.id}" + (", trained before" if trained.reused else "")
        self.fitted = Fit(trained.classifier.card["fit_seconds"], trained.reused, note)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer with the most probable label."""
        assert self._classifier is not None, "fit first"
        return _predictions(self._classifier, texts)

    def update(self, new: Dataset) -> Self:
        """Train again on the old and the new examples together."""
        assert self._data is not None, "fit first"
        train, validation = self._data
        return self.fit(together(train, new), validation)


class Probe:
    """Logistic regression on frozen embeddings."""

    name = "linear_probe"

    def __init__(self) -> None:
        self.fitted = Fit()
        self._data: tuple[Dataset, Dataset] | None = None
        self._probe = LinearProbe(Embedder.load())

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Embed, then fit the regression."""
        self._data = (train, validation)
        start = time.perf_counter()
        self._probe.fit(train, validation)
        self.fitted = Fit(time.perf_counter() - start)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer with the most probable label."""
        return _predictions(self._probe, texts)

    def update(self, new: Dataset) -> Self:
        """Fit again on the old and the new examples together."""
        assert self._data is not None, "fit first"
        train, validation = self._data
        return self.fit(together(train, new), validation)


def _predictions(model: _Probabilistic, texts: Sequence[str]) -> list[Prediction]:
    rows = [dict(zip(model.labels, map(float, row), strict=True)) for row in model.predict_proba(texts)]
    return [Prediction(best(scores), scores=scores) for scores in rows]
