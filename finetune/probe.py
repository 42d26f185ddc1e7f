"""A linear probe: logistic regression on frozen sentence embeddings, the cheapest way to learn from labels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab.datasets import Dataset
from lab.embeddings import Embedder

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

STRENGTHS = (0.1, 1.0, 10.0)


class LinearProbe:
    """Logistic regression (scikit-learn) over the embedder's vectors; its strength is chosen on validation."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._model: LogisticRegression | None = None
        self.labels: list[str] = []

    def fit(self, train: Dataset, validation: Dataset) -> "LinearProbe":
        """Fit one regression per strength and keep the one that is best on validation."""
        from sklearn.linear_model import LogisticRegression

        vectors, watched = self._embedder.embed(train.texts), self._embedder.embed(validation.texts)
        models = [LogisticRegression(C=c, max_iter=1000).fit(vectors, train.targets) for c in STRENGTHS]
        self._model = max(models, key=lambda model: model.score(watched, validation.targets))
        self.labels = [str(label) for label in self._model.classes_]
        return self

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each label for each text, shape (len(texts), len(labels))."""
        assert self._model is not None, "fit first"
        return np.asarray(self._model.predict_proba(self._embedder.embed(texts)))
