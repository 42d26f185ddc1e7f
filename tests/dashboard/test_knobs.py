"""Knobs: the sliders, the nearest runs, the prediction, and a training begun, watched and ended from the page."""

import math
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from playwright.sync_api import expect

from finetune.hyperparameters import Hyperparameters
from finetune.past import PastRun, past_runs
from finetune.sweep import default_storage
from finetune.training import measures
from lab.datasets import Origin, load_split
from tests.dashboard.conftest import NARROW, READY, View

expect.set_options(READY)
HOSTILE = "<img src=x onerror=alert(1)> **bold** [x](mailto:x) $HOME.csv"
RATES = [1e-5, 2e-5, 3e-5, 5e-5, 7e-5, 1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3]


def _sweep(workspace: Path, data: str = "my.csv") -> None:
    """Write a study that has tried thirteen learning rates on some data, of which the highest overfits."""
    origin = Origin(data, "text", "label", 0)
    split = load_split(origin)
    (workspace / "sweeps").mkdir(parents=True)
    study = optuna.create_study(study_name="my", storage=default_storage("my"), direction="maximize")
    study.set_user_attr("bakeoff", {"data": asdict(origin), "base": "embedded:minilm"})
    for rate in RATES:
        knobs = Hyperparameters(learning_rate=rate)
        known = measures(split.train, split.validation, knobs)
        accuracy = 0.8 - 0.1 * math.log10(rate / 2e-4) ** 2
        curve = _curve(known["total_steps"], accuracy, overfits=rate > 1e-3)
        told = {"hyperparameters": knobs.model_dump(), "measures": known, "curve": curve}
        study.add_trial(optuna.trial.create_trial(value=accuracy, user_attrs=told))


def _curve(steps: int, accuracy: float, overfits: bool) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = []
    for part in range(1, 9):
        rise = 0.1 * max(0, part - 3) if overfits else 0
        step, eval_loss = steps * part // 8, 0.9 - 0.1 * min(part, 3) + rise
        curve.append({"step": step, "loss": 1 - part / 10})
        curve.append({"step": step, "eval_loss": eval_loss, "eval_accuracy": accuracy - 0.01 * (8 - part)})
    return curve


def test_moving_a_slider_shows_the_nearest_runs_and_a_prediction_marked_as_one(
    served: Callable[[Path], str], visit: Callable[..., View], my_csv: Path, workspace: Path
) -> None:
    _sweep(workspace)
    address = served(workspace)
    view = visit(address)
    page = view.open("knobs", "Knobs")
    expect(page.get_by_text("the same setting (trial 5 of my)")).to_be_visible()
    expect(page.get_by_text("Prediction, not a measurement: validation accuracy")).to_be_visible()
    expect(page.get_by_text("Each of 13 real runs, predicted from the others")).to_be_visible()
    expect(page.get_by_role("heading", name="trial 5 of my reached 79.1 %")).to_be_visible()

    rate = page.get_by_role("slider", name="Learning rate")
    rate.press("ArrowRight")
    expect(page.get_by_text("the same setting (trial 6 of my)")).to_be_visible()
    expect(page.get_by_text("close: same but for learning rate 2e-4 instead of 1.5e-4 (trial 7 of my)")).to_be_visible()
    for _ in range(6):
        rate.press("ArrowRight")
    expect(page.get_by_text("the same setting (trial 12 of my; overfitting")).to_be_visible()
    expect(page.get_by_role("heading", name="trial 12 of my: overfitting begins after 1.5 epochs")).to_be_visible()
    expect(page.get_by_text("A triangle is where a finding begins.")).to_be_visible()

    page.get_by_role("slider", name="Batch size").press("ArrowRight")
    expect(page.get_by_text("No prediction: it would need runs that differ in batch size")).to_be_visible()
    assert "learning_rate=2e-3" in page.url
    assert "batch_size=32" in page.url
    other = visit(address, NARROW, dark=True)
    expect(other.open("knobs", "Knobs").get_by_text("the same setting (trial 5 of my)")).to_be_visible()
    other.page.goto(page.url)
    expect(other.page.get_by_text("No prediction: it would need runs that differ in batch size")).to_be_visible()


def test_a_training_is_begun_watched_paused_gone_on_with_and_stopped(
    served: Callable[[Path], str], visit: Callable[..., View], my_csv: Path, workspace: Path
) -> None:
    address = served(workspace)
    page = visit(address).open("knobs", "Knobs")
    expect(page.get_by_text("No run is remembered here yet.")).to_be_visible()
    expect(page.get_by_text("bakeoff sweep")).to_be_visible()
    _sweep(workspace)
    page.reload()
    page.get_by_role("slider", name="Batch size").press("Home")
    page.get_by_role("button", name="Train exactly this setting").click()
    expect(page.get_by_text("is loading its data")).to_be_visible()
    expect(page.get_by_text("step 2")).to_be_visible()
    expect(page.get_by_role("heading", name="has not been validated yet")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("is paused; going on loses no step")).to_be_visible()
    (paused,) = [run for run in past_runs().runs if run.source == "training"]
    assert (paused.status, paused.knobs.batch_size) == ("paused", 1)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("is training")).to_be_visible()

    page.goto("about:blank")
    again = visit(address).open("knobs?batch_size=1", "Knobs")
    expect(again.get_by_text("is training")).to_be_visible()
    expect(again.get_by_text(f"the same setting ({paused.name}, running)")).to_be_visible()
    again.get_by_role("button", name="Stop").click()
    expect(again.get_by_text(f"the same setting ({paused.name}, stopped)")).to_be_visible()
    expect(again.get_by_role("button", name="Stop")).to_have_count(0)
    (stopped,) = [run for run in past_runs().runs if run.source == "training"]
    assert stopped.step >= paused.step
    assert not list((workspace / "trainings" / paused.name).glob("checkpoint-*"))


def _first_to_end() -> PastRun:
    """Wait for a training that is whole, and return it."""
    until = time.monotonic() + READY / 1000
    while time.monotonic() < until:
        if ended := [run for run in past_runs().runs if run.source != "trial" and run.is_whole]:
            return ended[0]
        time.sleep(0.2)
    raise AssertionError("no training has ended")


def test_a_training_from_the_page_joins_the_nearest_runs_whatever_its_data_is_called(
    served: Callable[[Path], str], visit: Callable[..., View], my_csv: Path, workspace: Path
) -> None:
    my_csv.rename(HOSTILE)
    _sweep(workspace, HOSTILE)
    page = visit(served(workspace)).open("knobs", "Knobs")
    expect(page.get_by_role("combobox", name="Data and base")).to_have_value(re.compile(re.escape(HOSTILE)))
    expect(page.get_by_test_id("stCode").first).to_contain_text(shlex.quote(HOSTILE))
    page.get_by_role("slider", name="Epochs").press("Home")
    page.get_by_role("button", name="Train exactly this setting").click()
    trained = _first_to_end()
    assert (trained.knobs.num_train_epochs, trained.ground.origin and trained.ground.origin.data) == (0.25, HOSTILE)
    expect(page.get_by_text(f"the same setting ({trained.name}")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
