"""The one contract: fine-tuning, retrieval and everything beside them answer the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from lab.datasets import Dataset, Example
from lab.llm import FailureKind


@dataclass(frozen=True)
class Prediction:
    """A label, or the reason why there is none: never a wrong label in disguise.

    Attributes:
        label: the answer; None when the approach failed.
        failure: why it failed; None when it did not.
        scores: a probability per label, where the approach has them.
        evidence: sources of what it retrieved.
        tokens: read and written by a base LLM.
        output_tokens: those among them that it wrote.
        failure_kind: what can be done about the failure, where that is known.
        saved_seconds: that a base LLM would have taken, for answers of its that were kept from before.
    """

    label: str | None
    failure: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    evidence: Sequence[str] = ()
    tokens: int = 0
    failure_kind: FailureKind | None = None
    saved_seconds: float = 0.0
    output_tokens: int = 0


@dataclass(frozen=True)
class Fit:
    """What it took to get ready, or to take in an update.

    Attributes:
        seconds: when it was really done.
        reused: whether this run could reuse what was done before.
        note: in words, for the user.
        tokens: a base LLM read and wrote for it.
        output_tokens: those among them that it wrote.
    """

    seconds: float = 0.0
    reused: bool = False
    note: str = ""
    tokens: int = 0
    output_tokens: int = 0


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

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Take in changed data, the way it would be done with this approach; `fitted` then tells what it took.

        Args:
            new: examples that are new, or have changed: one that is known (same id and source) replaces the old one.
            gone: examples that were withdrawn.
        """
        ...


def best(scores: Mapping[str, float]) -> str:
    """Return the label with the highest score."""
    return max(scores, key=lambda label: scores[label])


def together(old: Dataset, new: Dataset, gone: Dataset | None = None) -> Dataset:
    """Return the old examples without those that `new` replaces or `gone` withdraws, then the new ones."""
    left = {_identity(example) for part in (new, gone) if part for example in part.examples}
    kept = tuple(example for example in old.examples if _identity(example) not in left)
    return Dataset(old.name, kept + new.examples, old.left_out + new.left_out)


def _identity(example: Example) -> tuple[str, str]:
    return example.id, example.source  # ids are numbered anew in every file
