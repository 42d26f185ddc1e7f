"""A slider that moves the page while it is dragged; Streamlit's own does when it is let go."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from lab.console import printable

HTML = '<label><b></b><output></output><input type="range" min="0" step="1"><small></small></label>'
KEPT = "slid"  # in the session: where the sliders of all pages stand

_slider = st.components.v2.component(
    "bakeoff-slider",
    html=HTML,
    css=Path(__file__).with_name("slider.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("slider.js").read_text(encoding="utf-8"),
)


def slide(label: str, stops: Sequence[str], first: str, key: str, hint: str = "") -> str:
    """Let the user choose one of the stops; it is kept in the address under `key`, and over all pages.

    Args:
        label: what is chosen.
        stops: from left to right, by their names.
        first: the stop at which it stands until it is moved; then it is not in the address.
        key: that tells it from all other sliders.
        hint: how to read it, beneath it.
    """
    kept = st.session_state.setdefault(KEPT, {})
    before = kept.get(key, st.query_params.get(key))
    before = before if before in stops else first
    told = _slider(
        key=f"slider-{key}",
        data={"label": printable(label), "stops": list(stops), "chosen": before, "hint": printable(hint)},
        default={"chosen": before},
        on_chosen_change=_moved,
    )
    chosen = told.chosen if told.chosen in stops else before
    kept[key] = chosen
    if chosen != first and st.query_params.get(key) != chosen:
        st.query_params[key] = chosen
    elif chosen == first and key in st.query_params:
        del st.query_params[key]
    return chosen


def _moved() -> None:
    """Streamlit asks for something to call; that the script runs again is all that is needed."""
