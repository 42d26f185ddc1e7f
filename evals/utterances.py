"""Utterances with the tools they need, as examples: those that routers learn from, and those they are judged on."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from agents.routing.utterances import FOLLOWS, Utterance, load_utterances
from evals.suite import Suite
from lab.datasets import Dataset, Example, read_rows
from lab.errors import BakeoffError

BUILT_IN = "routing"
VALIDATION = "validation"
COLUMNS = "name yours with --text-column and --label-column"


def lessons() -> Dataset:
    """Return what Bakeoff's router learns from, one Example an utterance: its turns in a row, its tools as label."""
    utterances = enumerate(load_utterances(), 1)
    return Dataset("utterances", tuple(_example(f"lesson#{n}", one, "utterances.yaml") for n, one in utterances))


def load_asked(suite: Suite) -> dict[str, Dataset]:
    """Return the utterances of a suite by part: "validation", and tests such as "plain" and "hard".

    The built-in ones lend their validation part to data that has none. An id begins with what is special about an
    utterance (the column `trait`), which `trait_of` tells.

    Raises:
        BakeoffError: the file cannot be read, a column is missing, or a label names no tool.
    """
    built_in = Path(str(files("evals"))) / "suites" / "routing.jsonl"
    path = built_in if suite.dataset == BUILT_IN else Path(suite.dataset)
    found: dict[str, list[Example]] = {}
    for number, row in read_rows(path):
        cells = [_cell(row, column, path, number) for column in (suite.text_column, suite.label_column)]
        if not all(cells):
            raise BakeoffError(f"a text and a label in {path.name}, row {number}", "an empty cell", "fill it")
        history = row.get("history") or []
        turns = [history] if isinstance(history, str) else [str(turn) for turn in history]
        utterance = Utterance.of(FOLLOWS.join([*turns, cells[0]]), cells[1])
        part, trait = (str(row.get(column) or default) for column, default in (("part", "test"), ("trait", "any")))
        found.setdefault(part, []).append(_example(f"{trait}#{number}", utterance, f"{path.name}:{number}"))
    if not found.keys() - {VALIDATION}:
        raise BakeoffError(f"utterances to be judged on in {path.name}", "none", "add some: one per row")
    parts = {part: Dataset(path.stem, tuple(own)) for part, own in found.items()}
    if VALIDATION not in parts:
        parts[VALIDATION] = load_asked(suite.model_copy(update=_OWN))[VALIDATION]
    return parts


_OWN = {"dataset": BUILT_IN, "text_column": "text", "label_column": "label"}


def trait_of(example: str) -> str:
    """Return what is special about an utterance, told by its id."""
    return example.rpartition("#")[0]


def _example(identifier: str, utterance: Utterance, source: str) -> Example:
    return Example(identifier, utterance.told, utterance.label, source)


def _cell(row: Mapping[str, Any], column: str, path: Path, number: int) -> str:
    if column not in row:
        raise BakeoffError(f"a column '{column}' in {path.name}, row {number}", f"{', '.join(row) or 'none'}", COLUMNS)
    return str(row[column] or "").strip()
