"""What a workspace remembers of its trainings, how near a setting is to them, and what they let one predict."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.diagnosis import LossRange, beginnings
from finetune.hyperparameters import Hyperparameters
from finetune.nearby import Setting, nearest
from finetune.past import Ground, PastRun, past_runs
from finetune.surface import Surface, sweep_command
from lab.datasets import Origin
from lab.errors import BakeoffError
from tests.conftest import Outcome

GROUND = Ground("embedded:minilm", "0123", "tweets", 2940, 630, Origin("tweets", "text", "label", 0))


def _run(number: int, accuracy: float | None, status: str = "finished", **knobs: Any) -> PastRun:
    curve = ({"step": 10, "loss": 0.9}, {"step": 20, "eval_loss": 0.5, "eval_accuracy": accuracy or 0.5})
    settings = Hyperparameters.checked(**knobs)
    return PastRun(
        f"trial {number} of tweets", "trial", status, GROUND, settings, curve, 20, LossRange(1.1), accuracy, number
    )


def _runs(score: Callable[[float, float], float], count: int = 24) -> list[PastRun]:
    """Return runs over learning rates and epochs, with a noise of half a point."""
    random = np.random.default_rng(3)
    places = random.random((count, 2))
    return [
        _run(
            number,
            score(rate, epochs) + random.normal(0, 0.005),
            learning_rate=float(1e-5 * 100**rate),
            num_train_epochs=float(1 + 7 * epochs),
            weight_decay=float(random.random() / 10),
        )
        for number, (rate, epochs) in enumerate(places)
    ]


def test_sweeps_trainings_and_classifiers_are_one_noun(
    my_csv: Path, with_classifier: Path, bakeoff: Callable[..., Outcome]
) -> None:
    sweep = ["sweep", "--data", "my.csv", "--search", "learning_rate=1e-5,1e-4", "--num-train-epochs", "1"]
    assert bakeoff(*sweep, "--trials", "2", "--pruner", "none", "--no-train").code == 0

    past = past_runs()
    assert past.notes == ()
    trials = [run for run in past.runs if run.source == "trial"]
    (classifier,) = [run for run in past.runs if run.source == "classifier"]
    assert [run.name for run in sorted(trials, key=lambda run: run.name)] == ["trial 0 of my", "trial 1 of my"]
    assert classifier.ground.name == "tweets"
    assert classifier.status == "finished", "the training that made it is not told beside it"
    for run in past.runs:
        assert run.is_whole
        best = max(p["eval_accuracy"] for p in run.curve if "eval_accuracy" in p)
        assert run.accuracy == pytest.approx(best, abs=1e-5), "the curve has five digits"
        assert run.step == run.total_steps
        assert any("loss" in point for point in run.curve)
    assert [(ground.name, count) for ground, count in past.grounds.items()] == [("my.csv", 2), ("tweets", 1)]
    assert past.on(classifier.ground) == [classifier]

    begun = time.perf_counter()
    assert past_runs() == past
    assert time.perf_counter() - begun < 0.1, "what did not change is not read again"


def test_broken_files_are_left_out_with_a_note(with_classifier: Path) -> None:
    (card,) = (with_classifier / "classifiers").glob("*/classifier.json")
    document = json.loads(card.read_text())
    for name, content in {
        "half": card.read_text()[:100],
        "list": "[]",
        "older": json.dumps(document | {"card": {k: v for k, v in document["card"].items() if k != "total_steps"}}),
    }.items():
        (with_classifier / "classifiers" / name).mkdir()
        (with_classifier / "classifiers" / name / "classifier.json").write_text(content)
    (with_classifier / "sweeps").mkdir()
    (with_classifier / "sweeps" / "none.db").write_text("no database")
    (with_classifier / "sweeps" / "empty.db").touch()
    past = past_runs()
    assert [run.name for run in past.runs] == [card.parent.name]
    assert len(past.notes) == 5
    assert any(
        "older was left out" in note.replace("/classifier.json", "") and "total_steps" in note for note in past.notes
    )


def test_a_neighbour_says_in_what_it_differs() -> None:
    wished = Setting.of(Hyperparameters())
    runs = [
        _run(0, 0.8, learning_rate=2e-4),
        _run(1, 0.8, batch_size=32, weight_decay=0.1),
        _run(2, 0.8),
        _run(3, 0.8, learning_rate=1e-5, num_train_epochs=0.25, batch_size=8, method="lora"),
    ]
    found = nearest(wished, runs, count=4)
    assert [one.run.when for one in found] == [2, 0, 1, 3]
    assert [one.nearness for one in found] == ["this setting", "close", "some way off", "far off"]
    assert found[0].words == "the same setting"
    assert found[1].words == "same but for learning rate 2e-4 instead of 1e-4"
    assert found[2].words == "same but for weight decay 0.1 instead of 0.01 and batch size 32 instead of 16"
    assert found[3].words.startswith("same but for method lora instead of full, epochs 0.25 instead of 4, ")
    assert found[3].words.endswith(" and 1 more")


def test_warm_up_counts_the_same_in_steps_and_as_a_share() -> None:
    (found,) = nearest(Setting.of(Hyperparameters(warmup_ratio=0.25)), [_run(0, 0.8, warmup_steps=5)])
    assert found.is_same


def test_a_prediction_comes_with_an_interval_and_its_check() -> None:
    runs = _runs(lambda rate, epochs: 0.8 - 0.4 * (rate - 0.6) ** 2 + 0.03 * epochs)
    begun = time.perf_counter()
    surface = Surface.of(GROUND, [*runs, _run(99, 0.3, status="pruned", learning_rate=5e-4)])
    assert time.perf_counter() - begun < 3, "a fit for each group left out, on a busy machine"
    assert surface.check.runs == 24
    assert surface.check.error < 0.7 * surface.check.baseline
    assert surface.check.coverage >= 0.75
    assert "real runs, predicted from the others, is off by" in surface.check.words
    rate, epochs = 0.6, 0.5
    knobs = Hyperparameters(learning_rate=1e-5 * 100**rate, num_train_epochs=1 + 7 * epochs)
    found = surface.predict(Setting.of(knobs))
    low, high = found.interval
    assert low < 0.8 + 0.015 < high
    assert high - low < 0.06
    assert found.accuracy == pytest.approx(0.815, abs=0.01)
    assert found.beyond == ()
    assert Surface.of(GROUND, runs).predict(Setting.of(knobs)) == found, "seeded, and pruned trials left out"

    far = surface.predict(Setting.of(knobs.model_copy(update={"learning_rate": 0.1})))
    assert far.beyond == ("learning rate",)
    assert far.interval[1] - far.interval[0] > 2 * (high - low)
    with pytest.raises(BakeoffError, match="runs that differ in batch size"):
        surface.predict(Setting.of(knobs.model_copy(update={"batch_size": 64})))
    with pytest.raises(BakeoffError, match="runs that differ in schedule"):
        surface.predict(Setting.of(knobs.model_copy(update={"lr_scheduler_type": "cosine"})))


def test_without_a_pattern_or_with_few_runs_nothing_is_predicted() -> None:
    with pytest.raises(BakeoffError, match="better than the mean") as refused:
        Surface.of(GROUND, _runs(lambda rate, epochs: 0.8))
    assert "bakeoff sweep --trials 36 --pruner none --no-train" in refused.value.fix
    few = _runs(lambda rate, epochs: rate)[:5]
    with pytest.raises(BakeoffError, match="5 on tweets"):
        Surface.of(GROUND, [*few, *few])
    with pytest.raises(BakeoffError, match="0 on tweets"):
        Surface.of(GROUND, [])
    elsewhere = replace(GROUND, base="my base", origin=Origin("my file.csv", "tweet", "label", 7))
    assert sweep_command(elsewhere, [], 3) == (
        "bakeoff sweep --data 'my file.csv' --text-column tweet --seed 7 --base 'my base' --trials 20 --pruner none"
        " --no-train"
    )


def test_a_finding_begins_where_it_first_held_to_the_end() -> None:
    losses = LossRange(1.0)
    flat = [{"step": step, "loss": 1.0} for step in range(1, 21)]
    assert [(f.kind, f.step) for f in beginnings(flat, losses, 20)] == [("underfitting", 10)]
    late = [{"step": step, "loss": 1.0 if step < 15 else 0.2} for step in range(1, 21)]
    assert "underfitting" not in [f.kind for f in beginnings(late, losses, 20)]
    over: list[dict[str, Any]] = []
    for step in range(1, 9):
        over += [{"step": step, "loss": 1 - step / 10}, {"step": step, "eval_loss": abs(step - 3) / 10 + 0.5}]
    assert [(f.kind, f.step) for f in beginnings(over, losses, 8)] == [("overfitting", 3)]
    assert beginnings([], losses, 20) == []
