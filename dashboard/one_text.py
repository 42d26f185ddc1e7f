"""One text of the example browser: what each arm said of it, how sure it was, and what it had retrieved."""

from collections.abc import Sequence

import streamlit as st

from dashboard.answer_table import Place
from dashboard.lookup import answers_at, known_in
from dashboard.page import plain, show_chart
from dashboard.reading import suite_of
from evals.charts.marks import arm_name
from evals.charts.scores import scores_chart
from evals.grading import CITED
from evals.records import Record
from evals.runner import Run
from evals.scenarios import grader_of
from evals.suite import ASKING
from lab.console import printable
from lab.datasets import Example
from lab.errors import BakeoffError

LONGEST = 2_000  # characters of a text that are shown


def show_text(run: Run, place: Place) -> None:
    """Show one text of a run with everything that its arms left about it."""
    records = answers_at(run, place)
    in_words = suite_of(run).kind in ASKING
    left, right = st.columns([5, 6], gap="large")
    with left:
        _show_text(records[0])
    with right:
        chart = None if in_words else scores_chart(records)
        if chart:
            show_chart(chart, "scores")
        _show_answers(run, [record for record in records if in_words or not record.scores])
    _show_neighbours(run, records)


def _show_text(record: Record) -> None:
    """Show the text, its target, and where it was asked."""
    with st.container(border=True):
        st.text(cut(record.text))
    place = (record.scenario, record.step, record.test if record.test != "test" else "")
    st.caption(plain(f"target: {record.target or 'no answer'}"))
    st.caption(plain(" · ".join(filter(None, (record.example, *place)))))


def _show_answers(run: Run, records: Sequence[Record]) -> None:
    """Say what arms without scores answered, and whether that is right."""
    grade = grader_of(suite_of(run).kind)
    words = {True: "right", False: "wrong", None: "failed"}
    for record in records:
        told = record.failure if record.label is None else record.label or "no answer"
        st.caption(plain(f"{arm_name(record.arm)} · {words[grade(record).correct]}"))
        st.text(cut(told or "no reason told"))


def _show_neighbours(run: Run, records: Sequence[Record]) -> None:
    """Show what was retrieved, once for all arms that retrieved the same."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record.evidence:
            groups.setdefault(tuple(record.evidence), []).append(record)
    if not groups:
        return
    st.subheader("What was retrieved, the nearest first", anchor=False)
    with st.spinner("Reading the training texts …"):
        found = {evidence: _neighbours(run, own[0]) for evidence, own in groups.items()}
    for evidence, own in groups.items():
        st.caption(plain("by " + ", ".join(arm_name(record.arm) for record in own)))
        for source, example in zip(evidence, found[evidence], strict=True):
            _show_neighbour(source, example, own[0].target)


def _neighbours(run: Run, record: Record) -> Sequence[Example | None]:
    try:
        return known_in(run).neighbours(record)
    except BakeoffError as error:
        st.info("The texts of these examples cannot be loaded.", icon=":material/link_off:")
        st.text(printable(f"Expected {error.expected}; got {error.got}: {error.fix}."))
        return [None] * len(record.evidence)


def _show_neighbour(source: str, example: Example | None, target: str) -> None:
    """Show one thing that was retrieved: a labelled example, a passage, or where that cannot be had its source."""
    label, text = st.columns([2, 9])
    if example is None:
        label.caption("source")
        text.text(printable(source.replace(CITED, " (cited)")))
        return
    icon = ":material/check:" if example.label == target else ":material/close:"
    label.caption(f"{icon} {plain(example.label)}" if example.label else plain(source), help=None)
    text.text(cut(example.text))


def cut(text: str) -> str:
    """Return a text as it is shown: what could hide or turn something in it made visible, and not without end."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} … ({len(shown):,} characters)"
