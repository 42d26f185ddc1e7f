"""What learns weights from the labels: a fine-tuned BERT, and a linear probe on frozen embeddings."""

from collections.abc import Sequence
from typing import Self

from evals.approach import Fit, Prediction, best, together
from finetune import Classifier, Hyperparameters, train_or_reuse
from lab.datasets import Dataset


class Tuned:
    """A classifier that learned from the training examples; the registry keeps it, so the same is trained once."""

    def __init__(self, name: str, base: str, hyperparameters: Hyperparameters) -> None:
        self.name, self.fitted = name, Fit()
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
        probabilities = self._classifier.predict_proba(texts)
        rows = [dict(zip(self._classifier.labels, map(float, row), strict=True)) for row in probabilities]
        return [Prediction(best(scores), scores=scores) for scores in rows]

    def update(self, new: Dataset) -> Self:
        """Train again on the old and the new examples together."""
        assert self._data is not None, "fit first"
        train, validation = self._data
        return self.fit(together(train, new), validation)
