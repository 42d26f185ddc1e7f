"""Turning a knob changes training the way the handbook says: each by its effect, on real, short runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from finetune.classifier import Classifier
from finetune.encoders import LOWER_HALF
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters, Method
from finetune.methods import model_runtime, prepare
from finetune.registry import classifier_id
from finetune.schedule import Schedule
from finetune.training import train_model
from lab.datasets import Dataset, Split
from lab.errors import BakeoffError
from lab.runtime import Runtime

QUERY = "bert.encoder.layer.1.attention.self.query.weight"
WORDS = "bert.embeddings.word_embeddings.weight"


@dataclass(frozen=True)
class Outcome:
    """A short run: the weights before and after, what it told, and what predicts with it."""

    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    card: dict[str, Any]
    runtime: Runtime
    saves: int

    def moved(self, name: str = QUERY) -> float:
        """Return how far a weight matrix has moved."""
        return float((self.after[name] - self.before[name]).norm())

    @property
    def rates(self) -> list[float]:
        """Return the learning rate at each logged step."""
        return [point["learning_rate"] for point in self.card["curve"] if "learning_rate" in point]


class _Saves(TrainerCallback):
    def __init__(self) -> None:
        self.count = 0

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.count += 1


@pytest.fixture
def train(small: Split, tmp_path: Path) -> Callable[..., Outcome]:
    """Train on 64 tweets: four steps an epoch, logged one by one."""

    def run(data: Dataset | None = None, keep: bool = False, base: str = LOWER_HALF, **knobs: Any) -> Outcome:
        data = data or small.train.subset(range(64))
        saves = _Saves()
        chosen = Hyperparameters(**{"num_train_epochs": 2.0, "warmup_ratio": 0.0, **knobs}).resolved()
        folder = TrainingFolder(tmp_path / "run")
        folder.forget()
        folder.begin({})
        training = prepare(base, chosen, data.labels, folder)
        training = replace(training, callbacks=(saves,), quiet=True, keep=keep)
        before = {name: weight.detach().clone() for name, weight in training.model.state_dict().items()}
        known = [i for i, label in enumerate(small.validation.targets) if label in data.labels]
        card = train_model(training, data, small.validation.subset(known[:32]))
        runtime = model_runtime(training.model, training.tokenizer, chosen.max_length)
        return Outcome(before, dict(training.model.state_dict()), card, runtime, saves.count)

    return run


Train = Callable[..., Outcome]


def test_learning_rate_is_the_size_of_the_steps(train: Train) -> None:
    assert 5 * train(learning_rate=1e-5).moved() < train(learning_rate=1e-3).moved()


def test_batch_size_and_accumulation_make_the_steps_of_an_epoch(train: Train) -> None:
    assert train(batch_size=16).card["steps"] == 8
    assert train(batch_size=32).card["steps"] == 4
    assert train(batch_size=16, gradient_accumulation_steps=2).card["steps"] == 4


def test_accumulated_gradients_are_those_of_the_larger_batch(train: Train) -> None:
    # Dropout differs between one batch of 32 and two of 16, so the movements agree, but not to the last bit.
    large, accumulated = train(batch_size=32), train(batch_size=16, gradient_accumulation_steps=2)
    assert accumulated.moved() == pytest.approx(large.moved(), rel=0.2)


@pytest.mark.parametrize(("epochs", "steps"), [(0.25, 1), (0.5, 2), (1, 4), (3.25, 13)])
def test_epochs_may_be_a_fraction(train: Train, epochs: float, steps: int) -> None:
    outcome = train(num_train_epochs=epochs)
    assert outcome.card["steps"] == steps
    assert outcome.card["epochs"] == epochs


def test_a_quarter_of_an_epoch_is_a_quarter_of_the_steps() -> None:
    knobs = Hyperparameters(num_train_epochs=0.25, batch_size=8)
    assert Schedule.of(2939, knobs).total_steps == 92
    assert Schedule.of(2939, knobs).steps_per_epoch == 368
    hundred = [Schedule.of(1600, Hyperparameters(num_train_epochs=share / 100)).total_steps for share in range(1, 101)]
    assert hundred == list(range(1, 101)), "0.07 x 100 is a little more than 7 in floats"
    assert Schedule.of(16, Hyperparameters(num_train_epochs=1e-9)).total_steps == 1


def test_weight_decay_keeps_weights_small(train: Train) -> None:
    free, held = (train(learning_rate=1e-3, weight_decay=decay).after[QUERY].norm() for decay in (0.0, 1.0))
    assert held < 0.999 * free


def test_warmup_climbs_and_the_ratio_is_a_share_of_the_steps(train: Train) -> None:
    assert train(warmup_steps=4).rates[:5] == pytest.approx([0, 2.5e-5, 5e-5, 7.5e-5, 1e-4])
    assert train(warmup_ratio=0.5).rates == train(warmup_steps=4).rates
    assert train().rates[0] == pytest.approx(1e-4)


def test_no_warmup_steps_are_none_unless_a_ratio_says_otherwise() -> None:
    def warmup(**knobs: Any) -> int:
        return Schedule.of(160, Hyperparameters.checked(num_train_epochs=1.0, **knobs)).warmup_steps

    assert warmup() == 1, "a tenth"
    assert warmup(warmup_steps=0) == 0
    assert warmup(warmup_steps=0, warmup_ratio=0.5) == 5
    assert warmup(warmup_steps=3) == 3
    kept = Hyperparameters.checked(warmup_steps=0)
    assert Hyperparameters.checked(**kept.model_dump()) == Hyperparameters.checked(**kept.told()) == kept
    assert Hyperparameters.checked(**Hyperparameters().model_dump()) == Hyperparameters()


def test_lora_has_a_learning_rate_of_its_own() -> None:
    assert Hyperparameters(method="lora").learning_rate == 1e-3
    assert "learning_rate 0.001, the default of lora" in Hyperparameters(method="lora").remarks()[0]
    slow = Hyperparameters(method="lora", learning_rate=1e-4)
    assert slow.learning_rate == 1e-4
    assert slow.remarks() == []
    assert Hyperparameters.checked(**slow.told()) == slow, "what is left out must not turn into lora's default"


@pytest.mark.parametrize(
    ("method", "ignored", "heeded"),
    [
        ("full", {"lora_rank": 4}, {"freeze_embeddings": False}),
        ("lora", {"freeze_embeddings": False}, {"lora_rank": 4}),
        ("probe", {"learning_rate": 1e-3, "batch_size": 8, "lora_rank": 4}, {"max_length": 64}),
    ],
)
def test_knobs_that_a_method_ignores_are_named_and_make_no_other_classifier(
    small: Split, method: Method, ignored: dict[str, Any], heeded: dict[str, Any]
) -> None:
    def key(**knobs: Any) -> str:
        return classifier_id(small.train, small.validation, Hyperparameters(method=method, **knobs), "embedded:minilm")

    turned = Hyperparameters(method=method, **ignored, **heeded)
    assert turned.remarks()[0] == f"the method {method} ignores {', '.join(ignored)}"
    assert key(**ignored) == key() != key(**heeded)


def test_the_scheduler_bends_the_learning_rate(train: Train) -> None:
    linear, cosine, constant = (train(lr_scheduler_type=kind).rates for kind in ("linear", "cosine", "constant"))
    assert constant == [1e-4] * 8
    assert np.diff(linear) == pytest.approx([-1.25e-5] * 7, rel=1e-3)
    assert cosine[2] > linear[2]
    assert cosine[6] < linear[6]


def test_schedulers_keep_the_rate_up_or_bring_it_down(train: Train) -> None:
    held = train(lr_scheduler_type="constant_with_warmup", warmup_steps=4).rates
    assert held == pytest.approx([0, 2.5e-5, 5e-5, 7.5e-5, *[1e-4] * 4])
    polynomial = train(lr_scheduler_type="polynomial").rates  # of the first power: a line, down to 1e-7
    assert np.diff(polynomial) == pytest.approx([-(1e-4 - 1e-7) / 8] * 7, rel=1e-3)
    root = train(lr_scheduler_type="inverse_sqrt", warmup_steps=2).rates
    assert root == pytest.approx([0, 5e-5, *(1e-4 * (2 / step) ** 0.5 for step in range(2, 8))], rel=1e-4)


def test_label_smoothing_makes_the_model_less_certain(train: Train, small: Split) -> None:
    texts = small.train.texts[:64]
    sure, unsure = (
        train(num_train_epochs=8, learning_rate=5e-4, label_smoothing=share).runtime.predict_proba(texts).max(axis=1)
        for share in (0.0, 0.5)
    )
    assert unsure.mean() < sure.mean() - 0.1


def test_max_grad_norm_shortens_gradients(train: Train) -> None:
    # AdamW divides by the gradient's usual size, so only a clip far below its epsilon is felt.
    assert train(max_grad_norm=1e-9).moved() < 0.5 * train(max_grad_norm=1.0).moved()


def test_class_weights_give_a_rare_label_more_say(train: Train, small: Split) -> None:
    rare = [i for i, label in enumerate(small.train.targets) if label == "negative"][:8]
    common = [i for i, label in enumerate(small.train.targets) if label == "positive"][:56]
    data = small.train.subset(sorted(rare + common))
    plain, balanced = (
        train(data, class_weights=kind, learning_rate=3e-4).runtime.predict_proba(data.texts)[:, 0].mean()
        for kind in ("none", "balanced")
    )
    assert balanced > plain + 0.05


def test_max_length_cuts_what_is_behind(train: Train) -> None:
    pair = ["one two three four five six seven eight I love it", "one two three four five six seven eight I hate it"]
    short, long = (train(base="embedded:minilm", max_length=n).runtime.predict_proba(pair) for n in (8, 128))
    assert np.allclose(short[0], short[1])
    assert not np.allclose(long[0], long[1])


def test_frozen_word_vectors_stay_as_they_are(train: Train) -> None:
    assert train(freeze_embeddings=True).moved(WORDS) == 0
    assert train(freeze_embeddings=False).moved(WORDS) > 0


@pytest.mark.parametrize("rank", [2, 8])
def test_lora_moves_a_matrix_by_its_rank_only(small: Split, rank: int) -> None:
    knobs = Hyperparameters(method="lora", lora_rank=rank, learning_rate=1e-2, num_train_epochs=2)
    part = small.train.subset(range(64))
    plain = prepare("embedded:minilm", Hyperparameters().resolved(), part.labels, TrainingFolder(Path())).model
    tuned = Classifier(hyperparameters=knobs).fit(part, small.validation).model
    difference = (tuned.state_dict()[QUERY] - plain.state_dict()[QUERY]).numpy()
    values = np.linalg.svd(difference, compute_uv=False)
    assert values[rank - 1] > 1e-4
    assert values[rank] < 1e-4 * values[0]


def test_the_probe_learns_and_leaves_the_encoder_alone(small: Split, tmp_path: Path) -> None:
    probe = Classifier(hyperparameters=Hyperparameters(method="probe")).fit(small.train, small.validation)
    majority = max(small.test.counts.values()) / len(small.test)
    assert probe.score(small.test)["accuracy"] > majority
    assert probe.card["strength"] in (0.1, 1.0, 10.0)
    probe.save(tmp_path / "probe")
    again = Classifier.load(tmp_path / "probe").predict_proba(small.test.texts[:5])
    assert np.allclose(again, probe.predict_proba(small.test.texts[:5]), atol=1e-6)


def test_eval_steps_and_save_steps_say_how_often(train: Train) -> None:
    outcome = train(eval_steps=2, save_steps=4, keep=True)
    assert [point["step"] for point in outcome.card["curve"] if "eval_loss" in point] == [2, 4, 6, 8]
    assert outcome.saves >= 3, "at each save_steps, and whenever it is the best so far"
    often, seldom = train(eval_steps=1), train(eval_steps=8)
    assert torch.equal(often.after[QUERY], seldom.after[QUERY]), "to look draws nothing from training's random numbers"
    with pytest.raises(BakeoffError, match=r"save_steps as a multiple of eval_steps \(2\).*use --save-steps 4"):
        train(eval_steps=2, save_steps=3)


def test_early_stopping_ends_a_run_without_gain(train: Train) -> None:
    still = {"learning_rate": 1e-9, "num_train_epochs": 5, "eval_steps": 1, "keep": True}
    assert train(early_stopping_patience=2, **still).card["steps"] == 3
    assert train(early_stopping_patience=0, **still).card["steps"] == 20


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "loss"])
def test_the_best_checkpoint_is_kept(train: Train, metric: str) -> None:
    key, best = f"eval_{metric}", min if metric == "loss" else max
    outcome = train(metric_for_best_model=metric, eval_steps=1, learning_rate=1e-3, num_train_epochs=3, keep=True)
    scores = {point["step"]: point[key] for point in outcome.card["curve"] if key in point}
    assert scores[outcome.card["best_step"]] == best(scores.values())
    seldom = {"save_steps": 12, "eval_steps": 1, "learning_rate": 1e-3, "num_train_epochs": 3, "keep": True}
    again = train(metric_for_best_model=metric, **seldom)
    assert torch.equal(again.after[QUERY], outcome.after[QUERY]), "also where checkpoints are seldom"


def test_precision_and_device_are_chosen_and_said(train: Train) -> None:
    exact, rounded = train(precision="float32"), train(precision="bfloat16")
    assert (exact.card["precision"], rounded.card["precision"]) == ("float32", "bfloat16")
    assert not torch.equal(exact.after[QUERY], rounded.after[QUERY])
    assert train(device="cpu").card["device"] == "cpu"
    absent = "cuda" if torch.backends.mps.is_available() else "mps"
    with pytest.raises(BakeoffError, match=r"a device among .*cpu"):
        train(device=absent)
