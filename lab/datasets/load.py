"""One string names a dataset: "tweets" or another set of the study, a file, or "hf:org/name"."""

from dataclasses import replace
from pathlib import Path

from lab.datasets.examples import Dataset, Origin, Split
from lab.datasets.files import load_file
from lab.datasets.hub import load_hub
from lab.datasets.splits import split_dataset
from lab.datasets.study import SETS, load_study
from lab.errors import BakeoffError


def load_dataset(data: str = "tweets", text_column: str = "text", label_column: str = "label") -> Dataset:
    """Load a dataset of at least two classes.

    Raises:
        BakeoffError: it cannot be read, or has one class only.
    """
    dataset = _load(data, text_column, label_column)
    if len(dataset.labels) < 2:
        raise BakeoffError(
            f"at least two labels in {data}",
            f"only '{dataset.labels[0]}' in {len(dataset)} rows",
            "check --label-column, or add examples of another label",
        )
    return replace(dataset, origin=Origin(data, text_column, label_column))


def load_split(origin: Origin) -> Split:
    """Load what `origin` names and split it as it was split then.

    Raises:
        BakeoffError: it cannot be loaded any more.
    """
    return split_dataset(load_dataset(origin.data, origin.text_column, origin.label_column), origin.seed or 0)


def _load(name: str, text_column: str, label_column: str) -> Dataset:
    if name in SETS:
        return load_study(name)
    if name.startswith("hf:"):
        identifier, _, split = name.removeprefix("hf:").partition("@")
        return load_hub(identifier, text_column, label_column, split or "train")
    return load_file(Path(name), text_column, label_column)
