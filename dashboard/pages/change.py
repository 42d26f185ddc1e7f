"""Change: the data changes, the base model is swapped, labels are few; who falls, who recovers, and at what price."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.choosing import choose, choose_run
from dashboard.needs import ask_hour
from dashboard.page import heading, plain, show_chart, show_table
from dashboard.reading import results_of
from dashboard.stories import change_story, priced, swap_story
from evals.charts.change import change_chart, withdrawal_chart
from evals.charts.freshness import change_cost_chart, time_line_charts
from evals.charts.learning import learning_chart
from evals.charts.points import swap_chart

Findings = Sequence[Mapping[str, Any]]


def show() -> None:
    """Draw the page."""
    heading("Change", "Who falls when something changes, who recovers, how fast and at what price?")
    sections = {
        "Freshness": (
            "freshness",
            "The data changes: other texts come, labels change, some are withdrawn.",
            _freshness,
        ),
        "Portability": (
            "portability",
            "The base model is swapped: what carries over, what is done again?",
            _portability,
        ),
        "Learning curves": ("data_efficiency", "Labels are few: from how many on is fine-tuning ahead?", _learning),
    }
    tabs = st.tabs(list(sections), key="section", bind="query-params")
    for tab, (kind, about, draw) in zip(tabs, sections.values(), strict=True):
        if tab.open:
            with tab:
                _section(kind, about, draw)


def _section(kind: str, about: str, draw: Callable[[Findings], None]) -> None:
    st.caption(about)
    run = choose_run(kind, command=f"bakeoff eval {kind} --quick", key=kind)
    if run is None:
        return
    findings = results_of(run).get("findings", ())
    draw(findings)
    with st.expander("The tables behind it", icon=":material/table:"):
        for number, finding in enumerate(findings):
            st.markdown(f"**{plain(finding['title'])}**")
            rows = [dict(zip(finding["columns"], row, strict=True)) for row in finding["rows"]]
            show_table(rows, f"{kind}-{number}")
            st.caption(plain(finding["note"]))


def _freshness(findings: Findings) -> None:
    """Show the changes of the data one after the other, what taking them in costs, and what is still remembered."""
    changes = _data(findings, "changes")
    _show(change_chart(changes), "change")
    hour = ask_hour()
    for name, told in change_story(priced(changes, hour)).items():
        st.markdown(f"- **{plain(name)}**: {plain(told)}")
    _show(change_cost_chart(priced(changes, hour)), "price")
    _show(withdrawal_chart(_data(findings, "withdrawal")), "withdrawal")
    lines = {line["test"]: line for line in _data(findings, "timeline")}
    if lines:
        test = choose("Accuracy over time on the texts of", list(lines), "time-line-of")
        timeline = [row for row in _data(findings, "timeline") if row["test"] == test]
        for line in time_line_charts(timeline):
            _show(line, "test")


def _portability(findings: Findings) -> None:
    """Show what each swap changed."""
    swaps = _data(findings, "swaps")
    _show(swap_chart(swaps), "swaps")
    for told in swap_story(swaps):
        st.markdown(f"- {plain(told)}")


def _learning(findings: Findings) -> None:
    """Show accuracy by the number of labelled examples, and where tuning overtakes."""
    _show(learning_chart(_data(findings, "accuracy"), _data(findings, "crossings")), "learning")


def _show(chart: Any, key: str) -> None:
    if chart:
        show_chart(chart, key)


def _data(findings: Findings, name: str) -> Any:
    """Return the data of that name; nothing where the run did not find it."""
    return next((finding["data"][name] for finding in findings if name in finding["data"]), ())
