"""What a network says of a text moves with the texts beside it; what a run records does not, however it comes about."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals import Suite, load_suite, run_suite
from evals.answers import FILE
from evals.parallel import Crew
from evals.reproduce import compare_records
from evals.runner import RECORDS, Run
from evals.scenarios import Plan, Scenario, Step
from evals.scenarios.scenario import facts
from lab.datasets import Dataset, Split


@pytest.fixture
def suite(my_csv: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """RAG with the embedded LLM, whose answers are predicted four at once and kept."""
    monkeypatch.setattr("evals.work.CHUNK", 4)
    arms = "[{approach: rag, k: 1, llm: 'embedded:smollm2'}]"
    Path("own.yaml").write_text(f"name: own\ndataset: {my_csv}\nlatency_sample: 1\nreference: rag\narms: {arms}\n")
    return load_suite("own.yaml")


@pytest.fixture
def asking(small: Split) -> Callable[[int, int], Plan]:
    """Plan two tests of so many texts, after the same training."""

    def plan(one: int, other: int) -> Plan:
        texts = small.test.examples
        tests = {"one": Dataset("one", texts[:one]), "other": Dataset("other", texts[40 : 40 + other])}
        train, validation = small.train.subset(range(60)), small.validation.subset(range(10))
        scenario = Scenario("", 0, 0, validation, (Step("", train, tests),))
        return Plan((scenario,), facts("small", "always the same", 60, 10, one + other, labels=train.labels))

    return plan


def _answers(run: Run) -> list[tuple[Any, ...]]:
    return [(*one.question, one.label, one.scores, tuple(one.evidence), one.tokens) for one in run.records()]


def test_records_are_the_same_side_by_side_and_cut_off_anywhere(
    suite: Suite, asking: Callable[[int, int], Plan], workspace: Path
) -> None:
    run = run_suite(suite, plan=asking(6, 5))
    whole, records = _answers(run), run.folder / RECORDS
    assert len(whole) == 11
    beside = run_suite(suite, plan=asking(6, 5), fresh=True, crew=Crew(2, "threads"))
    assert _answers(beside) == whole
    chance = random.Random(0)
    for keeps_answers in (False, True):  # a kill in the middle of writing leaves a part of the journal
        os.truncate(records, chance.randrange(1, records.stat().st_size))
        if not keeps_answers:
            (workspace / FILE).unlink()
        resumed = run_suite(suite, plan=asking(6, 5))
        assert _answers(resumed) == whole


def test_more_texts_than_before_give_the_records_of_all_at_once(
    suite: Suite, asking: Callable[[int, int], Plan], setting: Callable[[str, str], None], tmp_path: Path
) -> None:
    at_once = run_suite(suite, plan=asking(6, 5))
    setting("BAKEOFF_HOME", str(tmp_path / "other"))
    few = run_suite(suite, plan=asking(3, 2))
    more = run_suite(suite, plan=asking(6, 5))
    assert len(few.records()) == 5
    assert compare_records(at_once, more).identical
