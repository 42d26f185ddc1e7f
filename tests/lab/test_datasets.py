"""Labelled texts from tweets, files and the hub; bad input is one line that says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from lab.datasets import Dataset, load_dataset
from lab.datasets.study import label_of
from lab.errors import BakeoffError
from lab.workspace import Workspace

ROWS = [("great stuff", "good"), ("awful stuff", "bad"), ("lovely, really\nlovely", "good")]


def _csv(text: str, name: str = "my.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_the_tweets_are_those_of_the_study(tweets: Dataset) -> None:
    assert len(tweets) == 4200
    assert tweets.counts == {"positive": 2300, "negative": 1062, "neutral": 838}
    assert not any("&amp;" in text for text in tweets.texts)
    assert tweets.fingerprint == "d5ce376a4821ba2d"


@pytest.mark.parametrize(
    ("rating", "label"), [(-0.51, "negative"), (-0.5, "neutral"), (0.5, "neutral"), (0.6, "positive")]
)
def test_the_label_of_a_rating(rating: float, label: str) -> None:
    assert label_of(rating) == label


def test_an_archive_with_another_hash_is_refused(
    tweets: Dataset, setting: Callable[[str, str], None], tmp_path: Path
) -> None:
    shutil.copytree(Workspace.current().cache / "tweets", tmp_path / "cache" / "tweets")
    archive = next((tmp_path / "cache" / "tweets").glob("*.tar.gz"))
    archive.write_bytes(archive.read_bytes()[:-1])
    setting("BAKEOFF_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BakeoffError, match=r"SHA-256 5d7c06e027fc…; got [0-9a-f]{12}…; delete"):
        load_dataset("tweets")


def test_csv_jsonl_and_parquet_give_the_same_dataset() -> None:
    import csv

    with Path("my.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("t", "y"), *ROWS])
    Path("my.jsonl").write_text("".join(json.dumps({"t": t, "y": y}) + "\n" for t, y in ROWS))
    pyarrow.parquet.write_table(pyarrow.table({"t": [t for t, _ in ROWS], "y": [y for _, y in ROWS]}), "my.parquet")
    prints = {load_dataset(f"my.{kind}", "t", "y").fingerprint for kind in ("csv", "jsonl", "parquet")}
    assert len(prints) == 1


def test_a_hub_dataset_reads_from_a_local_folder_with_class_names() -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    table = datasets.Dataset.from_dict({"text": ["a b", "c d", "unlabelled"], "label": [1, 0, -1]}, features=features)
    table.to_parquet("folder/train.parquet")
    dataset = load_dataset(f"hf:{Path('folder').absolute()}")
    assert dataset.targets == ["yes", "no"]
    assert "left out 1 rows" in dataset.left_out[0]


def test_a_hub_dataset_that_cannot_be_had_is_one_line() -> None:
    with pytest.raises(BakeoffError, match="the dataset nobody/nothing"):
        load_dataset("hf:nobody/nothing")


def test_rows_without_text_or_label_are_counted_and_said() -> None:
    dataset = load_dataset(_csv("text,label\ngood one,a\n,b\nbad one,b\nno label,\n"))
    assert len(dataset) == 2
    assert dataset.left_out == ("my.csv: left out 2 rows without a text or a label (row 3, 5); fill them to use them",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            "text,y\na,b\n",
            r"a column 'label' in my\.csv, row 2; got the columns text, y; name yours with --text-column",
        ),
        ("text,label\na,x\nb,x\n", r"at least two labels in my\.csv; got only 'x' in 2 rows"),
        ("text,label\n", r"labelled rows in my\.csv; got 0 rows"),
        ("", r"labelled rows in my\.csv; got 0 rows"),
        ("text,label\n,\n", r"got 1 rows, none with text and label"),
    ],
)
def test_bad_files_are_one_line(content: str, complaint: str) -> None:
    with pytest.raises(BakeoffError, match=complaint):
        load_dataset(_csv(content))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("I love it, really,positive", "as many cells as the header in my.csv, row 3"),
        ('"open,positive', "CSV in my.csv"),
    ],
)
def test_a_broken_csv_row_is_never_half_used(line: str, complaint: str) -> None:
    with pytest.raises(BakeoffError) as raised:
        load_dataset(_csv(f"text,label\nfine,neutral\n{line}\ngood,positive\n"))
    assert complaint in str(raised.value)


def test_broken_encoding_names_its_row() -> None:
    Path("my.csv").write_bytes(b"text,label\nok,a\n" + b"caf\xe9,b\n")
    with pytest.raises(BakeoffError, match=r"UTF-8 text in my\.csv, row 3; got the byte 0xe9"):
        load_dataset("my.csv")


def test_broken_json_names_its_row() -> None:
    Path("my.jsonl").write_text('{"text": "a", "label": "b"}\n{"text": \n')
    with pytest.raises(BakeoffError, match=r"JSON in my\.jsonl, row 2"):
        load_dataset("my.jsonl")


def test_half_an_emoji_is_kept_as_a_replacement_character() -> None:
    Path("my.jsonl").write_text('{"text": "cut \\ud83d", "label": "a"}\n{"text": "whole", "label": "b"}\n')
    data = load_dataset("my.jsonl")
    assert data.texts[0] == "cut \N{REPLACEMENT CHARACTER}"
    assert data.fingerprint


@pytest.mark.parametrize("name", ["absent.csv", "notes.docx"])
def test_a_file_that_is_absent_or_of_another_kind(name: str) -> None:
    Path("notes.docx").write_text("x")
    with pytest.raises(BakeoffError):
        load_dataset(name)


def test_a_label_unseen_in_training_names_its_row() -> None:
    dataset = load_dataset(_csv("text,label\none,a\ntwo,b\n"))
    with pytest.raises(BakeoffError, match=r"a label seen in training \(a\); got 'b' at my\.csv:3"):
        dataset.require_known(["a"])
