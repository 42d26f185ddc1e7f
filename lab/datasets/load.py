"""One string names a dataset: "tweets", a file, or "hf:org/name"."""

from pathlib import Path

from lab.datasets.examples import Dataset
from lab.datasets.files import load_file
from lab.datasets.hub import load_hub
from lab.datasets.tweets import load_tweets
from lab.errors import BakeoffError


def load_dataset(name: str = "tweets", text_column: str = "text", label_column: str = "label") -> Dataset:
    """Load a dataset of at least two classes.

    Raises:
        BakeoffError: it cannot be read, or has one class only.
    """
    dataset = _load(name, text_column, label_column)
    if len(dataset.labels) < 2:
        raise BakeoffError(
            f"at least two labels in {name}",
            f"only '{dataset.labels[0]}' in {len(dataset)} rows",
            "check --label-column, or add examples of another label",
        )
    return dataset


def _load(name: str, text_column: str, label_column: str) -> Dataset:
    if name == "tweets":
        return load_tweets()
    if name.startswith("hf:"):
        identifier, _, split = name.removeprefix("hf:").partition("@")
        return load_hub(identifier, text_column, label_column, split or "train")
    return load_file(Path(name), text_column, label_column)
