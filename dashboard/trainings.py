"""Trainings under way, watched from a page: their curves as they grow, and the buttons to pause, go on and stop."""

import streamlit as st

from dashboard.curves import accuracy_chart, loss_chart
from dashboard.page import plain, show_chart
from finetune.background import (
    Condition,
    pause_training,
    start_training,
    stop_training,
    unfinished_trainings,
)
from finetune.folder import TrainingFolder
from finetune.jobs import job_of
from finetune.past import training_run
from lab.console import printable

EVERY = 1.0  # seconds between two looks at a training under way
WORDS = {
    "starting": "is loading its data",
    "running": "is training",
    "paused": "is paused; going on loses no step",
    "interrupted": "was cut off; it goes on from its last checkpoint",
    "failed": "has failed",
}


def watch_trainings() -> None:
    """Show what is not over; while something is under way, the figures move by themselves."""
    unfinished = unfinished_trainings()
    moving = any(now.is_under_way for now in unfinished.values())
    st.fragment(_watched, run_every=EVERY if moving else None)(list(unfinished), moving)


def _watched(known: list[str], moving: bool) -> None:
    unfinished = unfinished_trainings()
    under_way = any(now.is_under_way for now in unfinished.values())
    if list(unfinished) != known or under_way != moving:
        st.rerun()  # the whole page: one has begun or ended, which the nearest runs are to know
    for identifier, now in unfinished.items():
        with st.container(border=True):
            _training(identifier, now)


def _training(identifier: str, now: Condition) -> None:
    words = "hears at its next step" if now.waits else WORDS.get(str(now.status), str(now.status))
    st.markdown(f"**{plain(identifier)}** {words}")
    if now.total_steps:
        told = ", ".join(filter(None, (now.which, f"step {now.step} of {now.total_steps}")))
        st.progress(min(1.0, now.step / now.total_steps), told)
    if now.error:
        st.text(printable(now.error))
    _buttons(identifier, now)
    run = training_run(TrainingFolder.of(identifier).path) if now.total_steps else None
    if run and run.curve:
        losses, accuracies = st.columns(2)
        with losses:
            show_chart(loss_chart([run]), f"loss-{identifier}")
        with accuracies:
            show_chart(accuracy_chart([run]), f"accuracy-{identifier}")


def _buttons(identifier: str, now: Condition) -> None:
    with st.container(horizontal=True):
        if now.is_under_way:
            st.button(
                "Pause",
                key=f"pause-{identifier}",
                icon=":material/pause:",
                disabled=now.waits,
                on_click=pause_training,
                args=(identifier,),
            )
        elif st.button("Go on", key=f"go-on-{identifier}", icon=":material/play_arrow:"):
            start_training(job_of(TrainingFolder.of(identifier)), identifier)
            st.rerun()
        st.button(
            "Stop",
            key=f"stop-{identifier}",
            icon=":material/stop:",
            disabled=now.waits,
            help="For good: the curve is kept, the checkpoints are not, nor what a refit has trained so far",
            on_click=stop_training,
            args=(identifier,),
        )
