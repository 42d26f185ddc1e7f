"""What the pages read: runs and their records, each file once until it changes. All of it is shared: read only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from evals.advice.candidates import Basis, read_basis
from evals.records import Record
from evals.runner import MANIFEST, MEASUREMENTS, RECORDS, RESULTS, Run
from evals.suite import Suite, recorded_suite
from lab.prices import PriceList
from lab.workspace import Workspace, read_json

KEPT = 500  # runs whose results stay in memory
KEPT_RECORDS = 4  # runs whose records do

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Summary:
    """What a list of runs tells of one; `statement` is empty while answers are still to come."""

    id: str
    suite: str
    kind: str
    dataset: str
    test: int
    started: str
    statement: str

    @property
    def label(self) -> str:
        """Return how a user knows it: what was run, on what, and when."""
        told = f"{self.suite} · {self.dataset} · {self.test} texts · {self.started[:16].replace('T', ' ')}"
        return told if self.statement else f"{told} · unfinished"


def summaries(*kinds: str) -> list[Summary]:
    """Return the runs of this workspace, the newest first; of these kinds of suite alone, where some are named."""
    folders = [path.parent for path in Workspace.current().runs.glob(f"[!.]*/{MANIFEST}")]
    found = [_summary(str(folder), stamp(folder / MANIFEST), stamp(folder / RESULTS)) for folder in folders]
    chosen = [one for one in found if not kinds or one.kind in kinds]
    return sorted(chosen, key=lambda one: (one.started, one.id), reverse=True)


def run_of(run_id: str) -> Run:
    """Return the run of that name, which `summaries` has told."""
    return Run(Workspace.current().runs / run_id)


def suite_of(run: Run) -> Suite:
    """Return the suite of a run."""
    return _suite(str(run.folder), stamp(run.folder / MANIFEST))


def results_of(run: Run) -> Mapping[str, Any]:
    """Return results.json of a finished run; empty while answers are still to come."""
    state = stamp(run.folder / RESULTS)
    return _results(str(run.folder), state) if state else {}


def records_of(run: Run) -> list[Record]:
    """Return the latest record of each question."""
    return _records(str(run.folder), stamp(run.folder / RECORDS))


def measured_of(run: Run) -> Any:
    """Return what was measured of each arm beside its answers."""
    return _measured(str(run.folder), stamp(run.folder / MEASUREMENTS))


def basis_of(run: Run) -> Basis:
    """Return what advice from a finished run rests on, its base LLMs still without prices."""
    return _basis(str(run.folder), stamp(run.folder / RESULTS))


def stamp(path: Path) -> Stamp | None:
    """Return what changes when a file does; None for one that is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _summary(folder: str, manifest_stamp: Stamp | None, results_stamp: Stamp | None) -> Summary:
    manifest = Run(Path(folder)).manifest
    suite, data = manifest["suite"], manifest["dataset"]
    statement = _results(folder, results_stamp)["verdict"]["statement"] if results_stamp else ""
    return Summary(
        Path(folder).name,
        suite["name"],
        suite.get("kind", "static"),
        data["name"],
        data["test"],
        manifest["started"],
        statement,
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _suite(folder: str, state: Stamp | None) -> Suite:
    return recorded_suite(Run(Path(folder)).manifest)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _results(folder: str, state: Stamp | None) -> dict[str, Any]:
    document: dict[str, Any] = read_json(Path(folder) / RESULTS)
    return document


@st.cache_resource(max_entries=KEPT_RECORDS, show_spinner="Reading the records …")
def _records(folder: str, state: Stamp | None) -> list[Record]:
    return Run(Path(folder)).records()


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _measured(folder: str, state: Stamp | None) -> Any:
    return Run(Path(folder)).measured()


@st.cache_resource(max_entries=KEPT, show_spinner="Reading what was measured …")
def _basis(folder: str, state: Stamp | None) -> Basis:
    return read_basis(Run(Path(folder)), PriceList({}))
