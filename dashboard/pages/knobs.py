"""Knobs: what a training's settings do, from real runs; and a button that trains what nobody has trained."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.curves import accuracy_chart, loss_chart
from dashboard.page import empty, heading, plain, show_chart
from dashboard.trainings import watch_trainings
from finetune.background import condition, start_training
from finetune.hyperparameters import Hyperparameters
from finetune.jobs import Job
from finetune.nearby import AXES, Neighbour, Setting, nearest
from finetune.past import Ground, Past, PastRun, past_runs
from finetune.surface import Predicted, Surface
from finetune.tail import modified
from lab.console import printable
from lab.datasets import Origin, Split
from lab.errors import BakeoffError

AXIS = {axis.knob: axis for axis in AXES}
# What each slider offers: the usual values, and the course's (0.25 to 130 epochs).
OFFERED: dict[str, tuple[str, tuple[float, ...]]] = {
    "learning_rate": (
        "Learning rate",
        (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 3e-5, 5e-5, 7e-5, 1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3, 5e-3, 1e-2),
    ),
    "batch_size": ("Batch size", (1, 2, 4, 8, 16, 32, 64, 128)),
    "num_train_epochs": ("Epochs", (0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64, 130)),
    "weight_decay": ("Weight decay", (0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3)),
    "warmup_ratio": ("Warm-up", (0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)),
}
SHOWN = 3  # nearest runs

Stamps = tuple[tuple[str, float], ...]


def show() -> None:
    """Draw the page."""
    heading("Knobs", "What would a setting reach? Real runs answer, and a button trains what nobody has trained.")
    past = past_runs()
    chosen = _choose_ground(past)
    left, right = st.columns([1, 2], gap="large")
    with left:
        knobs = _sliders()
        _train(Job.of(knobs=knobs) if chosen is None else _job(chosen, knobs), chosen)
    with right:
        watch_trainings()
        if chosen is None:
            empty("No run is remembered here yet. The button begins one, and so do:", "bakeoff train", "bakeoff sweep")
        else:
            _known(chosen, past.on(chosen), Hyperparameters.checked(**knobs))
    for note in past.notes:
        st.caption(plain(note))


def _choose_ground(past: Past) -> Ground | None:
    grounds = {f"{ground.fingerprint} {ground.base}": ground for ground in past.grounds}
    if not grounds:
        return None
    labels = {key: f"{g.name} · {g.examples} texts · {g.base} · {len(past.on(g))} runs" for key, g in grounds.items()}
    chosen = st.selectbox(
        "Data and base",
        list(grounds),
        format_func=lambda key: printable(labels[key]),
        key="ground",
        bind="query-params",
        help="Only runs on the same texts and from the same base can be compared.",
    )
    return grounds.get(chosen or "")


def _sliders() -> dict[str, Any]:
    usual = Hyperparameters().model_dump()
    return {
        knob: st.select_slider(
            label,
            values,
            value=usual[knob],
            format_func=AXIS[knob].spoken,
            key=knob,
            bind="query-params",
            help=Hyperparameters.model_fields[knob].description,
        )
        for knob, (label, values) in OFFERED.items()
    }


def _job(ground: Ground, knobs: dict[str, Any]) -> Job | None:
    if ground.origin is None:
        return None
    seed = ground.origin.seed or 0
    return Job(replace(ground.origin, seed=seed), ground.base, Hyperparameters.checked(**knobs, seed=seed))


def _train(job: Job | None, ground: Ground | None) -> None:
    """Offer to train, and do so when asked."""
    if job is None:
        st.caption("This data was put together in a program: it cannot be loaded here to train on it.")
        return
    if st.button("Train exactly this setting", icon=":material/model_training:", width="stretch"):
        split = _split(job.origin, modified(Path(job.origin.data)))
        identifier = job.identifier(split)
        if condition(identifier).status == "finished":
            st.success("This very setting is trained already: its curve is among the nearest runs.")
        else:
            if ground and ground.fingerprint != split.train.fingerprint:
                st.warning(f"The runs shown learned from other texts; this one learns from {len(split.train)}.")
            start_training(job, identifier)
    st.caption("It goes on when this page is closed. The same in a terminal:")
    st.code(shlex.join(["bakeoff", "train", *job.arguments()]), language=None, wrap_lines=True)


@st.cache_resource(max_entries=8, show_spinner="Loading the data …")
def _split(origin: Origin, written: int) -> Split:
    """Load data once, until its file is written anew."""
    return Job(origin, knobs=Hyperparameters(seed=origin.seed or 0)).load()


def _known(ground: Ground, runs: list[PastRun], knobs: Hyperparameters) -> None:
    """Show what past runs say of a setting."""
    setting = Setting.of(knobs)
    found = nearest(setting, runs, SHOWN)
    predicted = _predict(ground, tuple(runs), setting)
    if not found:
        st.caption("No run has a curve yet.")
        return
    near = [one.run for one in found]
    st.subheader("The nearest real runs", anchor=False)
    for one in found:
        st.markdown(_told(one))
    show_chart(accuracy_chart(near, predicted, knobs.num_train_epochs), "accuracy")
    show_chart(loss_chart(near), "loss")


def _predict(ground: Ground, runs: tuple[PastRun, ...], setting: Setting) -> Predicted | None:
    """Say what is predicted, or why nothing is."""
    try:
        surface = _surface(ground, tuple((run.name, run.when) for run in runs if run.is_whole), runs)
        if isinstance(surface, BakeoffError):
            raise surface
        predicted = surface.predict(setting)
    except BakeoffError as refused:
        reason, _, command = refused.fix.partition(": ")
        st.info(f"No prediction: it would need {plain(refused.expected)}; there is {plain(refused.got)}.")
        if command:
            st.caption(f"{plain(reason)}:")
            st.code(command, language=None, wrap_lines=True)
        return None
    low, high = predicted.interval
    st.metric(
        "Prediction, not a measurement: validation accuracy",
        f"{100 * predicted.accuracy:.1f} %",
        f"95 % interval {100 * low:.1f} to {100 * high:.1f} %",
        delta_color="off",
        delta_arrow="off",
    )
    beyond = f" No run went so far in: {', '.join(predicted.beyond)}." if predicted.beyond else ""
    st.caption(plain(f"{surface.check.words}.{beyond}"))
    return predicted


@st.cache_resource(max_entries=16, show_spinner="Learning from the runs …")
def _surface(
    ground: Ground, stamps: tuple[tuple[str, float], ...], _runs: tuple[PastRun, ...]
) -> Surface | BakeoffError:
    """Learn once from the same runs; that they teach nothing is kept as well."""
    try:
        return Surface.of(ground, _runs)
    except BakeoffError as refused:
        return refused


def _told(one: Neighbour) -> str:
    """Return in a line what a run reached, how near it is, and what its curve suffers from."""
    run = one.run
    reached = "no accuracy yet" if run.accuracy is None else f"{100 * run.accuracy:.1f} %"
    state = "" if run.status == "finished" else f", {run.status}"
    findings = "".join(f"; {finding.kind}" for finding in run.findings)
    where = one.words if one.is_same else f"{one.nearness}: {one.words}"
    return f"**{plain(reached)}** {plain(f'{where} ({run.name}{state}{findings})')}"
