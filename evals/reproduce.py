"""Runs a run again from its manifest, with nothing reused, and compares the two record by record."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.manifest import DECIDING, SCHEMA, Difference, manifest_differences
from evals.records import Record
from evals.report import score
from evals.runner import Run, run_suite
from evals.scenarios import kind_of
from evals.suite import Suite, recorded_suite
from lab.console import Console
from lab.devices import choose_device
from lab.errors import BakeoffError, GateFailed
from lab.settings import overridden
from lab.workspace import Workspace, lock

SHOWN = 10


@dataclass(frozen=True)
class Changed:
    """An answer that came out with another label; None stands for a failure."""

    arm: str
    example: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Reproduction:
    """A run and its second execution, record by record; seconds are not compared.

    Attributes:
        records: answers that both have.
        missing: answers that only one of them has.
        changed: answers in both that differ in anything: label, score, evidence or tokens.
        labels: those of them whose label is another.
        drift: the largest difference of a score, in [0, 1].
        differences: what the manifests say differently.
    """

    run: str
    reproduction: str
    records: int
    missing: int
    changed: int
    labels: tuple[Changed, ...]
    drift: float
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Tell whether every answer came out the same, to the last recorded digit."""
        return not (self.missing or self.changed)

    def require_identical(self) -> None:
        """Raise unless identical.

        Raises:
            GateFailed: names how many answers differ.
        """
        if not self.identical:
            got = f"{self.changed} that differ, {len(self.labels)} of them in the label, and {self.missing} missing"
            fix = "look at what else differs (versions, machine, settings), and restore it"
            raise GateFailed(f"the {self.records + self.missing} answers of {self.run} again", got, fix)


def reproduce(run: Run) -> Reproduction:
    """Run `run` again from its manifest as a fresh run beside it, and compare their records.

    The second execution works in an empty workspace of its own inside the present one, so every classifier is trained
    again and every index built again; only its run is kept. If it is stopped, the next call goes on where it was.

    Raises:
        BakeoffError: the run is unfinished, its data have changed, or this machine lacks its device.
    """
    _check_possible(run)
    manifest = run.manifest
    home = Workspace.current().home / "reproductions" / run.id
    with lock(home.with_suffix(".lock"), f"the reproduction of {run.id}"):
        Console().note(f"runs {run.id} again in {home}, an empty workspace: trains and indexes anew, reuses nothing")
        with overridden(_surroundings(manifest, home)):
            suite = recorded_suite(manifest)
            _check_data(manifest, suite)
            fresh = run_suite(suite, _limit(manifest))
        target = run.folder.with_name(f"{run.id}-reproduced-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        fresh.folder.rename(target)
        shutil.rmtree(home)
    score(Run(target))
    return compare_records(run, Run(target))


def compare_records(before: Run, after: Run) -> Reproduction:
    """Compare two executions of one suite, record by record."""
    old, new = ({record.question: record for record in run.records()} for run in (before, after))
    pairs = [(old[question], new[question]) for question in old if question in new]
    labels = [Changed(a.arm, a.example, a.label, b.label) for a, b in pairs if a.label != b.label]
    return Reproduction(
        before.id,
        after.id,
        records=len(pairs),
        missing=len(old.keys() ^ new.keys()),
        changed=sum(_answer(a) != _answer(b) for a, b in pairs),
        labels=tuple(labels),
        drift=max((_drift(a.scores, b.scores) for a, b in pairs), default=0.0),
        differences=tuple(manifest_differences(before.manifest, after.manifest)),
    )


def _check_possible(run: Run) -> None:
    run.require_finished()
    manifest = run.manifest
    device = manifest["settings"]["device"]
    try:
        choose_device(device)
    except BakeoffError as error:
        fix = "reproduce it on a machine that has one"
        raise BakeoffError(f"the device of {run.id}, {device}", "a machine without it", fix) from error
    remote = {arm["llm"] for arm in manifest["suite"]["arms"] if arm["llm"] and not arm["llm"].startswith("embedded:")}
    if remote:
        Console().warn(f"asks {', '.join(sorted(remote))} again, which may cost, and may well answer differently")


def _check_data(manifest: Mapping[str, Any], suite: Suite) -> None:
    """Refuse data that are not the run's, before hours go into a run that cannot come out the same."""
    before = manifest["dataset"]["fingerprint"]
    found = kind_of(suite.kind).plan(suite, _limit(manifest)).data["fingerprint"]
    if manifest["schema"] == SCHEMA and found != before:
        fix = "bring back the file as it was, and run from the folder that the run was begun in"
        raise BakeoffError(f"the data of the run, with fingerprint {before}", f"{suite.dataset} with {found}", fix)


def _limit(manifest: Mapping[str, Any]) -> str | None:
    """Return the limit as the user gave it; older manifests keep only how many test texts there were."""
    limit = manifest["limit"] if "limit" in manifest else manifest["dataset"]["test"]
    return None if limit is None else str(limit)


def _surroundings(manifest: Mapping[str, Any], home: Path) -> dict[str, str]:
    """Return the environment that decided the run's answers, but with a workspace of its own."""
    told = manifest["settings"]
    chosen = {f"BAKEOFF_{name.upper()}": str(told[name]) for name in DECIDING if name in told}
    return chosen | {"BAKEOFF_HOME": str(home)}


def _answer(record: Record) -> tuple[object, ...]:
    return record.label, record.scores, record.evidence, record.tokens


def _drift(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    return max((abs(before.get(label, 0) - after.get(label, 0)) for label in before.keys() | after.keys()), default=0.0)
