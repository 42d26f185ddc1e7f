"""The noun of this room: Contents is what a report tells of a run, whatever it is written as."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evals.metrics import Measured
from evals.records import Record
from evals.suite import recorded_suite
from lab.workspace import fingerprint

SHOWN_ERRORS, SHOWN_FAILURES = 30, 100  # more nobody reads
LONGEST = 600  # characters of a text or of a failure's reason; one report stays below a megabyte


@dataclass(frozen=True)
class Disputed:
    """A text that the reference got wrong, and what each arm said of it."""

    text: str
    target: str
    said: Mapping[str, str]


@dataclass(frozen=True)
class Contents:
    """What a report tells.

    Attributes:
        document: that of `bakeoff eval --json`.
        manifest: the run's.
        reference: the key of the arm that the others are compared with.
        notes: what an arm says of how it got ready, by its key.
        failures: an arm's key and a reason, each pair once.
        disputed: texts that the reference got wrong.
    """

    document: dict[str, Any]
    manifest: Mapping[str, Any]
    reference: str | None
    notes: Mapping[str, str]
    failures: Sequence[tuple[str, str]]
    disputed: Sequence[Disputed]

    @property
    def arms(self) -> list[str]:
        """Return the keys of the arms, in the order of the results."""
        return list(self.document["details"])

    @property
    def fingerprint(self) -> str:
        """Return what changes with anything that is told."""
        return fingerprint(asdict(self))


def contents_of(
    document: dict[str, Any],
    manifest: Mapping[str, Any],
    measured: Mapping[str, Measured],
    by_arm: Mapping[str, Sequence[Record]],
) -> Contents:
    """Return what a report tells of a run.

    Args:
        document: its scores.
        manifest: what it was made of.
        measured: of each arm beside its answers.
        by_arm: the records that count for the main table.
    """
    reference = recorded_suite(manifest).reference_key
    failures = {(r.arm, _cut(r.failure)) for own in by_arm.values() for r in own if r.failure}
    notes = {key: one.fit.note for key, one in measured.items() if one.fit.note}
    return Contents(document, manifest, reference, notes, sorted(failures), _disputed(by_arm, reference or ""))


def _disputed(by_arm: Mapping[str, Sequence[Record]], reference: str) -> list[Disputed]:
    wrong = [r for r in by_arm.get(reference, []) if r.correct is False and not r.repeat][:SHOWN_ERRORS]
    items = {record.item for record in wrong}
    said = {
        key: {r.item: _cut(r.label or "failed") for r in own if r.item in items and not r.repeat}
        for key, own in by_arm.items()
    }
    return [
        Disputed(_cut(r.text), _cut(r.target), {key: own.get(r.item, "-") for key, own in said.items()}) for r in wrong
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
