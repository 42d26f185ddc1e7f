"""A real, small fine-tuning: it learns, it is kept, and its knobs are checked."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune import Classifier, Hyperparameters, champion, train_or_reuse
from finetune.encoders import LOWER_HALF, load_base
from finetune.estimate import small_steps
from finetune.folder import TrainingFolder
from finetune.methods import prepare
from finetune.registry import champion_id, classifier_id
from finetune.schedule import Schedule
from finetune.training import train_model
from lab.datasets import Dataset, Split
from lab.embeddings import model_folder
from lab.errors import BakeoffError
from lab.workspace import Workspace
from tests.conftest import QUICK, Outcome


def test_a_small_training_beats_the_majority(with_classifier: Path, small: Split) -> None:
    _, classifier = champion()
    majority = max(small.test.counts.values()) / len(small.test)
    assert classifier.score(small.test)["accuracy"] > majority + 0.05
    probabilities = classifier.predict_proba(["I love it", "I hate it", "x" * 100_000, "😀 مرحبا"])
    assert probabilities.shape == (4, 3)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert classifier.predict(["I love this, it is wonderful!"]) == ["positive"]


def test_the_card_tells_what_happened(with_classifier: Path, small: Split) -> None:
    card = champion()[1].card
    assert card["steps"] == Schedule.of(len(small.train), QUICK).total_steps
    assert card["epochs"] == pytest.approx(2)
    assert card["data_fingerprint"] == small.train.fingerprint
    losses = [point["loss"] for point in card["curve"] if "loss" in point]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]), "one batch of like length says little"
    assert sum("eval_loss" in point for point in card["curve"]) == 4
    assert card["estimate"]["seconds"] > 0
    assert card["estimate"]["memory_gb"] > 0
    assert card["estimate"]["usd"] is None


def test_saved_is_safetensors_and_loads_the_same(with_classifier: Path, small: Split) -> None:
    identifier, classifier = champion()
    folder = Workspace.current().classifiers / identifier
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "classifier.json"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)
    again = Classifier.load(folder).predict_proba(small.test.texts[:5])
    assert np.array_equal(again, classifier.predict_proba(small.test.texts[:5]))


def test_a_forecast_is_held_against_the_steps_that_were_done(small: Split) -> None:
    still = Hyperparameters(learning_rate=1e-9, num_train_epochs=5, eval_steps=1, early_stopping_patience=2)
    card = Classifier(LOWER_HALF, still).fit(small.train.subset(range(64)), small.validation).card
    estimate = card["estimate"]
    assert (card["steps"], estimate["steps"]) == (3, 20), "early stopping ends it"
    assert estimate["off_by"] == pytest.approx(card["seconds"] / (estimate["seconds"] * 3 / 20) - 1, abs=1e-3)


def test_the_same_setting_is_not_trained_twice(with_classifier: Path, small: Split) -> None:
    before = champion_id()
    trained = train_or_reuse(small.train, small.validation, QUICK)
    assert trained.reused
    assert trained.id == before


def test_a_fraction_of_an_epoch_is_that_fraction(small: Split) -> None:
    knobs = Hyperparameters(num_train_epochs=0.25, batch_size=8)
    classifier = Classifier(LOWER_HALF, knobs).fit(small.train, small.validation)
    batches = -(-len(small.train) // 8)
    assert classifier.card["steps"] == -(-batches // 4)
    assert classifier.card["epochs"] == pytest.approx(0.25, abs=0.02)


def test_the_seed_decides_everything(small: Split) -> None:
    def train(seed: int) -> np.ndarray:
        knobs = Hyperparameters(num_train_epochs=0.2, seed=seed)
        classifier = Classifier(LOWER_HALF, knobs).fit(small.train, small.validation)
        return classifier.predict_proba(small.test.texts[:4])

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_a_loss_that_is_no_number_ends_the_run(small: Split, tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "run")
    training = prepare("embedded:minilm", QUICK.resolved(), small.train.labels, folder)
    with torch.no_grad():  # weights that overflow at once, as a diverged run's do
        training.model.get_parameter("classifier.weight").fill_(float("inf"))
    folder.begin({})
    with pytest.raises(BakeoffError, match=r"a finite training loss.*lower --learning-rate"):
        train_model(training, small.train, small.validation)


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("learning_rate", float("nan")),
        ("learning_rate", -1e-5),
        ("num_train_epochs", -1),
        ("batch_size", 0),
        ("warmup_ratio", 1.5),
        ("lr_scheduler_type", "zigzag"),
        ("turbo", 1),
    ],
)
def test_a_knob_outside_its_limits_is_one_line(knob: str, value: object) -> None:
    with pytest.raises(BakeoffError, match=knob):
        Hyperparameters.checked(**{knob: value})


def test_a_base_that_is_none_is_one_line(small: Split, tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match="a BERT-like checkpoint"):
        Classifier(base=str(tmp_path)).fit(small.train, small.validation)


def test_a_validation_label_unseen_in_training_is_refused(small: Split) -> None:
    only = Dataset("part", tuple(e for e in small.train.examples if e.label != "neutral"))
    with pytest.raises(BakeoffError, match="a label seen in training"):
        Classifier().fit(only, small.validation)


def test_no_classifier_names_the_command_that_trains_one() -> None:
    with pytest.raises(BakeoffError, match="bakeoff train"):
        champion()


def test_train_prints_the_document_of_the_design(bakeoff: Callable[..., Outcome], small: Split) -> None:
    rows = [f'"{e.text.replace(chr(34), "")}",{e.label}' for e in small.train.examples[:120]]
    Path("my.csv").write_text("t,y\n" + "\n".join(rows) + "\n,positive\n", encoding="utf-8")
    command = ["train", "--data", "my.csv", "--text-column", "t", "--label-column", "y", "--num-train-epochs", "1"]
    forecast = bakeoff(*command, "--estimate", "--json")
    assert list(forecast.json) == ["seconds", "steps", "seconds_per_step", "epochs_per_hour", "memory_gb", "usd"]
    assert forecast.json["seconds"] > 0
    spoken = bakeoff(*command, "--estimate").out
    assert re.match(r"about \d+ s for 6 steps, [\d.]+ epochs per hour, [\d.]+ GB of memory, cost unknown", spoken)
    assert not Workspace.current().classifiers.exists(), "nothing is trained"
    told = bakeoff(*command, "--l2", "0.1", "--json")
    assert told.code == 0
    assert "left out 1 rows" in told.err
    document = told.json
    assert list(document) == [
        "classifier", "steps", "epochs", "seconds", "train_loss", "validation", "hyperparameters", "estimate",
        "best_step", "findings", "resumed_at", "device", "precision", "averaged",
    ]  # fmt: skip
    assert document["hyperparameters"]["weight_decay"] == 0.1
    estimate = document["estimate"]
    assert estimate["steps"] == document["steps"] == forecast.json["steps"]
    assert estimate["off_by"] == pytest.approx(document["seconds"] / estimate["seconds"] - 1, abs=1e-3)
    again = bakeoff(*command, "--l2", "0.1")
    assert "trained before" in again.err
    foretold = re.search(rf"took {document['seconds']:.1f} s, foretold ([\d.]+) s", again.out)
    assert foretold
    assert float(foretold[1]) == pytest.approx(estimate["seconds"], rel=0.02, abs=0.1)
    listed = bakeoff("classifier", "list", "--json").json
    assert [row["champion"] for row in listed] == [True]
    predicted = bakeoff("classifier", "predict", "what a day", "--json").json["predictions"][0]
    assert predicted["label"] in predicted["scores"]


def test_a_bad_knob_on_the_command_line_exits_with_one(bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("train", "--learning-rate", "nan")
    assert told.code == 1
    assert told.err.count("\n") == 1
    assert "--learning-rate takes" in told.err


@pytest.mark.parametrize(
    ("batch", "accumulation", "examples", "planned", "probed"),
    [
        (16, 1, 2939, 736, (16, 1, 12)),
        (16, 100, 2939, 736, (16, 2, 12)),
        (512, 1, 2939, 736, (512, 1, 3)),
        (10**6, 9, 160, 736, (160, 1, 6)),
        (16, 1, 480, 60, (16, 1, 6)),
        (16, 1, 480, 2, (16, 1, 3)),
    ],
)
def test_a_forecast_takes_no_more_texts_than_it_must(
    batch: int, accumulation: int, examples: int, planned: int, probed: tuple[int, int, int]
) -> None:
    wished = Hyperparameters(batch_size=batch, gradient_accumulation_steps=accumulation)
    knobs, steps = small_steps(wished, examples, planned)
    assert (knobs.batch_size, knobs.gradient_accumulation_steps, steps) == probed


def test_a_run_that_validates_early_has_logged_a_loss_by_then() -> None:
    schedule = Schedule.of(112, Hyperparameters(num_train_epochs=100, batch_size=16))
    assert schedule.logging_steps <= schedule.eval_steps


def test_other_weights_in_the_base_s_folder_make_another_classifier(tmp_path: Path, small: Split) -> None:
    ids = []
    for weights in ("one", "two", "one"):
        (tmp_path / "model.safetensors").write_text(weights)
        ids.append(classifier_id(small.train, small.validation, QUICK, str(tmp_path)))
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize("config", ["[]", '{"model_type": "bert", "hidden_size": "wide"}'])
def test_a_base_whose_configuration_is_none_is_one_line(config: str, tmp_path: Path) -> None:
    base = Path(model_folder("embedded:minilm"))
    for path in base.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BakeoffError, match="a BERT-like checkpoint with safetensors"):
        load_base(str(tmp_path), ["a", "b"])
