"""What a user chooses on several pages: a run. The choice stands in the address, so that a view can be shared."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.page import empty
from dashboard.reading import run_of, summaries
from evals.runner import Run
from lab.console import printable


def choose_run(*kinds: str, command: str = "bakeoff eval sentiment", key: str = "run") -> Run | None:
    """Let the user choose a finished run, the newest first; None where there is none, which is said.

    Args:
        kinds: of suites; all where none is named.
        command: that makes a run of that kind.
        key: under which the choice is kept; a page that asks for several kinds needs several.
    """
    known = {one.id: one.label for one in summaries(*kinds) if one.statement}
    if not known:
        empty("There is no finished run of this kind yet. This command makes one:", command)
        return None
    return run_of(choose("Run", list(known), key, known.__getitem__))


def choose(label: str, options: Sequence[str], key: str, shown: Callable[[str], str] = str) -> str:
    """Let the user choose one of the options; it is kept in the address under `key`, and over all pages.

    Streamlit's own binding would keep in the address what is `shown`, which may change.
    """
    wanted = st.query_params.get(key, "")
    if wanted in options and key not in st.session_state:
        st.session_state[key] = wanted  # a default would not be kept over the pages
    chosen = st.selectbox(
        label,
        options,
        index=options.index(wanted) if wanted in options else 0,
        format_func=lambda option: printable(shown(option)),
        key=key,
        persist_state="session",
    )
    st.query_params[key] = chosen
    return chosen
