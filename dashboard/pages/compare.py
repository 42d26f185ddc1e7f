"""Compare: the approaches of a run side by side, with intervals, and which differences are real."""

import streamlit as st

from dashboard.choosing import choose_run
from dashboard.page import heading, plain, show_chart, show_table
from dashboard.reading import results_of, suite_of
from evals.charts.accuracy import accuracy_chart
from evals.report import HEADERS, result_cells


def show() -> None:
    """Draw the page."""
    heading("Compare", "Which approach is right more often, and is the difference real?")
    run = choose_run()
    if run is None:
        return
    document = results_of(run)
    st.markdown(f"### {plain(document['verdict']['statement'])}")
    show_chart(accuracy_chart(document["results"], [arm.key for arm in suite_of(run).arms]), "accuracy")
    rows = [dict(zip(HEADERS, result_cells(row), strict=True)) for row in document["results"]]
    show_table(rows, "results")
