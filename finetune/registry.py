"""The classifiers of this workspace, and which of them is champion: the one the agent uses."""

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.classifier import CARD, TOLD, Classifier
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from lab.console import Console
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.settings import settings
from lab.workspace import Workspace, fingerprint, folder_fingerprint, is_plain, lock, read_json, write_json

CHAMPION = "champion.json"
REFIT = re.compile(r"-refit\d*$")  # ends the id of a classifier that learned from the validation texts too
TRAIN_COMMAND = "bakeoff train"


@dataclass(frozen=True)
class Trained:
    """A classifier with its id in the registry, and whether this call had to train it."""

    id: str
    classifier: Classifier
    reused: bool


def train_or_reuse(
    train: Dataset,
    validation: Dataset,
    hyperparameters: Hyperparameters,
    base: str = "embedded:minilm",
    fresh: bool = False,
    report_to: Sequence[str] = (),
    may_reign: bool = True,
    refit: int = 0,
) -> Trained:
    """Return the classifier of this data, base and setting; train it if it is not there, or `fresh` is asked for.

    A training that was cut off goes on from its last checkpoint. Where a workspace has no champion this becomes it,
    unless it is a probe or may not reign, for what it labels is not what users classify. With `refit` it is trained
    so many times more, on `validation` too, and the mean of these is returned; it and the first are in the registry.

    Raises:
        BakeoffError: it cannot be trained; see `Classifier.fit` and `Classifier.refit`.
    """
    for line in hyperparameters.remarks():
        Console().note(line)
    warn_of_refit(base)
    if refit and hyperparameters.method == "probe":
        raise BakeoffError("a method that trains in steps", "probe, which cannot be refitted", "leave out the refit")
    may_reign = may_reign and hyperparameters.method != "probe"
    first = TrainingFolder.of(classifier_id(train, validation, hyperparameters, base), refit, fresh)
    learned = Classifier(base, hyperparameters)
    trained = _made(first, fresh, lambda: learned.fit(train, validation, first, report_to))
    _make_ready(classifier_folder(trained.id), validation, may_reign and not refit)
    if not refit:
        return trained
    again, chosen = TrainingFolder.of(refit_id(trained.id, refit), refit, fresh), trained.classifier

    def refitted() -> Classifier:
        if first.state and not again.state:  # so that --resume finds it from now on
            again.start(first.state | {"classifier": again.path.name, "refit": refit}, os.getpid())
        return chosen.refit(train, validation, again, report_to, refit)

    outdated = not trained.reused and classifier_folder(again.path.name).exists()
    trained = _made(again, fresh or outdated, refitted)
    _make_ready(classifier_folder(trained.id), validation, may_reign)
    return trained


def _made(training: TrainingFolder, fresh: bool, make: Callable[[], Classifier]) -> Trained:
    """Return the classifier that a training makes; make it if it is not there, or `fresh` is or was asked for."""
    identifier = training.path.name
    folder = classifier_folder(identifier)
    with lock(folder.with_suffix(".lock"), f"the classifier {identifier}", wait_seconds=3600):
        if folder.exists() and not fresh and not training.replaces:
            if training.is_cut_off:  # killed before it could say that it is done
                training.end("finished")
            return Trained(identifier, Classifier.load(folder, exported=False), reused=True)
        if fresh:
            training.forget()
        try:
            classifier = make()
            classifier.save(folder)
        except BaseException as error:
            if training.state.get("status") == "running":  # between its trainings, or after the last
                training.end_by(error)
            raise
        if training.state:
            training.end("finished")
    return Trained(identifier, classifier, reused=False)


def _make_ready(folder: Path, validation: Dataset, may_reign: bool) -> None:
    """Let a classifier reign where there is no champion, and give a champion the export that it serves from."""
    from finetune.serving import FOLDER, MEASURED, export_classifier

    concerned = (folder.name, None) if may_reign else (folder.name,)
    if champion_id() not in concerned:
        return  # without waiting for the lock
    with champion_lock():
        if champion_id() not in concerned:
            return
        if not (folder / FOLDER / MEASURED).exists():
            export_classifier(folder, validation)
        if champion_id() is None:
            set_champion(folder.name, "the first classifier of this workspace")


