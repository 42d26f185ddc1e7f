"""Compare: the approaches of a run side by side, with intervals, and which differences are real."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.choosing import choose
from dashboard.lookup import scored_slice
from dashboard.page import empty, heading, plain, show_chart, show_table
from dashboard.reading import Summary, results_of, run_of, suite_of, summaries
from dashboard.side_by_side import show_side_by_side
from dashboard.slices import Slice
from dashboard.slicing import choose_several, choose_slice
from evals.charts.accuracy import accuracy_chart
from evals.charts.chart import Chart
from evals.charts.classes import Measure, class_chart
from evals.charts.differences import differences_chart
from evals.charts.tradeoff import cost_chart, latency_chart
from evals.gate import FEWEST
from evals.report import HEADERS, result_cells
from evals.runner import Run
from lab.console import printable
from lab.settings import settings

MEASURES: dict[Measure, str] = {"f1": "F1", "precision": "precision", "recall": "recall"}

Document = Mapping[str, Any]


def show() -> None:
    """Draw the page."""
    heading("Compare", "Which approach is right more often, and is the difference real?")
    known = summaries()
    if not known:
        empty("There is no run yet. This command makes one:", "bakeoff eval sentiment")
        return
    run, beside, usd = _choose(known)
    wanted = choose_slice(run)
    document = _document(run, wanted, usd)
    _show_verdict(run, document, wanted)
    if beside:
        show_side_by_side([run, *map(run_of, beside)], wanted)
    _show_charts(run, document, wanted)
    rows = [{"arm": arm, **_cells(row)} for arm, row in zip(_arms(run), document["results"], strict=True)]
    show_table(rows, "results")


def _choose(known: Sequence[Summary]) -> tuple[Run, list[str], float | None]:
    """Return the run that is looked at, the names of those beside it, and the user's price of this machine."""
    finished_first = sorted(known, key=lambda one: not one.statement)
    labels = {one.id: one.label for one in finished_first}
    left, middle, right = st.columns([5, 5, 2])
    with left:
        chosen = choose("Run", list(labels), "run", labels.__getitem__)
    with middle:
        others = [name for name in labels if name != chosen]
        beside = choose_several("Beside it", others, "beside", labels.__getitem__)
    price = right.number_input(
        "USD an hour",
        min_value=0.0,
        value=settings().usd_per_hour,
        key="usd",
        bind="query-params",
        persist_state="session",
        placeholder="unknown",
        help="What an hour of this machine costs you. Without it, what runs here costs an unknown amount.",
    )
    return run_of(chosen), beside, price


def _document(run: Run, wanted: Slice, usd: float | None) -> Document:
    """Return what results.json has, of a slice of the run; scored anew where that file does not say it."""
    known = results_of(run) if wanted.is_whole else {}
    if "details" in known and usd is None:
        return known
    return {**scored_slice(run, wanted, usd), **{name: known[name] for name in ("comparisons", "verdict") if known}}


def _show_verdict(run: Run, document: Document, wanted: Slice) -> None:
    manifest, finished = run.manifest, bool(results_of(run))
    if not finished:
        st.warning("This run is unfinished: what is here may change.", icon=":material/hourglass_top:")
    n = max((row["n"] // max(1, row.get("repeats") or 1) for row in document["results"]), default=0)
    if not n:
        st.info("No answer is in this part of the texts.", icon=":material/filter_alt_off:")
        return
    verdict = document["verdict"]
    st.subheader(plain(verdict["statement"]), anchor=False)
    if not wanted.is_whole:
        st.caption(f"Scored anew on {n:,} texts; the run has {manifest['dataset']['test']:,}.")
    if n < FEWEST:
        st.warning(f"{n} texts settle nothing: take at least {FEWEST}.", icon=":material/warning:")
    with st.expander("Why, and what would change it"):
        for title, lines in (("Because", verdict["because"]), ("It would change with", verdict["would_change_if"])):
            if lines:
                st.caption(title)
                st.text(printable("\n".join(f"– {line}" for line in lines)))


def _show_charts(run: Run, document: Document, wanted: Slice) -> None:
    results, arms = document["results"], _arms(run)
    reference = suite_of(run).reference_key
    pairs = (
        ("accuracy", accuracy_chart(results, arms)),
        ("differences", differences_chart(document["comparisons"], reference)),
        ("latency", latency_chart(results, arms)),
        ("cost", cost_chart(results, arms)),
    )
    for number in (0, 2):
        for column, (key, chart) in zip(st.columns(2, gap="large"), pairs[number : number + 2], strict=True):
            with column:
                _show(key, chart)
    if len(wanted.classes) != 1:  # of one class alone all of this is its accuracy
        _show_classes(document, ("recall",) if wanted.classes else tuple(MEASURES))


def _show_classes(document: Document, measures: Sequence[Measure]) -> None:
    """Show how well each class is told; of some classes' texts alone the recall says it, and nothing else does."""
    with st.container():
        measure = st.segmented_control(
            "Of each class",
            measures,
            default=measures[0],
            format_func=MEASURES.__getitem__,
            required=True,
            key="measure",
            bind="query-params",
        )
        _show("classes", class_chart(document["details"], measure))


def _show(key: str, chart: Chart | None) -> None:
    """Show a chart, or say what it lacks."""
    if chart:
        show_chart(chart, key)
    elif key == "cost":
        st.subheader("What accuracy costs is unknown", anchor=False)
        st.caption("Give the price of an hour of this machine above, in USD.")
    elif key == "differences":
        st.subheader("No difference was taken", anchor=False)
        st.caption("It takes two arms with answers, one of them the suite's reference.")
    elif key == "latency":
        st.subheader("Latency was not measured", anchor=False)
        st.caption("Suites with a latency_sample measure it.")


def _arms(run: Run) -> list[str]:
    return [arm.key for arm in suite_of(run).arms]


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return dict(zip(HEADERS[2:], result_cells(dict(row))[2:], strict=True))
