"""Examples: the texts on which two approaches part, and why: their scores, and what was retrieved."""

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
from lab.workspace import fingerprint

HEIGHT = 320  # pixels of the table


def show() -> None:
    """Draw the page."""
    heading("Examples", "The texts on which two approaches part, and what each of them went by.")
    known = {one.id: one.label for one in sorted(summaries(), key=lambda one: not one.statement)}
    if not known:
        empty("There is no run yet. This command makes one:", "bakeoff eval sentiment")
        return
    run = run_of(choose("Run", list(known), "run", known.__getitem__))
    table = answers_of(run)
    if not len(table):
        empty("No answer of this run is there yet. The command that began it goes on with it.")
        return
    wanted = _choose(run, table)
    lines = wanted.lines(table)
    _tell(wanted, table, len(lines))
    if lines:
        show_text(run, table, table.places[lines[_chosen(table, lines, wanted, run)]])


def _choose(run: Run, table: AnswerTable) -> Wanted:
    """Return what the user wants to see."""
    first, second = rivals(suite_of(run), table)
    left, middle, right = st.columns([3, 3, 4])
    with left:
        a = choose("First arm", _begun_with(first, table.arms), "first", arm_name)
    with middle:
        b = choose("Second arm", _begun_with(second, table.arms), "second", arm_name)
    with right:
        show = choose("Show", list(SHOWS), "show", SHOWS.__getitem__)
    return Wanted(a, b, show, **_choose_more(table))


def _choose_more(table: AnswerTable) -> dict[str, str]:
    """Return the target, the words and the place that the user wants; places only where there are several."""
    several = {name: list(dict.fromkeys(str(getattr(p, name)) for p in table.places)) for name in Place._fields[:-1]}
    several = {name: values for name, values in several.items() if len(values) > 1}
    search, *columns = st.columns([3, 2, *(2 for _ in several)])
    words = search.text_input("Search the texts", key="words", bind="query-params", persist_state="session")
    chosen = {"words": words.strip()}
    targets = [label for label in table.labels if label]
    options = {"label": targets} | several
    titles = {"label": "Target", "repeat": "Seed"}
    for column, (name, values) in zip(columns, options.items(), strict=True):
        with column:
            named = ["", *filter(None, values)]
            chosen[name] = choose(titles.get(name, name.capitalize()), named, name, lambda value: value or "any")
    return chosen


def _begun_with(first: str, arms: "list[str] | tuple[str, ...]") -> list[str]:
    return [first, *(arm for arm in arms if arm != first)]


def _tell(wanted: Wanted, table: AnswerTable, found: int) -> None:
    """Say how many texts there are."""
    share = f"{found:,} of {len(table):,} texts"
    st.subheader(f"{share} · {SHOWS[wanted.show].lower()}", anchor=False)
    if not found:
        st.info("No text is like that: choose another pair of arms, or take back a filter.", icon=":material/search_off:")


def _chosen(table: AnswerTable, lines: "list[int]", wanted: Wanted, run: Run) -> int:
    """Show the texts, and return which of them the user chose; it stands in the address."""
    asked = st.query_params.get("example", "")
    begin = next((number for number, line in enumerate(lines) if name_of(table.places[line]) == asked), 0)
    shown = st.dataframe(
        rows_of(table, lines),
        key=f"texts-{fingerprint(run.id, repr(wanted))}",
        hide_index=True,
        height=HEIGHT,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [begin]}},
        column_config={"text": st.column_config.TextColumn("text", width="large")},
        lazy=True,
    )
    rows = shown["selection"]["rows"]
    number = rows[0] if rows and rows[0] < len(lines) else 0
    st.query_params["example"] = name_of(table.places[lines[number]])
    return number


def name_of(place: Place) -> str:
    """Return a line's name in the address."""
    return "~".join(map(str, place))
