"""A slice: some of the texts that a run was tested on, by class, length, words, or place in the experiment."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from evals.records import Record
from evals.runner import Run
from evals.scenarios import grader_of, kind_of
from evals.suite import Suite, recorded_suite

PLACES = ("scenario", "step", "test")

ByArm = dict[str, list[Record]]


@dataclass(frozen=True)
class Slice:
    """Which texts are looked at; what is empty leaves none out.

    Attributes:
        classes: of the texts' targets.
        shortest, longest: texts have so many characters.
        words: that a text holds, in small letters or capitals.
        scenario, step, test: where in the experiment it was asked.
    """

    classes: tuple[str, ...] = ()
    shortest: int | None = None
    longest: int | None = None
    words: str = ""
    scenario: str = ""
    step: str = ""
    test: str = ""

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is left out."""
        return all(getattr(self, field.name) in ((), None, "") for field in fields(self))

    def of(self, suite: Suite, records: Sequence[Record]) -> ByArm:
        """Return of each arm the records of these texts, graded as the suite's kind grades them.

        They are of those that count for the suite's main table; where none of these was asked at that place, of all
        that were asked there.
        """
        kind, graded = kind_of(suite.kind), grader_of(suite.kind)
        there = [record for record in records if self._is_there(record)]
        counting = [record for record in there if kind.is_primary(suite, record)] or there
        found: ByArm = {arm.key: [] for arm in suite.arms}
        for record in map(graded, counting):
            if self._holds(record):
                found[record.arm].append(record)
        return found

    def applied_to(self, run: Run, records: Sequence[Record]) -> Run:
        """Return a run of which only these texts are compared; `records` are all of its own."""
        return _SlicedRun(run.folder, self, records)

    def _is_there(self, record: Record) -> bool:
        return all(getattr(self, place) in ("", getattr(record, place)) for place in PLACES)

    def _holds(self, record: Record) -> bool:
        return (
            (not self.classes or record.target in self.classes)
            and (self.shortest is None or len(record.text) >= self.shortest)
            and (self.longest is None or len(record.text) <= self.longest)
            and self.words.casefold() in record.text.casefold()
        )


@dataclass(frozen=True)
class _SlicedRun(Run):
    slice: Slice
    known: Sequence[Record]

    def primary(self, records: Sequence[Record] | None = None) -> ByArm:
        """Return of each arm the records of the slice."""
        suite = recorded_suite(self.manifest)
        return self.slice.of(suite, self.known if records is None else records)
