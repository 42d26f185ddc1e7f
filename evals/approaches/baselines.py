"""What an approach must beat: the commonest label, and the base LLM with nothing but the instruction."""

from collections.abc import Sequence
from typing import Self

from evals.approach import Fit, Prediction, best, together
from evals.approaches.labelling import Labeller, as_prediction, fill
from lab.datasets import Dataset
from lab.llm import LabelPrompt


class Majority:
    """Always answers with the commonest label of the training data."""

    name = "majority"

    def __init__(self) -> None:
        self.fitted = Fit()
        self._train: Dataset | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Count the labels."""
        self._train = train
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer with the commonest label; its share is the score."""
        assert self._train is not None, "fit first"
        shares = {label: count / len(self._train) for label, count in sorted(self._train.counts.items())}
        return [Prediction(best(shares), scores=shares) for _ in texts]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Count again."""
        assert self._train is not None, "fit first"
        self._train = together(self._train, new, gone)
        return self


class ZeroShot:
    """Asks the base LLM for the label, with the instruction and no example."""

    name = "zero_shot"

    def __init__(self, labeller: Labeller, instruction: str) -> None:
        self.fitted = Fit()
        self._label, self._instruction = labeller, instruction
        self._labels: list[str] = []
        self._validation: Dataset | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn the names of the labels, and the LLM's bias if it is to be calibrated."""
        self._labels, self._validation = train.labels, validation
        self.fitted = self._label.learn(self._prompts, self._labels, validation)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Score every label for every text."""
        return [as_prediction(scores) for scores in self._label(self._prompts(texts), self._labels)]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Learn the names of new labels; examples themselves teach it nothing."""
        assert self._validation is not None, "fit first"
        known, self._labels = self._labels, sorted({*self._labels, *new.labels})
        changed = known != self._labels
        self.fitted = self._label.learn(self._prompts, self._labels, self._validation) if changed else Fit()
        return self

    def _prompts(self, texts: Sequence[str]) -> list[LabelPrompt]:
        instruction = fill(self._instruction, self._labels)
        return [LabelPrompt(instruction, text) for text in texts]
