"""What learns weights from the labels: a fine-tuned BERT, and a linear probe on frozen embeddings."""

from collections.abc import Sequence
from typing import Self

from evals.approach import Fit, Prediction, best, together
from evals.suite import UpdateBy
from finetune import Classifier, Hyperparameters, train_or_reuse
from finetune.registry import Trained, classifier_folder
from lab.datasets import Dataset


class Tuned:
    """A classifier that learned from the training examples; the registry keeps it, so the same is trained once."""

    def __init__(
        self,
        name: str,
        base: str,
        hyperparameters: Hyperparameters,
        update_by: UpdateBy = "retrain",
        least_steps: int = 0,
        may_reign: bool = True,
        refit: int = 0,
    ) -> None:
        """Say what to train; with few examples it makes more passes than it is told, until `least_steps` are made.

        One that may not reign does not become the champion of a workspace that has none. With `refit` it is trained
        so many times more on the validation texts too, once they have chosen its checkpoint.
        """
        self.name, self.fitted = name, Fit()
        self._base, self._hyperparameters, self._update_by = base, hyperparameters, update_by
        self._least_steps, self._may_reign, self._refit = least_steps, may_reign, refit
        self._data: tuple[Dataset, Dataset] | None = None
        self._trained: Trained | None = None

    @property
    def identifier(self) -> str:
        """Return the id of the classifier in the registry."""
        assert self._trained is not None, "fit first"
        return self._trained.id

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Fine-tune, or take the classifier that this data and setting gave before."""
        self._data = (train, validation)
        return self._train(train, self._base)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer with the most probable label."""
        classifier = self._classifier
        probabilities = classifier.predict_proba(texts)
        rows = [dict(zip(classifier.labels, map(float, row), strict=True)) for row in probabilities]
        return [Prediction(best(scores), scores=scores) for scores in rows]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Train anew on all that holds now, or go on from the present weights with what is new alone.

        Going on cannot take in a label the weights do not know, nor unlearn one: then it trains anew as well.
        """
        assert self._data is not None, "fit first"
        train, validation = self._data
        self._data = (together(train, new, gone), validation)
        lesson = self._lesson(new)
        if self._update_by == "retrain" or lesson.labels != self._classifier.labels:
            return self._train(self._data[0], self._base)
        if not len(new):
            self.fitted = Fit(note="nothing new to train on; what was withdrawn stays in the weights")
            return self
        return self._train(lesson, str(classifier_folder(self.identifier)))

    @property
    def _classifier(self) -> Classifier:
        assert self._trained is not None, "fit first"
        return self._trained.classifier

    def _lesson(self, new: Dataset) -> Dataset:
        """Return the new examples and one old one of each label they lack: the head keeps an output for each."""
        assert self._data is not None, "fit first"
        first = {example.label: index for index, example in reversed(list(enumerate(self._data[0].examples)))}
        lacking = self._data[0].subset(first[label] for label in sorted(first.keys() - set(new.labels)))
        return together(lacking, new)

    def _train(self, train: Dataset, base: str) -> Self:
        assert self._data is not None, "fit first"
        knobs = self._hyperparameters
        epochs = max(knobs.num_train_epochs, self._least_steps * knobs.batch_size / len(train))
        knobs = knobs.model_copy(update={"num_train_epochs": epochs})
        self._trained = trained = train_or_reuse(
            train, self._data[1], knobs, base, may_reign=self._may_reign, refit=self._refit
        )
        note = f"classifier {trained.id}" + (", trained before" if trained.reused else "")
        self.fitted = Fit(trained.classifier.card["fit_seconds"], trained.reused, note)
        return self
