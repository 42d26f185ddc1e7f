"""A refit: the setting that validation chose, trained once more with the validation texts among the others."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.suggest.foresight import Foresight
from finetune.callbacks import Teller
from finetune.classifier import Classifier
from finetune.encoders import LOWER_HALF
from finetune.hyperparameters import Hyperparameters
from finetune.past import past_runs
from finetune.registry import champion_id, classifier_folder, describe_classifier, measured_by
from finetune.schedule import Schedule
from lab.datasets import Split, load_dataset, split_dataset
from lab.errors import BakeoffError
from tests.conftest import Outcome

COMMAND = [
    "train", "--data", "my.csv", "--base", LOWER_HALF, "--refit", "--metric-for-best-model", "loss",
    "--num-train-epochs", "2", "--eval-steps", "5", "--save-steps", "5", "--learning-rate", "2e-4",
]  # fmt: skip


def test_a_refit_learns_the_validation_texts_and_ends_where_the_first_was_best(
    my_csv: Path, bakeoff: Callable[..., Outcome], tmp_path: Path
) -> None:
    told = bakeoff(*COMMAND, "--json")
    assert told.code == 0, told.err
    refit = told.json["classifier"]
    first = measured_by(refit)
    split = split_dataset(load_dataset("my.csv"))
    cards = {name: describe_classifier(name)["card"] for name in (first, refit)}
    assert refit == f"{first}-refit"
    assert cards[refit]["examples"] == len(split.train) + len(split.validation) > cards[first]["examples"]
    share = cards[first]["best_step"] / cards[first]["total_steps"]
    planned = 2 * -(-cards[refit]["examples"] // 16)
    assert cards[refit]["steps"] == cards[refit]["total_steps"] == pytest.approx(share * planned, abs=1)
    assert not any("eval_loss" in point for point in cards[refit]["curve"])
    for said in ("validation", "reference", "data_fingerprint"):  # by texts that it has not learned
        assert cards[refit][said] == cards[first][said]
    assert cards[refit]["fit_seconds"] > cards[first]["fit_seconds"]

    assert champion_id() == refit, "the first classifier of a workspace is the one that was asked for"
    measured = {name: describe_classifier(name)["serving"] for name in (first, refit)}
    assert (measured[refit]["used"], measured[refit]["careful"]) == (
        measured[first]["used"],
        measured[first]["careful"],
    )
    assert measured[refit]["why"].endswith(f", measured of {first}")
    assert "accuracy" not in measured[refit]["int8"], "on texts that it has learned"
    judged = Foresight.measured(first, Classifier.load(classifier_folder(first)), split.validation)
    assert Foresight.of_champion().scale == judged.scale
    assert [run.name for run in past_runs().runs] == [first]

    listed = bakeoff("classifier", "list").out
    assert f"({cards[first]['validation']['accuracy']:.1%})" in listed, "in parentheses, for it is the first's"
    again = bakeoff(*COMMAND)
    assert "was trained before" in again.err
    assert f"validation accuracy of {first}, without these texts," in again.out
    lost = bakeoff("classifier", "promote", first)
    assert (lost.code, "significantly better" in lost.err) == (3, True), "both are of one split, and can be compared"


def test_a_refit_that_is_cut_off_in_either_training_goes_on_to_the_same_weights(
    my_csv: Path, bakeoff: Callable[..., Outcome], with_classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(validates: bool) -> Callable[..., None]:
        def on_step_end(self: Teller, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 8 and (args.eval_strategy != "no") == validates:
                raise KeyboardInterrupt

        return on_step_end

    for command, validates in ((COMMAND, True), (["train", "--resume"], False)):
        with monkeypatch.context() as patch:
            patch.setattr(Teller, "on_step_end", cut(validates))
            assert bakeoff(*command).code == 130
    told = bakeoff("train", "--resume", "--json")
    assert told.json["resumed_at"] == 5, told.err
    resumed = _digest(with_classifier, told.json["classifier"])
    whole = bakeoff(*COMMAND, "--fresh", "--json").json
    assert (whole["classifier"], whole["resumed_at"]) == (told.json["classifier"], 0)
    assert whole["classifier"].endswith("-refit")
    assert _digest(with_classifier, whole["classifier"]) == resumed


def test_between_the_two_trainings_resume_goes_on_too_and_a_champion_keeps_its_export(
    my_csv: Path, bakeoff: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [part for part in COMMAND if part != "--refit"]
    first = bakeoff(*plain, "--save-steps", "10", "--json").json["classifier"]
    assert champion_id() == first
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "refit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert bakeoff(*COMMAND, "--save-steps", "10", "--fresh").code == 130
    assert describe_classifier(first)["serving"], "trained anew, and exported anew"
    told = bakeoff("train", "--resume", "--json")
    assert (told.code, told.json["classifier"]) == (0, f"{first}-refit"), told.err
    assert champion_id() == first


def test_save_steps_that_fit_the_first_training_do_for_the_second(small: Split) -> None:
    knobs = Hyperparameters(num_train_epochs=1, batch_size=16)
    steps = Schedule.of(len(small.train), knobs).eval_steps
    saving = knobs.model_copy(update={"save_steps": steps})
    assert Schedule.of(len(small.train), saving).save_steps == steps
    both = len(small.train) + len(small.validation)
    assert Schedule.of(both, saving, 0.5, validates=False).save_steps == steps
    with pytest.raises(BakeoffError, match="save_steps as a multiple of eval_steps"):
        Schedule.of(both, saving)


def test_the_estimate_of_a_refit_is_that_of_two_trainings(my_csv: Path, bakeoff: Callable[..., Outcome]) -> None:
    both = bakeoff(*COMMAND, "--estimate", "--json").json
    first = bakeoff(*(part for part in COMMAND if part != "--refit"), "--estimate", "--json").json
    split = split_dataset(load_dataset("my.csv"))
    assert both["steps"] == first["steps"] + 2 * -(-(len(split.train) + len(split.validation)) // 16)
    assert both["seconds"] > both["steps"] * both["seconds_per_step"] > 0
    assert both["memory_gb"] > 0


def test_a_probe_is_not_refitted(my_csv: Path, bakeoff: Callable[..., Outcome], workspace: Path) -> None:
    told = bakeoff("train", "--data", "my.csv", "--method", "probe", "--refit")
    assert (told.code, "probe, which cannot be refitted" in told.err) == (1, True)
    assert not workspace.exists(), "before anything is trained"


def _digest(workspace: Path, identifier: str) -> str:
    return hashlib.sha256((workspace / "classifiers" / identifier / "model.safetensors").read_bytes()).hexdigest()
