"""What the pages look up among a run's answers; each once until its file changes. All of it is shared: read only."""

from pathlib import Path
from typing import Any

import orjson
import streamlit as st

from dashboard.answer_table import AnswerTable, Place, table_from, table_of
from dashboard.neighbours import Known, known_of
from dashboard.reading import Stamp, measured_of, records_of, stamp, suite_of
from dashboard.scoring import scored
from dashboard.slices import Slice
from evals.gate import RunComparison, compare_runs
from evals.records import Record
from evals.runner import MANIFEST, RECORDS, Run
from evals.scenarios import grader_of
from evals.suite import ASKING
from lab.prices import load_prices

KEPT_TABLES, KEPT_SCORES, KEPT_PLANS = 8, 64, 4


def answers_of(run: Run) -> AnswerTable:
    """Return what every arm answered to every text; answers in words as right, wrong or none."""
    return _answers(str(run.folder), stamp(run.folder / RECORDS))


def answers_at(run: Run, place: Place) -> list[Record]:
    """Return the latest answer of each arm to one text, as it was recorded, in the order of the suite's arms."""
    found: dict[str, Record] = {}
    wanted = orjson.dumps(place.example)
    with (run.folder / RECORDS).open("rb") as file:
        for line in file:
            if wanted in line and line.endswith(b"\n"):
                record = Record(**orjson.loads(line))
                if all(getattr(record, name) == value for name, value in place._asdict().items()):
                    found[record.arm] = record
    return [found[arm.key] for arm in suite_of(run).arms if arm.key in found]


def known_in(run: Run) -> Known:
    """Return what the arms of a run could retrieve.

    Raises:
        BakeoffError: its data are not there any more, or have changed since.
    """
    return _known(str(run.folder), stamp(run.folder / MANIFEST))


def scored_slice(run: Run, wanted: Slice, usd_per_hour: float | None = None) -> dict[str, Any]:
    """Return results, comparisons, verdict and details of a slice of a run."""
    return _scored(str(run.folder), stamp(run.folder / RECORDS), wanted, usd_per_hour)


def compared(a: Run, b: Run, wanted: Slice) -> RunComparison:
    """Return two runs, arm by arm, on those texts of a slice that both have.

    Raises:
        BakeoffError: they cannot be compared.
    """
    return _compared(str(a.folder), str(b.folder), stamp(a.folder / RECORDS), stamp(b.folder / RECORDS), wanted)


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner="Reading the answers …")
def _answers(folder: str, state: Stamp | None) -> AnswerTable:
    run = Run(Path(folder))
    suite = suite_of(run)
    arms = [arm.key for arm in suite.arms]
    if suite.kind in ASKING:
        return table_from([*map(grader_of(suite.kind), records_of(run))], arms)
    return table_of(arms, (run.folder / RECORDS).read_bytes() if state else b"")


@st.cache_resource(max_entries=KEPT_PLANS, show_spinner=False)
def _known(folder: str, state: Stamp | None) -> Known:
    return known_of(Run(Path(folder)).manifest)


@st.cache_resource(max_entries=KEPT_SCORES, show_spinner="Scoring …", hash_funcs={Slice: repr})
def _scored(folder: str, state: Stamp | None, wanted: Slice, usd_per_hour: float | None) -> dict[str, Any]:
    run = Run(Path(folder))
    suite = suite_of(run)
    return scored(suite, wanted.of(suite, records_of(run)), measured_of(run), usd_per_hour, load_prices(run.own_prices))


@st.cache_resource(max_entries=KEPT_SCORES, show_spinner="Comparing …", hash_funcs={Slice: repr})
def _compared(a: str, b: str, a_state: Stamp | None, b_state: Stamp | None, wanted: Slice) -> RunComparison:
    runs = [Run(Path(folder)) for folder in (a, b)]
    return compare_runs(*(wanted.applied_to(run, records_of(run)) for run in runs))
