"""Where a user chooses a slice of a run's texts, and several runs; both stand in the address."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.choosing import choose
from dashboard.lookup import answers_of
from dashboard.reading import suite_of
from dashboard.slices import PLACES, Slice
from evals.runner import Run
from evals.suite import ASKING
from lab.console import printable

IN_ONE_PLACE = ("static", "portability")  # kinds of suites that ask every text once
NO_LABELS = {"right", "no answer"}  # the classes of questions


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
        sizes = [
            column.number_input(label, min_value=0, value=None, step=1, key=key, bind="query-params", placeholder="any")
            for column, label, key in ((shortest, "Characters, least", "shortest"), (longest, "most", "longest"))
        ]
        places = _choose_places(run)
    return Slice(tuple(wanted), *sizes, held.strip(), **places)


def _is_asked_for() -> bool:
    """Tell whether the address asks for a slice."""
    return any(st.query_params.get(key) for key in ("classes", "words", "shortest", "longest", *PLACES))


def _choose_places(run: Run) -> dict[str, str]:
    """Let the user choose the scenario, step and test, of each that the run has several of."""
    if suite_of(run).kind in IN_ONE_PLACE:
        return {}
    asked = answers_of(run).places
    several = {place: list(dict.fromkeys(getattr(one, place) for one in asked)) for place in PLACES}
    several = {place: values for place, values in several.items() if len(values) > 1}
    chosen = {}
    for column, (place, values) in zip(st.columns(len(PLACES)), several.items(), strict=False):
        with column:
            named = ["", *filter(None, values)]
            chosen[place] = choose(place.capitalize(), named, place, lambda value: value or "as in the verdict")
    return chosen
