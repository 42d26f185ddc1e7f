"""Where a user chooses a slice of a run's texts, and several runs; both stand in the address."""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.choosing import choose
from dashboard.lookup import answers_of
from dashboard.reading import suite_of
from dashboard.slices import PLACES, Slice
from evals.runner import Run
from lab.console import printable

IN_ONE_PLACE = ("static", "portability")  # kinds of suites that ask every text once


def choose_several(label: str, options: Sequence[str], key: str, shown: Callable[[str], str] = str) -> list[str]:
    """Let the user choose any of the options; they are kept in the address under `key`, and over all pages."""
    chosen: list[str] = st.multiselect(
        label,
        options,
        default=[value for value in st.query_params.get_all(key) if value in options],
        format_func=lambda option: printable(shown(option)),
        key=key,
        placeholder="none",
        persist_state="session",
    )
    if chosen:
        st.query_params[key] = chosen
    elif key in st.query_params:
        del st.query_params[key]
    return chosen


def choose_slice(run: Run) -> Slice:
    """Let the user choose which of a run's texts are looked at: all of them, to begin with."""
    with st.expander("Look at a part of the texts", icon=":material/filter_alt:", expanded=_is_asked_for()):
        classes, words, shortest, longest = st.columns([3, 3, 1, 1])
        with classes:
            wanted = choose_several("Classes", run.manifest["dataset"].get("labels", []), "classes")
        held = words.text_input("Words in the text", key="words", bind="query-params", persist_state="session")
        least, most = (_choose_size(shortest, "Least"), _choose_size(longest, "Most"))
        places = _choose_places(run)
    return Slice(tuple(wanted), least, most, held.strip(), *(places.get(place, "") for place in PLACES))


def _choose_size(column: DeltaGenerator, label: str) -> int | None:
    """Let the user choose how many characters a text has, at least or at most."""
    return column.number_input(
        f"{label} characters",
        min_value=0,
        value=None,
        step=1,
        key=label.lower(),
        bind="query-params",
        persist_state="session",
        placeholder="any",
    )


def _is_asked_for() -> bool:
    """Tell whether the address asks for a slice, or a choice that was made on another page still holds."""
    keys = ("classes", "words", "least", "most", *PLACES)
    return any(st.query_params.get(key) or st.session_state.get(key) for key in keys)


def _choose_places(run: Run) -> dict[str, str]:
    """Let the user choose the scenario, step and test, of each that the run has several of."""
    if suite_of(run).kind in IN_ONE_PLACE:
        return {}
    several = answers_of(run).several
    chosen = {}
    for column, place in zip(st.columns(len(PLACES)), filter(several.__contains__, PLACES), strict=False):
        with column:
            named = ["", *filter(None, several[place])]
            chosen[place] = choose(place.capitalize(), named, place, lambda value: value or "as in the verdict")
    return chosen
