"""Curves that go wrong are named, with the knob to turn: made-up ones, and runs that go wrong for real."""

import math
from typing import Any

import pytest

from finetune import Classifier, Hyperparameters
from finetune.diagnosis import diagnose
from finetune.encoders import LOWER_HALF
from finetune.training import loss_range
from lab.datasets import Split

GUESSING = 1.0


def _kinds(losses: list[float], validated: dict[int, tuple[float, float]] | None = None, total: int = 100) -> list[str]:
    curve: list[dict[str, Any]] = [{"step": 5 * number + 5, "loss": loss} for number, loss in enumerate(losses)]
    for step, (loss, accuracy) in (validated or {}).items():
        curve.append({"step": step, "eval_loss": loss, "eval_accuracy": accuracy})
    curve.sort(key=lambda point: point["step"])
    return [finding.kind for finding in diagnose(curve, GUESSING, total)]


def test_a_healthy_curve_has_no_finding() -> None:
    falling = [1.05 * 0.9**number + 0.05 * (-1) ** number for number in range(20)]
    assert _kinds(falling, {25: (0.8, 0.6), 50: (0.6, 0.7), 75: (0.55, 0.75), 100: (0.54, 0.76)}) == []
    assert diagnose([], GUESSING, 100) == []


@pytest.mark.parametrize(
    ("losses", "kind"),
    [
        ([1.0, 0.9, math.nan], "diverged"),
        ([1.0, math.inf], "diverged"),
        ([1.0, 0.9, 1.7, 2.5], "exploding"),
        ([1.0, 0.2, 1.3, 0.1, 1.2, 0.3, 1.3, 0.1, 1.1], "noisy"),
        ([1.02, 1.01, 1.0, 1.0, 0.99, 1.0, 1.01, 1.0, 0.99, 1.0, 1.0, 1.0], "underfitting"),
    ],
)
def test_what_is_wrong_is_named(losses: list[float], kind: str) -> None:
    assert kind in _kinds(losses)


def test_class_weights_and_smoothing_are_reckoned_with(small: Split) -> None:
    plain = loss_range(small.train, Hyperparameters())
    assert plain.least == 0
    assert loss_range(small.train, Hyperparameters(class_weights="balanced")).guessing == pytest.approx(math.log(3))
    smooth = loss_range(small.train, Hyperparameters(label_smoothing=0.6))
    assert 0.8 < smooth.least < smooth.guessing < math.log(3)
    curve = [{"step": 10 * number, "loss": smooth.least + 0.05} for number in range(1, 11)]
    assert diagnose(curve, smooth.guessing, 100, smooth.least) == []
    # On unbalanced data a new head's first losses are far above the entropy of the labels, and nothing has exploded.
    first = [{"step": step, "loss": 1.1 - 0.02 * step} for step in range(1, 5)]
    assert diagnose(first, 0.38, 100) == []


def test_overfitting_begins_where_validation_was_best() -> None:
    curve: list[dict[str, Any]] = [{"step": 5 * n, "loss": 1 - 0.05 * n} for n in range(1, 20)]
    curve += [
        {"step": s, "eval_loss": v, "eval_accuracy": 0.7} for s, v in ((20, 0.8), (40, 0.6), (60, 0.7), (80, 0.9))
    ]
    found = next(f for f in diagnose(sorted(curve, key=lambda p: p["step"]), GUESSING, 100) if f.kind == "overfitting")
    assert found.step == 40
    assert "0.600" in found.words
    assert "--num-train-epochs" in found.knob


def test_no_gain_is_named_after_four_validations() -> None:
    validated = {step: (0.5, 0.8 if step == 20 else 0.79) for step in (10, 20, 30, 40, 50, 60)}
    assert "no gain" in _kinds([0.9, 0.8, 0.7, 0.6], validated)


def _findings(small: Split, examples: int, **knobs: Any) -> str:
    train = small.train.subset(range(examples))
    card = Classifier(LOWER_HALF, Hyperparameters(**knobs)).fit(train, small.validation).card
    return " | ".join(card["findings"])


def test_a_run_on_few_texts_for_long_overfits(small: Split) -> None:
    found = _findings(small, 96, num_train_epochs=12, learning_rate=5e-4, eval_steps=6, early_stopping_patience=0)
    assert "overfitting: the validation loss was lowest at step" in found


def test_the_course_setting_underfits(small: Split) -> None:
    found = _findings(small, 400, num_train_epochs=0.25, learning_rate=1e-5, batch_size=8)
    assert "underfitting" in found
    assert "raise --num-train-epochs or --learning-rate" in found


def test_a_learning_rate_far_too_high_is_named(small: Split) -> None:
    found = _findings(small, 200, num_train_epochs=2, learning_rate=0.05, batch_size=8)
    assert "lower --learning-rate" in found


def test_findings_are_told_while_it_trains(small: Split, capsys: pytest.CaptureFixture[str]) -> None:
    _findings(small, 200, num_train_epochs=1, learning_rate=0.05, batch_size=8)
    told = capsys.readouterr().err
    assert "warning: " in told
    assert told.index("warning: ") < told.index("step 25 of 25"), "named before the run is over"