def classifier_id(train: Dataset, validation: Dataset, hyperparameters: Hyperparameters, base: str) -> str:
    """Return the id of a classifier: the name of its data, and eight digits that stand for all that decides it."""
    knobs = hyperparameters.heeded().resolved().model_dump()
    weights = [folder_fingerprint(Path(base))] if Path(base).is_dir() else []  # what another has put there since
    key = fingerprint(train.fingerprint, validation.fingerprint, base, knobs, *weights)
    return f"{_slug(train.name)}-{key[:8]}"


def refit_id(identifier: str, refit: int) -> str:
    """Return the id of the classifier that is the mean of so many refits of one; of none, it is that one."""
    return f"{identifier}-refit{refit if refit > 1 else ''}" if refit else identifier


def warn_of_refit(base: str) -> None:
    """Warn where training is to start from weights that may have learned the texts that are to judge them."""
    if REFIT.search(Path(base).name):
        Console().warn(f"{base} is a refit: it may know these validation texts, and then what they tell flatters it")


def measured_by(identifier: str) -> str:
    """Return the id of the classifier by whose answers to validation texts this one is to be judged.

    It is itself, or, for a refit, the one before it: that has not learned them.
    """
    return REFIT.sub("", identifier)


def classifier_folder(identifier: str) -> Path:
    """Return where a classifier lies, or would lie."""
    return Workspace.current().classifiers / identifier


def find_classifier(identifier: str) -> Path:
    """Return the folder of a classifier that is there.

    Raises:
        BakeoffError: there is none of that id.
    """
    folder = classifier_folder(identifier)
    if not is_plain(identifier) or not (folder / CARD).exists():
        raise BakeoffError(f"the classifier {identifier}", "no such folder", "see: bakeoff classifier list")
    return folder


def champion() -> tuple[str, Classifier]:
    """Return the champion's id and the classifier; BAKEOFF_CLASSIFIER names another to use in its place.

    Raises:
        BakeoffError: no classifier was trained yet; names the command that trains one.
    """
    identifier = settings().classifier or champion_id()
    if identifier is None:
        raise BakeoffError("a trained classifier", "none in this workspace", f"train one with: {TRAIN_COMMAND}")
    return identifier, Classifier.load(find_classifier(identifier))


def champion_lock() -> AbstractContextManager[None]:
    """Hold the right to change the champion for a block; whoever has it may be exporting, which takes a while."""
    return lock(Workspace.current().classifiers / "champion.lock", "the champion", wait_seconds=600)


def champion_id() -> str | None:
    """Return the champion's id, or None before the first training."""
    events = champion_history()
    return str(events[-1]["classifier"]) if events else None


def champion_history() -> list[dict[str, Any]]:
    """Return every change of champion, oldest first: classifier, since, why, and the comparison behind it."""
    pointer = Workspace.current().classifiers / CHAMPION
    if not pointer.exists():
        return []
    document = read_json(pointer, "classifier")
    return list(document.get("history") or [{"classifier": document["classifier"], "since": None, "why": "unknown"}])


def set_champion(identifier: str, why: str, **measured: Any) -> dict[str, Any]:
    """Make a classifier champion and record why; the pointer is one file, replaced at once or not at all."""
    event = {"classifier": identifier, "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "why": why, **measured}
    pointer = Workspace.current().classifiers / CHAMPION
    write_json(pointer, {"classifier": identifier, "history": [*champion_history(), event]})
    return event


def describe_classifier(identifier: str) -> dict[str, Any]:
    """Return all that is known of a classifier: setting, card, its export's measurements (or None), its history.

    Raises:
        BakeoffError: there is none of that id.
    """
    from finetune.serving import FOLDER, MEASURED

    folder = find_classifier(identifier)
    measured = folder / FOLDER / MEASURED
    history = [event for event in champion_history() if event["classifier"] == identifier]
    return {
        "classifier": identifier,
        "champion": identifier == champion_id(),
        **read_json(folder / CARD, *TOLD),
        "serving": read_json(measured) if measured.exists() else None,
        "history": history,
    }


def list_classifiers() -> list[dict[str, Any]]:
    """Return the card of each classifier with its id, and whether it is champion."""
    best = champion_id()
    return [
        {"classifier": path.parent.name, "champion": path.parent.name == best, **read_json(path, *TOLD)}
        for path in sorted(Workspace.current().classifiers.glob(f"[!.]*/{CARD}"))
    ]


def _slug(name: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in name.lower()).strip("-")[:32] or "data"
