"""Watch: what went wrong in trainings and in production, as it happens, with the figures behind each alert."""

import time
from collections.abc import Sequence

import streamlit as st

from dashboard.choosing import choose
from dashboard.lookout import EVERY, Lookout, Sight
from dashboard.page import empty, heading, plain, show_chart
from evals.charts.alerts import curve_chart, drift_chart
from evals.charts.chart import Chart
from finetune import Alert
from finetune.folder import TrainingFolder
from finetune.tail import Tail, curve_point, number_or
from lab.console import printable
from lab.workspace import Workspace, fingerprint

ALL = "all"
SHOWN = 30  # alerts, the newest


def show() -> None:
    """Draw the page."""
    heading("Watch", "What went wrong in trainings and in production, the newest first.")
    sight = _lookout(str(Workspace.current().home.resolve())).look()
    st.fragment(_looking, run_every=EVERY)(sight.told)
    if not sight.trainings and not sight.predictions and not sight.reading:
        log = Workspace.current().home / "predictions.jsonl"
        predict = f'bakeoff classifier predict --log "{log}" "What a day!"'
        empty("There is nothing to watch yet: no training, no log of predictions.", "bakeoff train", predict)
        return
    if not sight.alerts:
        return
    alerts = _chosen(sight.alerts)
    if len(alerts) > SHOWN:
        st.caption(f"The newest {SHOWN} of {len(alerts)}; `bakeoff watch --once` prints all.")
    for number, alert in enumerate(alerts[:SHOWN]):
        _alert(alert, opened=not number)


@st.cache_resource(show_spinner=False)
def _lookout(home: str) -> Lookout:
    return Lookout()


def _looking(told: int) -> None:
    """Look again and again; redraw the page only when there is news."""
    sight = _lookout(str(Workspace.current().home.resolve())).look()
    if sight.told != told:
        st.rerun()
    st.caption(plain(_state(sight)))
    for trouble in sight.trouble:
        st.caption(plain(trouble))


def _state(sight: Sight) -> str:
    looked = f"{_counted(sight.trainings, 'training')} and {_counted(sight.predictions, 'prediction')}"
    if sight.reading and not sight.told:
        return "Reading the curves and the log …"
    return f"{looked}: {_counted(sight.told, 'alert') if sight.told else 'nothing stands out'}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)


def _chosen(alerts: Sequence[Alert]) -> list[Alert]:
    """Let the user choose a kind and a subject; both stand in the address."""
    left, right = st.columns(2)
    with left:
        kind = choose("Kind", [ALL, *dict.fromkeys(alert.kind for alert in alerts)], "kind")
    with right:
        subject = choose("Training or classifier", [ALL, *dict.fromkeys(alert.subject for alert in alerts)], "subject")
    return [one for one in alerts if kind in (ALL, one.kind) and subject in (ALL, one.subject)]


def _alert(alert: Alert, opened: bool) -> None:
    """Show an alert; what stands beside it is read when it is opened."""
    key = fingerprint(alert.kind, alert.subject, alert.when, alert.words)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(alert.when))
    with st.container(border=True):
        st.markdown(f"**{plain(alert.kind)}** · {plain(alert.subject)} · {stamp}")
        st.text(printable(alert.words.removeprefix(f"{alert.subject}: ").removeprefix(f"{alert.kind}: ")))
        drift = "counts" in alert.numbers
        figures = st.expander("Distributions" if drift else "Curve", expanded=opened, key=key, on_change="rerun")
        if figures.open:
            with figures:
                show_chart(_drift(alert) if drift else _curve(alert), key)


def _drift(alert: Alert) -> Chart:
    return drift_chart(alert.kind, alert.subject, alert.numbers)


def _curve(alert: Alert) -> Chart:
    folder = TrainingFolder(Workspace.current().trainings / alert.subject)
    points = [point for point in map(curve_point, Tail(folder.path / "curve.jsonl").lines()) if point]
    guessing = number_or(folder.state.get("baseline_loss"), 0.0)
    return curve_chart(alert.kind, alert.subject, int(alert.numbers["step"]), points, guessing or None)
