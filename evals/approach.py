"""The one contract: fine-tuning, retrieval and everything beside them answer the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from lab.datasets import Dataset


@dataclass(frozen=True)
class Prediction:
    """A label, or the reason why there is none: never a wrong label in disguise.

    Attributes:
        label: the answer; None when the approach failed.
        failure: why it failed; None when it did not.
        scores: a probability per label, where the approach has them.
        evidence: sources of what it retrieved.
        tokens: read and written by a base LLM.
    """

    label: str | None
    failure: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    evidence: Sequence[str] = ()
    tokens: int = 0


@dataclass(frozen=True)
class Fit:
    """What it took to get ready: seconds when it was really done, and whether this run could reuse that."""

    seconds: float = 0.0
    reused: bool = False
    note: str = ""


class Approach(Protocol):
    """One way to answer, with scikit-learn's manners; a base LLM comes from outside."""

    name: str
    fitted: Fit

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train the model, or fill the index; choices are made on `validation`."""
        ...

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer for each text, in order."""
        ...

    def update(self, new: Dataset) -> Self:
        """Take in new labelled data, the way it would be done with this approach."""
        ...


def best(scores: Mapping[str, float]) -> str:
    """Return the label with the highest score."""
    return max(scores, key=lambda label: scores[label])


def together(first: Dataset, second: Dataset) -> Dataset:
    """Return both datasets' examples as one."""
    return Dataset(first.name, first.examples + second.examples, first.left_out + second.left_out)
