"""The nouns of an experiment: a Scenario is a sequence of Steps, at each of which an approach learns and is tested."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from evals.approach import Fit
from evals.costs import machine_cost, total
from lab.datasets import Dataset, parse_limit
from lab.settings import settings


@dataclass(frozen=True)
class Step:
    """One moment: what arrives, and what is asked after it was taken in.

    Attributes:
        name: "" where there is but one.
        new: examples to learn from; at the first step the training data, later what is new or has a new label.
        tests: the examples to label, by the name of the test.
        gone: examples that are withdrawn.
    """

    name: str
    new: Dataset
    tests: Mapping[str, Dataset]
    gone: Dataset | None = None


@dataclass(frozen=True)
class Scenario:
    """What one fitted approach lives through.

    Attributes:
        name: "" where a suite has but one.
        seed: of this repeat, which is numbered `repeat`.
        validation: what choices are made on.
    """

    name: str
    seed: int
    repeat: int
    validation: Dataset
    steps: tuple[Step, ...]

    def tests(self) -> Iterator[tuple[Step, str, Dataset]]:
        """Yield each step with the name and the examples of each of its tests."""
        for step in self.steps:
            for name, test in step.tests.items():
                yield step, name, test


@dataclass(frozen=True)
class Plan:
    """All that the arms of a suite will live through, and facts about the data for the manifest."""

    scenarios: tuple[Scenario, ...]
    data: Mapping[str, Any]

    @property
    def answers(self) -> int:
        """Return how many answers each arm has to give."""
        return sum(len(test) for scenario in self.scenarios for _, _, test in scenario.tests())


class Moment(NamedTuple):
    """Where in the experiment something was measured: which arm, in which scenario and repeat, after which step."""

    arm: str
    scenario: str
    repeat: int
    step: str


Fits = Mapping[Moment, Fit]


@dataclass(frozen=True)
class PricedFit(Fit):
    """What it took, with the USD of a remote LLM's tokens; None where their price is unknown."""

    tokens_usd: float | None = 0.0


PricedFits = Mapping[Moment, PricedFit]


def change_usd(seconds: float | None, tokens_usd: float | None) -> float | None:
    """Return what getting ready, or taking in a change, costs: this machine's seconds, and what was paid for tokens."""
    return total(machine_cost(seconds, settings().usd_per_hour), tokens_usd)


@dataclass(frozen=True)
class Finding:
    """A table that a suite reports beside accuracy; its title says what was found."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def facts(name: str, fingerprint: str, train: int, validation: int, test: int, **more: Any) -> dict[str, Any]:
    """Return what a manifest says of the data."""
    return {"name": name, "fingerprint": fingerprint, "train": train, "validation": validation, "test": test, **more}


def limited(tests: Mapping[str, Dataset], limit: str | None, random: Any) -> dict[str, Dataset]:
    """Return the tests with so many examples in all, drawn from all of them; one that has none left is gone.

    Raises:
        BakeoffError: the limit is none.
    """
    places = [(name, number) for name, test in tests.items() for number in range(len(test))]
    chosen = random.permutation(len(places))[: parse_limit(limit, len(places))]
    kept = sorted(places[int(index)] for index in chosen)
    cut = {name: test.subset(number for own, number in kept if own == name) for name, test in tests.items()}
    return {name: test for name, test in cut.items() if len(test)}


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Return all examples as one dataset, under the name of the first."""
    return replace(parts[0], examples=tuple(example for part in parts for example in part.examples))
