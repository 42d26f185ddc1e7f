"""What an approach must beat: the commonest label, and the base LLM with nothing but the instruction."""

from collections.abc import Sequence
from typing import Self

from evals.approach import Fit, Prediction, best, together
from lab.datasets import Dataset
from lab.llm import BaseLLM, LabelPrompt, LabelScores


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

    def update(self, new: Dataset) -> Self:
        """Count the new labels too."""
        assert self._train is not None, "fit first"
        self._train = together(self._train, new)
        return self


class ZeroShot:
    """Asks the base LLM for the label, with the instruction and no example."""

    name = "zero_shot"

    def __init__(self, llm: BaseLLM, instruction: str) -> None:
        self.fitted = Fit()
        self._llm, self._instruction = llm, instruction
        self._labels: list[str] = []

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn the names of the labels, nothing else."""
        self._labels = train.labels
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Score every label for every text."""
        instruction = fill(self._instruction, self._labels)
        prompts = [LabelPrompt(instruction, text) for text in texts]
        return [as_prediction(scores) for scores in self._llm.score_labels(prompts, self._labels)]

    def update(self, new: Dataset) -> Self:
        """Learn the names of new labels."""
        self._labels = sorted({*self._labels, *new.labels})
        return self


def fill(instruction: str, labels: Sequence[str]) -> str:
    """Return the instruction with its {labels} spelled out: "negative, neutral or positive"."""
    return instruction.replace("{labels}", " or ".join(filter(None, [", ".join(labels[:-1]), labels[-1]])))


def as_prediction(scores: LabelScores, evidence: Sequence[str] = ()) -> Prediction:
    """Return an LLM's label scores as a prediction; a failure stays one."""
    if scores.failure is not None:
        return Prediction(None, scores.failure, evidence=evidence, tokens=scores.tokens)
    return Prediction(best(scores.scores), scores=scores.scores, evidence=evidence, tokens=scores.tokens)
