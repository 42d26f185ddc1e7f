"""What every page is made of. Text from outside is shown as text: never as Markdown, never as HTML."""

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st

from evals.charts.chart import Chart
from lab.console import printable
from lab.errors import BakeoffError
from lab.redact import reason

# Of all words, also in charts. Captions have six tenths of it, and can be read even so.
INK = {"light": "#14181F", "dark": "#FAFAFA"}
_MARKUP = re.compile(r"([!-/:-@\[-`{-~])")


def heading(title: str, about: str) -> None:
    """Begin a page with its title and what it is for, both our own words."""
    st.title(title, anchor=False)
    st.caption(about)


def plain(text: str) -> str:
    """Return a text of outside for a label: what Streamlit would take for Markdown, a link or an emoji stays text."""
    joined = printable(text).replace("://", ":\u2060//").replace("www.", "www\u2060.")  # else it makes links of them
    return _MARKUP.sub(r"\\\1", joined)


def show_chart(chart: Chart, key: str) -> None:
    """Show a chart under its title, with how to read it and its figures as a file.

    Args:
        chart: what to show.
        key: that tells it from all other charts of the page.
    """
    st.subheader(plain(chart.title), anchor=False)
    if not chart.rows:
        st.caption("There is nothing to draw.")
        return
    st.vega_lite_chart(
        spec=_spec(chart), width="stretch", key=f"chart-{key}", alt=printable(f"{chart.title}. {chart.note}")
    )
    note, button = st.columns([4, 1], vertical_alignment="center")
    note.caption(plain(chart.note))
    button.download_button(
        "CSV",
        chart.csv,  # made when it is asked for: a file of before would be gone while the page still looks for it
        f"{key}.csv",
        "text/csv",
        key=f"csv-{key}",
        help="The figures of this chart",
        on_click="ignore",
        icon=":material/download:",
    )


def _spec(chart: Chart) -> dict[str, Any]:
    """Return a chart as Vega-Lite has it, its words in the colour of the page's."""
    picture: Any = chart.picture
    spec: dict[str, Any] = picture.to_dict(validate=False)  # Altair's check of it takes as long as all else together
    # Else Streamlit fits the plot and what stands around it into the height of the plot alone.
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    ink = INK.get(st.context.theme.type or "", INK["light"])
    words = {"labelColor": ink, "titleColor": ink}  # Streamlit's own are too faint on white
    return spec | {"config": {"text": {"color": ink}, "axis": words, "legend": words}}


def show_table(rows: Sequence[Mapping[str, Any]], key: str, **options: Any) -> Any:
    """Show rows as a table that can be sorted and searched; `options` go to st.dataframe."""
    shown = [{name: printable(v) if isinstance(v, str) else v for name, v in row.items()} for row in rows]
    return st.dataframe(shown, key=f"table-{key}", hide_index=True, width="stretch", **options)


def empty(what: str, *commands: str) -> None:
    """Say what is not there yet, and which commands make it."""
    st.info(what, icon=":material/inbox:")
    if commands:
        st.code("\n".join(commands), language=None)


@contextmanager
def mendable() -> Iterator[None]:
    """Show an error that the user can mend as what it is; any other as its name, without a traceback."""
    try:
        yield
    except BakeoffError as error:
        st.error(f"Expected {plain(error.expected)}; got {plain(error.got)}.", icon=":material/error:")
        st.text(printable(error.fix))
    except Exception as error:
        traceback.print_exc()
        st.error(f"This page cannot be shown: {type(error).__name__}.", icon=":material/error:")
        st.text(printable(reason(error)))
