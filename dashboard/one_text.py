"""One text of the example browser: what each arm said of it, how sure it was, and what it had retrieved."""

from collections.abc import Sequence

import streamlit as st

from dashboard.answer_table import AnswerTable, Place
from dashboard.lookup import answers_at, known_in
from dashboard.page import plain, show_chart
from dashboard.reading import suite_of
from evals.charts.marks import arm_name
from evals.charts.scores import scores_chart
from evals.grading import CITED
from evals.records import Record
from evals.runner import Run
from evals.scenarios import grader_of
from lab.console import printable
from lab.datasets import Example
from lab.errors import BakeoffError

LONGEST = 2_000  # characters of a text that are shown at once


def show_text(run: Run, table: AnswerTable, place: Place) -> None:
    """Show one text of a run with everything that its arms left about it."""
    records = answers_at(run, place)
    if not records:
        st.info("The answers to this text cannot be read.")
        return
    left, right = st.columns([5, 6], gap="large")
    with left:
        _show_text(records[0], place)
        _show_answers(run, records)
    with right:
        chart = scores_chart(records)
        if chart:
            show_chart(chart, "scores")
    _show_neighbours(run, records)


def _show_text(record: Record, place: Place) -> None:
    with st.container(border=True):
        st.text(_cut(record.text))
    where = " · ".join(filter(None, (place.scenario, place.step, place.test if place.test != "test" else "")))
    st.caption(plain(" · ".join(filter(None, (f"target: {record.target or 'none'}", record.example, where)))))


def _show_answers(run: Run, records: Sequence[Record]) -> None:
    """Say what each arm answered, and whether that is right."""
    grade = grader_of(suite_of(run).kind)
    for record in records:
        icon, word = _mark(grade(record).correct)
        told = record.failure if record.label is None else record.label or "no answer"
        st.caption(f":material/{icon}: **{plain(arm_name(record.arm))}** {word}")
        st.text(_cut(told or "no reason told"))


def _mark(correct: bool | None) -> tuple[str, str]:
    return {True: ("check", "is right:"), False: ("close", "is wrong:"), None: ("block", "failed:")}[correct]


def _show_neighbours(run: Run, records: Sequence[Record]) -> None:
    """Show what was retrieved, once for all arms that retrieved the same."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record.evidence:
            groups.setdefault(tuple(record.evidence), []).append(record)
    if not groups:
        return
    st.subheader("What was retrieved, the nearest first", anchor=False)
    for own in groups.values():
        st.caption(plain("by " + ", ".join(arm_name(record.arm) for record in own)))
        for source, example in zip(own[0].evidence, _neighbours(run, own[0]), strict=True):
            _show_neighbour(source, example, own[0].target)


def _neighbours(run: Run, record: Record) -> Sequence[Example | None]:
    try:
        return known_in(run).neighbours(record)
    except BakeoffError as error:
        st.info("The texts of these examples cannot be loaded.")
        st.text(printable(f"Expected {error.expected}; got {error.got}: {error.fix}."))
        return [None] * len(record.evidence)


def _show_neighbour(source: str, example: Example | None, target: str) -> None:
    if example is None:
        st.text(printable(source.replace(CITED, " (cited)")))
        return
    st.caption(plain(f"{example.label} · {source}"))
    st.text(_cut(example.text))


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} … ({len(shown):,} characters)"
