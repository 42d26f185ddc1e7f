"""Champion and challenger: who answers in production is decided on the hold-out, paired, and written down."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from finetune.classifier import Classifier
from finetune.registry import champion_history, champion_id, champion_lock, find_classifier, set_champion
from finetune.serving import FOLDER, MEASURED, export_classifier
from lab.console import Console
from lab.datasets import Origin, Split, load_split
from lab.errors import BakeoffError, GateFailed
from lab.statistics import Comparison, compare

SIGNIFICANT = 0.05


def promote(challenger: str, forced_because: str | None = None) -> dict[str, Any]:
    """Make `challenger` champion if it is significantly better than the champion on the hold-out.

    Both answer the same test texts; the difference is tested by McNemar's exact test at 5 %. With a reason, nothing
    is required, and the reason is recorded.

    Returns what was recorded: classifier, since, why, comparison (None without one), looks (how often the hold-out
    has been used for promotions, this one included; each look makes a lucky win more likely).

    Raises:
        GateFailed: no significant gain, or the two learned from different data.
        BakeoffError: no such classifier, or its data cannot be loaded again.
    """
    folder = find_classifier(challenger)
    Classifier.load(folder, exported=False)  # a damaged one is refused before anything is measured or written
    with champion_lock():
        incumbent = champion_id()
        if incumbent == challenger:
            raise BakeoffError("a challenger", f"{challenger}, the champion itself", "see: bakeoff classifier list")
        if forced_because is not None:
            measured = _measured_if_possible(challenger, incumbent) if incumbent else None
            why = f"forced: {forced_because}"
        else:
            measured = _required(challenger, incumbent) if incumbent else None
            why = "a significant gain on the hold-out" if incumbent else "the first champion"
        _exported(folder)
        looks = 1 + sum(bool(event.get("comparison")) for event in champion_history())
        return set_champion(
            challenger, why, comparison=measured and asdict(measured), looks=looks if measured else looks - 1
        )


def rollback() -> dict[str, Any]:
    """Make the champion before this one champion again, and return what was recorded.

    Raises:
        BakeoffError: there was none before, or it is gone.
    """
    with champion_lock():
        current = champion_id()
        # A rollback undoes a promotion, so the one before it is what a second rollback goes back to.
        line: list[str] = []
        for event in champion_history():
            line = line[:-1] if event.get("rolled_back") else [*line, event["classifier"]]
        if len(line) < 2:
            raise BakeoffError("an earlier champion", "none", "see: bakeoff classifier list")
        find_classifier(line[-2])
        return set_champion(line[-2], f"rolled back from {current}", rolled_back=current)


def _required(challenger: str, incumbent: str) -> Comparison:
    """Return the comparison, if it is a win."""
    measured = _measured(challenger, incumbent)
    if measured is None:
        expected = f"two classifiers of the same data (the champion is {incumbent})"
        fix = f"train both on the same data, or force it with --force --reason '…' ({challenger})"
        raise GateFailed(expected, "different data fingerprints", fix)
    low, high = measured.ci
    told = (
        f"{measured.difference * 100:+.1f} points on {measured.n} texts"
        f" ({low * 100:+.1f} to {high * 100:+.1f}, p = {measured.p_value:.2g})"
    )
    if measured.difference <= 0 or measured.p_value >= SIGNIFICANT:
        more = f"; some {measured.needed} texts would settle it" if measured.needed and measured.difference > 0 else ""
        fix = f"train a better one, or force it with --force --reason '…'{more}"
        raise GateFailed(f"{challenger} to be significantly better than {incumbent}", told, fix)
    return measured


def _measured(challenger: str, incumbent: str) -> Comparison | None:
    """Return the paired comparison on the hold-out, or None when the two did not learn from the same data."""
    folders = {name: find_classifier(name) for name in (challenger, incumbent)}
    classifiers = {name: Classifier.load(folder, exported=False) for name, folder in folders.items()}
    if len({classifier.card["data_fingerprint"] for classifier in classifiers.values()}) > 1:
        return None
    split = learned_split(challenger, classifiers[challenger])
    outcomes = {}
    for name, classifier in classifiers.items():
        right = np.array(classifier.predict(split.test.texts)) == np.array(split.test.targets)
        outcomes[name] = {example.id: bool(hit) for example, hit in zip(split.test.examples, right, strict=True)}
    return next(iter(compare([(challenger, incumbent)], outcomes)))


def _measured_if_possible(challenger: str, incumbent: str) -> Comparison | None:
    """Return the comparison, or None where the data cannot be had any more; a promotion by force goes on without."""
    try:
        return _measured(challenger, incumbent)
    except BakeoffError as error:
        Console().note(f"not measured: {error}")
        return None


def _exported(folder: Path) -> None:
    """Export a classifier that is to serve, once; without its data an export cannot be measured, so there is none."""
    if (folder / FOLDER / MEASURED).exists():
        return
    classifier = Classifier.load(folder, exported=False)
    try:
        split = learned_split(folder.name, classifier)
    except BakeoffError as error:
        Console().note(f"{folder.name} will answer from PyTorch, without an export: {error}")
    else:
        export_classifier(folder, split.validation)


def learned_split(identifier: str, classifier: Classifier) -> Split:
    """Return the data a classifier was made from, parted as then.

    Raises:
        GateFailed: the data is another now.
        BakeoffError: it is not known, or cannot be loaded.
    """
    if classifier.card["origin"] is None:
        fix = "train it with: bakeoff train --data …"
        raise BakeoffError(f"to know the data of {identifier}", "examples put together in a program", fix)
    split = load_split(Origin(**classifier.card["origin"]))
    if split.train.fingerprint != classifier.card["data_fingerprint"]:
        got = f"{classifier.card['origin']['data']} with other content now"
        raise GateFailed(f"the data that {identifier} learned from", got, "restore the file, or train again on it")
    return split
