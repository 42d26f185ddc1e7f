"""What work takes, as far as it is known, and what of it is done already."""

from dataclasses import dataclass, field

from evals.costs import Effort
from finetune.registry import classifier_folder
from lab.datasets import Dataset

UNKNOWN = Effort(None, None, None)


@dataclass(frozen=True)
class Lesson:
    """What an arm learns from at one step.

    Attributes:
        known: all training examples that hold then.
        new: those among them that the step brought.
        follows: whether an earlier step was learned before.
    """

    known: Dataset
    new: Dataset
    validation: Dataset
    seed: int
    follows: bool


@dataclass
class Ready:
    """What is there already, or will be when an arm before has run: filled indexes and trained classifiers.

    Attributes:
        indexes: the passages of each index in this workspace.
    """

    indexes: dict[str, int] = field(default_factory=dict)
    _earlier_arms: set[str] = field(default_factory=set)

    def take_index(self, lesson: Lesson) -> str:
        """Return in words why the examples need not be indexed; "" if they must, and from now on they are."""
        name = f"examples-{lesson.known.fingerprint}"
        return self._take("index", name, "index there" if self.indexes.get(name, 0) >= len(lesson.known) else "")

    def take_classifier(self, identifier: str) -> str:
        """Return in words why a classifier need not be trained; "" if it must, and from now on it is."""
        return self._take("classifier", identifier, "trained before" if classifier_folder(identifier).exists() else "")

    def _take(self, what: str, name: str, there: str) -> str:
        found = there or (f"{what} shared with an earlier arm" if name in self._earlier_arms else "")
        self._earlier_arms.add(name)
        return found
