"""Several runs beside each other, arm by arm, paired on the texts that both have."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.lookup import compared, scored_slice
from dashboard.page import plain, show_chart, show_table
from dashboard.reading import results_of, suite_of
from dashboard.slices import Slice
from evals.charts.runs import runs_chart
from evals.gate import ArmChange
from evals.runner import Run
from lab.console import printable
from lab.errors import BakeoffError


def show_side_by_side(runs: Sequence[Run], wanted: Slice) -> None:
    """Show the accuracy of each arm in each run, then what changed from each other run to the first."""
    chart = runs_chart({run.id: _results(run, wanted) for run in runs})
    if chart:
        show_chart(chart, "runs")
    first, *others = runs
    for other in others:
        _show_pair(first, other, wanted)


def _results(run: Run, wanted: Slice) -> Mapping[str, Mapping[str, Any]]:
    known = results_of(run) if wanted.is_whole else {}
    rows = (known or scored_slice(run, wanted))["results"]
    return {arm.key: row for arm, row in zip(suite_of(run).arms, rows, strict=True)}


def _show_pair(first: Run, other: Run, wanted: Slice) -> None:
    try:
        found = compared(first, other, wanted)
    except BakeoffError as error:
        st.caption(plain(f"{first.id} and {other.id} are not compared text by text."))
        st.text(printable(f"Expected {error.expected}; got {error.got}: {error.fix}."))
        return
    st.caption(
        plain(f"{first.id} less {other.id}, on the {found.n:,} texts that both have; p-values are Holm-adjusted")
    )
    show_table([_cells(change) for change in found.arms], f"pair-{other.id}")
    if found.unshared:
        st.caption(plain(f"In one of the two only: {', '.join(found.unshared)}"))
    if found.differences:
        with st.expander("What else differs between the two"):
            st.text(printable("\n".join(map(str, found.differences))))


def _cells(change: ArmChange) -> dict[str, Any]:
    here, there = change.accuracy or (None, None)
    found = change.comparison
    return {
        "arm": change.arm,
        "accuracy": _percent(here),
        "in the other": _percent(there),
        "difference, points": None if found is None else round(100 * found.difference, 1),
        "95 % interval": "–" if found is None else f"{100 * found.ci[0]:+.1f} to {100 * found.ci[1]:+.1f}",
        "p, Holm": None if found is None else float(f"{found.p_adjusted:.2g}"),
        "texts": change.n,
    }


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
