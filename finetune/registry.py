"""The classifiers of this workspace, and which of them is champion: the one the agent uses."""

from dataclasses import dataclass
from typing import Any

from finetune.classifier import CARD, Classifier
from finetune.hyperparameters import Hyperparameters
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.settings import settings
from lab.workspace import Workspace, fingerprint, lock, read_json, write_json

CHAMPION = "champion.json"
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
) -> Trained:
    """Return the classifier of this data, base and setting; train it if it is not there, or `fresh` is asked for.

    The first classifier of a workspace becomes its champion.
    """
    key = fingerprint(train.fingerprint, validation.fingerprint, base, hyperparameters.model_dump())
    identifier = f"{_slug(train.name)}-{key[:8]}"
    folder = Workspace.current().classifiers / identifier
    with lock(folder.with_suffix(".lock"), f"the classifier {identifier}", wait_seconds=3600):
        if folder.exists() and not fresh:
            return Trained(identifier, Classifier.load(folder), reused=True)
        classifier = Classifier(base, hyperparameters).fit(train, validation)
        classifier.save(folder)
    pointer = Workspace.current().classifiers / CHAMPION
    if not pointer.exists():
        write_json(pointer, {"classifier": identifier})
    return Trained(identifier, classifier, reused=False)


def champion() -> tuple[str, Classifier]:
    """Return the champion's id and the classifier; BAKEOFF_CLASSIFIER names another to use in its place.

    Raises:
        BakeoffError: no classifier was trained yet; names the command that trains one.
    """
    identifier = settings().classifier or champion_id()
    if identifier is None:
        raise BakeoffError("a trained classifier", "none in this workspace", f"train one with: {TRAIN_COMMAND}")
    folder = Workspace.current().classifiers / identifier
    if not (folder / CARD).exists():
        raise BakeoffError(f"the classifier {identifier}", "no such folder", "see: bakeoff classifier list")
    return identifier, Classifier.load(folder)


def champion_id() -> str | None:
    """Return the champion's id, or None before the first training."""
    pointer = Workspace.current().classifiers / CHAMPION
    return str(read_json(pointer)["classifier"]) if pointer.exists() else None


def list_classifiers() -> list[dict[str, Any]]:
    """Return the card of each classifier with its id, and whether it is champion."""
    best = champion_id()
    return [
        {"classifier": path.parent.name, "champion": path.parent.name == best, **read_json(path)}
        for path in sorted(Workspace.current().classifiers.glob(f"[!.]*/{CARD}"))
    ]


def _slug(name: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in name.lower()).strip("-")[:32] or "data"
