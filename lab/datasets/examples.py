"""The nouns of labelled data: Example, Dataset, Split."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from lab.errors import BakeoffError
from lab.workspace import fingerprint


@dataclass(frozen=True)
class Example:
    """One text with its label; `id` is unique in its dataset, `source` says where it came from ("my.csv:17")."""

    id: str
    text: str
    label: str
    source: str


@dataclass(frozen=True)
class Origin:
    """How to get examples again: what `load_dataset` was asked for, and the seed that split it."""

    data: str
    text_column: str
    label_column: str
    seed: int | None = None


@dataclass(frozen=True)
class Dataset:
    """Examples in order, under a name.

    Attributes:
        left_out: in words, what was read but could not be used.
        origin: where to get them again; None for examples put together in the process.
    """

    name: str
    examples: tuple[Example, ...]
    left_out: tuple[str, ...] = field(default=(), compare=False)
    origin: Origin | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def texts(self) -> list[str]:
        """Return the texts, in order."""
        return [example.text for example in self.examples]

    @cached_property
    def targets(self) -> list[str]:
        """Return each example's label, in order."""
        return [example.label for example in self.examples]

    @cached_property
    def labels(self) -> list[str]:
        """Return the distinct labels, sorted."""
        return sorted(set(self.targets))

    @cached_property
    def counts(self) -> Counter[str]:
        """Return how many examples each label has."""
        return Counter(self.targets)

    @cached_property
    def fingerprint(self) -> str:
        """Return 16 hex digits of the content: texts and labels, whatever their order, ids or names."""
        return fingerprint(sorted((example.text, example.label) for example in self.examples))

    def subset(self, indices: Iterable[int]) -> "Dataset":
        """Return the examples at `indices`, in that order."""
        return replace(self, examples=tuple(self.examples[index] for index in indices))

    def joined(self, other: "Dataset") -> "Dataset":
        """Return these examples and then the other's, under this name and with this origin."""
        return replace(self, examples=self.examples + other.examples)

    def require_known(self, labels: Sequence[str]) -> None:
        """Check that every label is among `labels`, those a model was trained on.

        Raises:
            BakeoffError: names the first example that has another.
        """
        for example in self.examples:
            if example.label not in labels:
                raise BakeoffError(
                    f"a label seen in training ({', '.join(labels)})",
                    f"'{example.label}' at {example.source}",
                    "correct that row, or add training examples of the label",
                )


@dataclass(frozen=True)
class Split:
    """A dataset in three disjoint parts; near-duplicates never stand on two sides."""

    train: Dataset
    validation: Dataset
    test: Dataset

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of all three parts."""
        return fingerprint(self.train.fingerprint, self.validation.fingerprint, self.test.fingerprint)
