"""The static case: learn once, be tested once."""

from collections.abc import Sequence

from evals.records import Record
from evals.scenarios.scenario import Finding, Fits, Plan, Scenario, Step, facts
from evals.suite import Suite
from lab.collector import uncollected
from lab.console import Console
from lab.datasets import Dataset, Split, load_dataset, parse_limit, split_dataset


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return one scenario of one step for each repeat; the split is the same in all, the training's seed is not."""
    split = load_parts(suite, suite.dataset, limit)
    step = Step("", split.train, {"test": split.test})
    repeats = range(suite.repeats)
    scenarios = (Scenario("", suite.seed + repeat, repeat, split.validation, (step,)) for repeat in repeats)
    return Plan(tuple(scenarios), split_facts(split))


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: all do."""
    return True


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return nothing more than the main table says."""
    return []


@uncollected()
def load_parts(suite: Suite, data: str, limit: str | None = None) -> Split:
    """Load and split `data`; the suite's own limits hold, then `limit` for the test part.

    Raises:
        BakeoffError: the data cannot be read or split, or the limit is none.
    """
    dataset = load_dataset(data, suite.text_column, suite.label_column)
    for line in dataset.left_out:
        Console().warn(line)
    split = split_dataset(dataset, suite.seed)
    test = _first(split.test, suite.test_limit)
    return Split(
        _first(split.train, suite.train_limit),
        _first(split.validation, suite.train_limit),
        test.subset(range(parse_limit(limit, len(test)))),
    )


def split_facts(split: Split) -> dict[str, object]:
    """Return what the manifest says of a split."""
    return facts(
        split.train.name,
        split.fingerprint,
        len(split.train),
        len(split.validation),
        len(split.test),
        labels=split.train.labels,
        left_out=list(split.train.left_out),
    )


def _first(data: Dataset, limit: int | None) -> Dataset:
    return data.subset(range(min(limit, len(data)))) if limit else data
