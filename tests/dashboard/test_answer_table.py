"""The table of answers says what the records say: the latest of each arm, failures apart, cut lines left out."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dashboard.answer_table import FAILED, MISSING, AnswerTable, Place, table_from, table_of
from dashboard.browsing import Wanted, rivals, rows_of
from evals.records import Record
from evals.suite import Suite

ARMS = ("finetuned", "rag@embedded:smollm2", "knn")
Recorded = Callable[..., Record]


@pytest.fixture
def recorded() -> Recorded:
    def make(arm: str, example: str, label: str | None, target: str = "positive", **more: object) -> Record:
        fields = {"text": f"Text of {example}", "failure": None if label else "timed out", "scores": {"positive": 0.5}}
        rest = {"evidence": [], "tokens": 0, "seconds": 0.1}
        return Record(arm=arm, example=example, target=target, label=label, **(fields | rest | more))  # type: ignore[arg-type]

    return make


@pytest.fixture
def records(recorded: Recorded) -> list[Record]:
    labels = {
        "a": ("positive", "negative", "negative"),
        "b": ("negative", "positive", "positive"),
        "c": ("positive",) * 3,
    }
    return [recorded(arm, one, label) for one, said in labels.items() for arm, label in zip(ARMS, said, strict=True)]


def lines(records: list[Record]) -> bytes:
    return "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records).encode()


def said(table: AnswerTable) -> dict[str, list[str | int]]:
    return {
        place.example: [table.labels[answer] if answer >= 0 else int(answer) for answer in answers]
        for place, answers in zip(table.places, table.answers, strict=True)
    }


def test_a_file_of_records_and_the_records_make_the_same_table(records: list[Record]) -> None:
    for table in (table_of(ARMS, lines(records)), table_from(records, ARMS)):
        assert said(table) == {
            "a": ["positive", "negative", "negative"],
            "b": ["negative", "positive", "positive"],
            "c": ["positive", "positive", "positive"],
        }
        assert list(table.texts) == ["Text of a", "Text of b", "Text of c"]


def test_the_latest_answer_stands_and_a_failure_is_neither_right_nor_wrong(
    records: list[Record], recorded: Recorded
) -> None:
    later = [recorded("knn", "a", None), recorded("finetuned", "b", "positive"), recorded("knn", "d", "neutral")]
    table = table_of(ARMS, lines([*records, *later]))
    assert said(table)["a"] == ["positive", "negative", FAILED]
    assert said(table)["b"][0] == "positive"
    assert said(table)["d"] == [MISSING, MISSING, "neutral"]
    assert not table.right[0, 2] and not table.wrong[0, 2] and table.wrong[3, 2]
    assert table.disputed().tolist() == [True, False, False, False]


def test_a_line_that_is_still_being_written_is_not_read(records: list[Record]) -> None:
    whole = lines(records)
    assert len(table_of(ARMS, whole + b'{"arm": "knn", "example": "e", "te')) == 3
    assert len(table_of(ARMS, b'{"arm": ')) == 0


def test_records_of_the_first_runs_lack_what_later_ones_tell(records: list[Record]) -> None:
    rows = [asdict(record) for record in records]
    early = [{name: row[name] for name in row if name not in ("scenario", "step", "test", "repeat")} for row in rows]
    table = table_of(ARMS, "".join(json.dumps(row) + "\n" for row in early).encode())
    assert table.places[0] == Place("", "", "test", 0, "a")


def test_texts_longer_than_a_block_of_the_reader_are_read(recorded: Recorded) -> None:
    long = recorded("knn", "long", "positive", text="word " * 1_500_000)
    table = table_of(ARMS, lines([long, recorded("knn", "short", "positive")]))
    assert len(table.texts[0]) == 7_500_000


def test_filters_find_their_texts(records: list[Record], recorded: Recorded) -> None:
    other = [recorded(arm, "e", "negative", "negative", test="typos", text="GREAT stuff") for arm in ARMS]
    table = table_of(ARMS, lines([*records, *other]))

    def found(show: str, **more: str) -> list[str]:
        wanted = Wanted("finetuned", "knn", show, **more)
        return [table.places[line].example for line in wanted.lines(table)]

    assert found("first") == ["a"]
    assert found("second") == ["b"]
    assert found("neither") == []
    assert found("disputed") == ["a", "b"]
    assert found("all", words="great") == ["e"]
    assert found("all", label="negative") == ["e"]
    assert found("all", test="test") == ["a", "b", "c"]
    assert dict(table.several) == {"test": ["test", "typos"]}


def test_the_table_begins_with_the_two_arms_and_marks_what_is_wrong(records: list[Record]) -> None:
    table = table_of(ARMS, lines([*records, replace(records[0], example="d", label=None, failure="no")]))
    rows = rows_of(table, [0, 3], ("knn", "finetuned")).to_pylist()
    assert list(rows[0]) == ["text", "target", "knn", "finetuned", "rag@smollm2"]
    assert rows[0] | {"text": ""} == {
        "text": "", "target": "positive", "knn": "✗ negative", "finetuned": "positive", "rag@smollm2": "✗ negative"
    }  # fmt: skip
    assert [rows[1][arm] for arm in ("knn", "finetuned", "rag@smollm2")] == ["–", "failed", "–"]


def test_a_tuned_arm_is_held_against_the_best_that_retrieves(records: list[Record], recorded: Recorded) -> None:
    suite = Suite.model_validate(
        {
            "name": "one",
            "arms": [{"approach": "finetuned"}, {"approach": "rag", "llm": "embedded:smollm2"}, {"approach": "knn"}],
        }
    )
    assert rivals(suite, table_of(ARMS, lines(records))) == ("finetuned", "rag@embedded:smollm2")


def test_a_run_of_two_thousand_texts_is_read_as_its_records_are(tmp_path: Path, recorded: Recorded) -> None:
    many = [recorded(arm, f"t-{number}", "positive" if number % 3 else None) for number in range(2_000) for arm in ARMS]
    table = table_of(ARMS, lines(many))
    assert (table.answers == FAILED).sum() == sum(record.label is None for record in many)
    assert table.right.sum() == sum(bool(record.correct) for record in many)
