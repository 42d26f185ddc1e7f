"""Whole runs on real models: every arm, killed and resumed, on a user's own data."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals import load_suite, run_suite
from evals.approaches import build_approach
from evals.records import Journal
from lab.datasets import Dataset, Split
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
DOCUMENT = ["run_id", "suite", "dataset", "results", "comparisons", "verdict"]
RESULT = [
    "approach", "llm", "n", "failures", "accuracy", "accuracy_ci", "macro_f1", "latency_p50_ms", "latency_p95_ms",
    "fit_seconds", "update_seconds", "tokens", "cost_per_1k_usd", "cost_per_correct_usd",
]  # fmt: skip
COMPARISON = {"a", "b", "metric", "difference", "ci", "p_value", "p_adjusted", "test", "n"}


@pytest.fixture
def own_data(tweets: Dataset) -> Path:
    """A user's CSV of two classes under columns of his own, with one row that cannot be used."""
    wanted = [example for example in tweets.examples if example.label != "neutral"][:160]
    with Path("my.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(example.text, {"positive": 1, "negative": 0}[example.label]) for example in wanted]
        csv.writer(file).writerows([("t", "y"), *rows, ("no label", "")])
    return Path("my.csv").absolute()


@pytest.fixture
def own_suite() -> Path:
    """A user's suite: the built-in one with a quick training."""
    text = (ROOT / "evals" / "suites" / "sentiment.yaml").read_text()
    Path("quick.yaml").write_text(text.replace("num_train_epochs: 4", "num_train_epochs: 1").replace(": 20", ": 2"))
    return Path("quick.yaml").absolute()


def test_all_arms_on_own_data_give_the_document_of_the_design(
    own_data: Path, own_suite: Path, bakeoff: Callable[..., Outcome]
) -> None:
    command = [
        "eval",
        str(own_suite),
        "--no-estimate",
        "--data",
        str(own_data),
        "--text-column",
        "t",
        "--label-column",
        "y",
    ]
    told = bakeoff(*command, "--limit", "8", "--json")
    assert told.code == 0, told.err
    assert "left out 1 rows without a text or a label (row 162)" in told.err
    document = told.json
    assert list(document)[: len(DOCUMENT)] == DOCUMENT
    assert document["dataset"]["test"] == 8
    assert [list(row)[: len(RESULT)] for row in document["results"]] == [RESULT] * 7
    assert all(row["n"] == 8 and row["failures"] == 0 for row in document["results"])
    assert all(set(pair) >= COMPARISON for pair in document["comparisons"])
    assert set(document["verdict"]) == {"winner", "statement", "because", "would_change_if"}
    _check_portability(document, told.err)
    again = bakeoff(*command, "--limit", "8", "--json")
    assert again.json == document
    assert again.err.count("all 8 answers are there from before") == 7
    listed = bakeoff("runs", "list", "--json").json
    assert [row["run_id"] for row in listed] == [document["run_id"]]
    shown = bakeoff("runs", "show", document["run_id"])
    assert "report: .bakeoff/runs/" in shown.out
    assert bakeoff("runs", "show", "../etc").code == 1


def _check_portability(document: dict[str, Any], told: str) -> None:
    """The second base LLM used the first one's index, and the run says so."""
    rag = [row for row in document["results"] if row["approach"] == "rag"]
    assert [row["llm"] for row in rag] == ["embedded:smollm2", "embedded:gemma3-270m"]
    assert "rag@embedded:gemma3-270m: nothing was re-indexed" in told
    assert any(pair["a"] == "rag@embedded:smollm2" and "gemma" in pair["b"] for pair in document["comparisons"])


def test_a_run_killed_in_the_middle_goes_on_without_repeating_or_losing(own_data: Path, tmp_path: Path) -> None:
    arguments = ["eval", "--no-estimate", "--data", str(own_data), "--text-column", "t", "--label-column", "y"]
    command = [sys.executable, "-m", "cli", *arguments, "--only", "zero_shot", "--only", "knn", "--only", "majority"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        records = _wait_for_records(tmp_path, process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = records.read_bytes().rpartition(b"\n")[0]
    assert not (records.parent / "results.json").exists()
    done = subprocess.run([*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert records.read_bytes().startswith(before), "what was recorded stays as it was"
    keys = [(row["arm"], row["example"]) for row in Journal(records).rows()]
    size = json.loads(done.stdout)["dataset"]["test"]
    assert len(keys) == len(set(keys)) == 3 * size


def _wait_for_records(folder: Path, process: "subprocess.Popen[bytes]") -> Path:
    for _ in range(1200):
        found = list(folder.glob(".bakeoff/runs/*/records.jsonl"))
        if found and found[0].stat().st_size:
            return found[0]
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    raise AssertionError("no record in a minute")


def test_an_arm_that_cannot_be_made_ready_fails_alone(own_data: Path, bakeoff: Callable[..., Outcome]) -> None:
    arms = "[{approach: majority, name: commonest}, {approach: finetuned, base: nobody/nothing}]"
    Path("x.yaml").write_text(f"name: x\nlatency_sample: 1\narms: {arms}\n")
    told = bakeoff(
        "eval",
        "x.yaml",
        "--no-estimate",
        "--data",
        str(own_data),
        "--text-column",
        "t",
        "--label-column",
        "y",
        "--json",
    )
    assert told.code == 0
    majority, finetuned = told.json["results"]
    assert majority["approach"] == "commonest"
    assert majority["failures"] == 0
    assert finetuned["failures"] == finetuned["n"]
    assert finetuned["accuracy"] is None
    assert "finetuned failed: expected a BERT-like checkpoint" in told.err


def test_failures_are_asked_again_only_when_wanted(own_data: Path) -> None:
    broken = load_suite("sentiment").only(["majority"], [])
    suite = broken.model_copy(update={"dataset": str(own_data), "text_column": "t", "label_column": "y"})
    run = run_suite(suite, "3")
    journal = Journal(run.folder / "records.jsonl")
    row = next(journal.rows())
    journal.append([row | {"label": None, "failure": "no answer in time"}])
    assert [record.failure for record in run_suite(suite, "3").records()].count("no answer in time") == 1
    assert all(record.failure is None for record in run_suite(suite, "3", retry_failures=True).records())


def test_a_budget_stops_cleanly_and_the_same_command_goes_on(
    own_data: Path, bakeoff: Callable[..., Outcome], setting: Callable[[str, str], None]
) -> None:
    command = ["eval", "--no-estimate", "--data", str(own_data), "--text-column", "t", "--label-column", "y", "--json"]
    command += ["--only", "majority", "--only", "knn", "--limit", "20"]
    told = bakeoff(*command, "--max-minutes", "0")
    assert told.code == 0
    assert "stopped, 0 minutes are over; the same command goes on" in told.err
    assert told.json["verdict"]["statement"].startswith("Unfinished: 40 answers")
    assert "the price of an hour of this machine" in bakeoff(*command, "--budget-usd", "1").err
    setting("BAKEOFF_USD_PER_HOUR", "1")
    assert "of $1e-09 are spent" in bakeoff(*command, "--budget-usd", "1e-9").err
    assert bakeoff(*command, "--budget-usd", "1").json["verdict"]["winner"] is None
    unpriced = ("--only", "rag@openai:unheard-of", "--llm", "openai:unheard-of")
    told = bakeoff("eval", "sentiment", *unpriced, "--budget-usd", "1")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "a price of openai:unheard-of" in told.err


@pytest.mark.parametrize("name", ["majority", "knn", "linear_probe", "finetuned"])
@pytest.mark.usefixtures("with_classifier")  # so that no other becomes champion, and is exported
def test_an_update_takes_in_what_is_new(name: str, small: Split) -> None:
    suite = load_suite("sentiment").only([name], [])
    quick = suite.arms[0].hyperparameters.model_copy(update={"num_train_epochs": 0.5})
    approach = build_approach(suite.arms[0].model_copy(update={"hyperparameters": quick}), suite)
    old = small.train.subset(range(100))
    new = small.train.subset(range(100, 160))
    approach.fit(old, small.validation).update(new)
    predictions = approach.predict(new.texts)
    assert all(prediction.label in small.train.labels for prediction in predictions)
    if name == "knn":  # each new text's nearest example is itself
        sources = [example.source for example in new.examples]
        assert sum(s in p.evidence for s, p in zip(sources, predictions, strict=True)) == len(new)
