"""What was retrieved for a text: a run's evidence names training examples, whose texts and labels are looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.approach import together
from evals.grading import CITED
from evals.manifest import SCHEMA
from evals.records import Record
from evals.scenarios import Plan, kind_of
from evals.suite import recorded_suite
from lab.datasets import Dataset, Example
from lab.errors import BakeoffError


@dataclass(frozen=True)
class Known:
    """What the arms of a run could retrieve: its plan, made again from its data."""

    plan: Plan

    def neighbours(self, record: Record) -> list[Example | None]:
        """Return what each source in a record's evidence is; None where it names no single example."""
        learned = self._learned(record)
        return [learned.get(source.removesuffix(CITED)) for source in record.evidence]

    def _learned(self, record: Record) -> Mapping[str, Example]:
        """Return by its source what an arm had learned when it was asked; what changed later it had as it was then."""
        steps = next(
            (one.steps for one in self.plan.scenarios if (one.name, one.repeat) == (record.scenario, record.repeat)), ()
        )
        had: Dataset | None = None
        for step in steps:
            had = step.new if had is None else together(had, step.new, step.gone)
            if step.name == record.step:
                break
        return _by_source(had) if had else {}


def known_of(manifest: Mapping[str, Any]) -> Known:
    """Load and split a run's data again.

    Raises:
        BakeoffError: the data are not there any more, or have changed since.
    """
    suite = recorded_suite(manifest)
    limit = manifest.get("limit", manifest["dataset"]["test"])
    plan = kind_of(suite.kind).plan(suite, None if limit is None else str(limit))
    before, now = manifest["dataset"]["fingerprint"], plan.data["fingerprint"]
    if manifest["schema"] == SCHEMA and before != now:
        fix = "bring the data back as they were, and open the dashboard in the folder that the run was begun in"
        raise BakeoffError(f"the data of the run, with fingerprint {before}", f"{suite.dataset} with {now}", fix)
    return Known(plan)


def _by_source(data: Dataset) -> dict[str, Example]:
    """Return the examples by source and by id; a source that several share, such as a document, names none."""
    found: dict[str, Example] = {}
    shared: set[str] = set()
    for example in data.examples:
        for name in {example.source, example.id}:
            if name in found:
                shared.add(name)
            found[name] = example
    return {name: example for name, example in found.items() if name not in shared}
