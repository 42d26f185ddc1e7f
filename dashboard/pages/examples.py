"""Examples: the texts on which two approaches part, and what each of them went by."""

import shlex
from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.answer_table import AnswerTable, Place
from dashboard.browsing import SHOWS, Wanted, rivals, rows_of
from dashboard.choosing import choose
from dashboard.lookup import answers_of
from dashboard.one_text import show_text
from dashboard.page import empty, heading
from dashboard.reading import run_of, suite_of, summaries
from evals.charts.marks import arm_name
from evals.runner import Run
from lab.console import printable
from lab.workspace import fingerprint

HEIGHT, PAGE = 320, 100  # pixels and texts of the table
TITLES = {"scenario": "Scenario", "step": "Step", "test": "Test", "repeat": "Seed"}
ADDRESS = "example"  # of the chosen text, among the address's parameters


def show() -> None:
    """Draw the page."""
    heading("Examples", "The texts on which two approaches part, and what each of them went by.")
    known = {one.id: one.label for one in sorted(summaries(), key=lambda one: not one.statement)}
    if not known:
        empty("There is no run yet. This command makes one:", "bakeoff eval sentiment")
        return
    run, shown = _choose_run(known)
    table = answers_of(run)
    if not len(table):
        empty("No answer of this run is there yet. The command that began it goes on with it:", _began(run))
        return
    wanted = _choose(run, table, shown)
    lines = wanted.lines(table)
    if not lines:
        st.subheader(f"None of {len(table):,} texts", anchor=False)
        st.info("No text is like that: choose other arms, or take back a filter.", icon=":material/search_off:")
        return
    show_text(run, table.places[_chosen(run, table, wanted, lines)])


def _began(run: Run) -> str:
    """Return the command that began a run, but for what its manifest does not keep."""
    limit = ["--limit", str(run.manifest["limit"])] if run.manifest.get("limit") else []
    return shlex.join(["bakeoff", "eval", printable(suite_of(run).name), *limit])


def _choose_run(known: Mapping[str, str]) -> tuple[Run, str]:
    """Return the run that is looked at, and which of its texts: a key of SHOWS."""
    left, right = st.columns([3, 2])
    with left:
        run = run_of(choose("Run", list(known), "run", known.__getitem__))
    with right:
        return run, choose("Show", list(SHOWS), "show", SHOWS.__getitem__)


def _choose(run: Run, table: AnswerTable, show: str) -> Wanted:
    """Return what the user wants to see: two arms, a target, words, and places where there are several."""
    first, second = rivals(suite_of(run), table)
    options = {
        "first": ("First arm", _begun_with(first, table.arms)),
        "second": ("Second arm", _begun_with(second, table.arms)),
        "label": ("Target", ["", *filter(None, table.labels)]),
        **{name: (TITLES[name], ["", *filter(None, values)]) for name, values in table.several.items()},
    }
    search, *columns = st.columns([3, *(2 for _ in options)])
    words = search.text_input("Search the texts", key="search", bind="query-params", persist_state="session")
    chosen = {"words": words.strip()}
    for column, (name, (title, values)) in zip(columns, options.items(), strict=True):
        with column:
            chosen[name] = choose(title, values, name, lambda value: arm_name(value) or "any")
    return Wanted(show=show, **chosen)


def _begun_with(first: str, arms: Sequence[str]) -> list[str]:
    return [first, *(arm for arm in arms if arm != first)]


def _chosen(run: Run, table: AnswerTable, wanted: Wanted, lines: Sequence[int]) -> int:
    """Show the texts a page at a time, and return the line that the user chose; the address alone remembers it."""
    names = [name_of(table.places[line]) for line in lines]
    asked = st.query_params.get(ADDRESS, "")
    number = names.index(asked) if asked in names else 0
    st.query_params[ADDRESS] = names[number]
    browsed = fingerprint(run.id, repr(wanted))
    _show_steps(f"{len(lines):,} of {len(table):,} texts", names, number, browsed)
    page, row = divmod(number, PAGE)
    key = f"texts-{browsed}-{page}"
    st.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    st.dataframe(
        rows_of(table, lines[page * PAGE : (page + 1) * PAGE], (wanted.first, wanted.second)),
        key=key,
        hide_index=True,
        height=HEIGHT,
        on_select=lambda: _go(names, page * PAGE + st.session_state[key]["selection"]["rows"][0]),
        selection_mode="single-row-required",
        column_config={"text": st.column_config.TextColumn("text", width="large")},
    )
    return lines[number]


def _show_steps(title: str, names: Sequence[str], number: int, browsed: str) -> None:
    """Say how many texts there are, and step through them: to the one before, the next, another page."""
    told, steps = st.columns([3, 4], vertical_alignment="center")
    told.subheader(title, anchor=False)
    with steps.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        pages = -(-len(names) // PAGE)
        if pages > 1:
            key = f"page-{browsed}"
            st.session_state[key] = number // PAGE + 1
            st.pagination(pages, key=key, on_change=lambda: _go(names, (st.session_state[key] - 1) * PAGE))
        for label, icon, to in (("Previous", "chevron_left", number - 1), ("Next", "chevron_right", number + 1)):
            outside = not 0 <= to < len(names)
            st.button(label, icon=f":material/{icon}:", on_click=_go, args=(names, to), disabled=outside)


def _go(names: Sequence[str], number: int) -> None:
    st.query_params[ADDRESS] = names[number]


def name_of(place: Place) -> str:
    """Return a line's name in the address."""
    return "~".join(map(str, place))
