"""Labelled texts from the Hugging Face hub, or from a local folder in its layout."""

from collections.abc import Iterator

from lab.datasets.examples import Dataset
from lab.datasets.files import Row, dataset_from_rows
from lab.errors import BakeoffError
from lab.redact import reason
from lab.settings import settings


def load_hub(identifier: str, text_column: str, label_column: str, split: str = "train") -> Dataset:
    """Read one split of a hub dataset ("org/name" or a local folder); integer classes become their names.

    Raises:
        BakeoffError: the dataset or the split cannot be had, or a column is missing.
    """
    import datasets

    datasets.disable_progress_bars()
    token = settings().hf_token
    try:
        table = datasets.load_dataset(identifier, split=split, token=token.get_secret_value() if token else None)
    except Exception as error:  # the hub's client raises its own, requests', httpx' and builtin errors alike
        fix = "check the id and the network, or save the data as a file and give its path"
        raise BakeoffError(f"split '{split}' of the dataset {identifier}", reason(error), fix) from error
    feature = table.features.get(label_column)
    names = feature.names if isinstance(feature, datasets.ClassLabel) else None

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table, 1):
            if names:  # -1, the hub's "unlabelled", and None have no name
                index = row.get(label_column)
                row = {**row, label_column: names[index] if index is not None and index >= 0 else None}
            yield number, row

    return dataset_from_rows(f"hf:{identifier}", rows(), text_column, label_column, f"hf:{identifier}@{split}")
