"""A refit: the setting that validation chose, trained anew with the validation texts among the others."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.suggest.foresight import Foresight
from finetune.averaging import average_into
from finetune.background import condition
from finetune.callbacks import Teller
from finetune.checkpoints import mark_complete
from finetune.classifier import Classifier
from finetune.encoders import LOWER_HALF
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.past import past_runs
from finetune.registry import champion_id, classifier_folder, describe_classifier, measured_by
from finetune.schedule import Schedule
from lab.datasets import Split, load_dataset, split_dataset
from lab.errors import BakeoffError
from tests.conftest import Outcome

PLAIN = [
    "train", "--data", "my.csv", "--base", LOWER_HALF, "--metric-for-best-model", "loss",
    "--num-train-epochs", "2", "--eval-steps", "5", "--save-steps", "5", "--learning-rate", "2e-4",
]  # fmt: skip
COMMAND = [*PLAIN, "--refit", "1"]


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
    TrainingFolder.of(refit).end("interrupted")  # as if it had been killed before it said that it is done
    again = bakeoff(*COMMAND)
    assert TrainingFolder.of(refit).state["status"] == "finished"
    assert "was trained before" in again.err
    assert f"validation accuracy of {first}, without these texts," in again.out
    going_on = bakeoff("train", "--data", "my.csv", "--base", str(classifier_folder(refit)), "--method", "probe")
    assert (going_on.code, "it may know these validation texts" in going_on.err) == (0, True)
    lost = bakeoff("classifier", "promote", first)
    assert (lost.code, "significantly better" in lost.err) == (3, True), "both are of one split, and can be compared"


def test_the_mean_of_two_refits_that_is_cut_off_in_either_training_goes_on_to_the_same_weights(
    my_csv: Path, bakeoff: Callable[..., Outcome], with_classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(validates: bool, seed: int) -> Callable[..., None]:
        def on_step_end(self: Teller, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 8 and (args.eval_strategy != "no", args.seed) == (validates, seed):
                raise KeyboardInterrupt

        return on_step_end

    twice = [*PLAIN, "--num-train-epochs", "1.9", "--refit", "2"]  # a training that ends within an epoch
    for command, where in (
        (twice, (True, 0)),
        (["train", "--resume"], (False, 0)),
        (["train", "--resume"], (False, 1)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(Teller, "on_step_end", cut(*where))
            assert bakeoff(*command).code == 130
    for method in ("save", "average"):
        with monkeypatch.context() as patch:
            patch.setattr(Classifier, method, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            assert bakeoff("train", "--resume").code == 130
    folder = TrainingFolder(next((with_classifier / "trainings").glob("*-refit2")))
    assert folder.state["status"] == "interrupted"
    (folder.part(0) / "model.safetensors").write_bytes(b"truncated")
    told = bakeoff("train", "--resume", "--json")
    assert (told.json["resumed_at"], told.json["averaged"]) == (folder.state["total_steps"], 2), told.err
    assert "part-0/model.safetensors" in told.err
    assert "training 2 of 3" in told.err and "training 3 of 3" not in told.err
    mean = told.json["classifier"]
    assert mean.endswith("-refit2")
    assert not list((with_classifier / "trainings").glob("*/part-*")), "in the mean, and nowhere else any more"

    resumed = _digest(with_classifier, mean)
    with monkeypatch.context() as patch:
        patch.setattr(Teller, "on_step_end", cut(True, 0))
        assert bakeoff(*twice, "--fresh").code == 130
    whole = bakeoff("train", "--resume", "--json").json
    assert (whole["classifier"], whole["resumed_at"]) == (mean, 0), "both were to be made anew"
    assert _digest(with_classifier, mean) == resumed
    first = describe_classifier(measured_by(mean))["card"]
    card = describe_classifier(mean)["card"]
    assert card["validation"] == first["validation"]
    assert card["fit_seconds"] > first["fit_seconds"] + card["seconds"] > card["seconds"] > first["seconds"]
    assert card["estimate"]["steps"] == 2 * card["steps"] == 2 * card["total_steps"]
    assert f"{mean}: the mean of 2 trainings of {card['steps']} steps" in bakeoff("classifier", "show", mean).out


def test_what_a_training_of_several_leaves_is_never_taken_for_that_of_the_next() -> None:
    folder = TrainingFolder.of("tweets-0123abcd-refit3", refit=3)
    folder.begin({"draw": 0})
    for path in (folder.path / "checkpoint-9", folder.part(0)):
        path.mkdir()
        mark_complete(path)
    folder.turn_to(0)
    assert folder.step == 9
    folder.ask("pause")
    folder.turn_to(1)
    folder.begin({"draw": 1})
    assert (folder.step, folder.part(0).exists(), folder.request) == (0, True, "pause"), "asked between the two"
    assert condition(folder.path.name).which == "training 3 of 4"
    folder.end("interrupted")
    assert folder.is_begun
    folder.end("stopped")
    assert not folder.is_begun


def test_a_mean_is_the_mean_of_all_weights() -> None:
    models = [torch.nn.BatchNorm1d(3) for _ in range(3)]
    for number, model in enumerate(models):
        torch.nn.init.constant_(model.weight, number**2)
        for _ in range(1 + number):
            model(torch.ones(2, 3) * number)
    average_into(models[0], models[1:])
    mean, others = models[0].state_dict(), models[2].state_dict()
    assert mean["weight"].tolist() == pytest.approx([5 / 3] * 3)
    assert mean["running_mean"].tolist() == pytest.approx([0.244] * 3), "weights that no gradient moves as well"
    assert (mean["num_batches_tracked"].item(), others["weight"][0].item()) == (1, 4), "counts and others stay"


def test_between_the_two_trainings_resume_goes_on_too_and_a_champion_keeps_its_export(
    my_csv: Path, bakeoff: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bakeoff(*PLAIN, "--save-steps", "10", "--json").json["classifier"]
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


def test_the_estimate_of_a_refit_is_that_of_all_trainings(my_csv: Path, bakeoff: Callable[..., Outcome]) -> None:
    both = bakeoff(*PLAIN, "--refit", "3", "--estimate", "--json").json
    first = bakeoff(*PLAIN, "--estimate", "--json").json
    split = split_dataset(load_dataset("my.csv"))
    assert both["steps"] == first["steps"] + 3 * 2 * -(-(len(split.train) + len(split.validation)) // 16)
    assert both["seconds"] > both["steps"] * both["seconds_per_step"] > 0
    assert both["memory_gb"] > 0


def test_a_probe_is_not_refitted(my_csv: Path, bakeoff: Callable[..., Outcome], workspace: Path) -> None:
    told = bakeoff("train", "--data", "my.csv", "--method", "probe", "--refit", "1")
    assert (told.code, "probe, which cannot be refitted" in told.err) == (1, True)
    assert not workspace.exists(), "before anything is trained"


def _digest(workspace: Path, identifier: str) -> str:
    return hashlib.sha256((workspace / "classifiers" / identifier / "model.safetensors").read_bytes()).hexdigest()
