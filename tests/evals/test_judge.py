"""Records, results, verdict and report: what is counted, and how it is shown."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals.approach import Fit, Prediction
from evals.metrics import Measured, result_row
from evals.records import Journal, Question, Record, read_records
from evals.report import results_table, score
from evals.reporting.contents import SHOWN_FAILURES
from evals.reporting.tables import COST_HEADERS
from evals.runner import MANIFEST, MEASUREMENTS, RECORDS, Run
from evals.suite import Arm, Suite, load_suite
from evals.verdict import decide
from lab.datasets import Example
from lab.errors import BakeoffError
from lab.prices import Price
from lab.statistics import compare
from lab.workspace import write_json
from tests.conftest import Outcome

EVIL = "<script>alert(1)</script> & “quotes” \x1b[31m"


def _record(arm: str, number: int, label: str | None, target: str = "good") -> Record:
    example = Example(str(number), EVIL if number == 0 else f"text {number}", target, f"x:{number}")
    prediction = Prediction(label, None if label else "no answer in time")
    return Record.of(Question(arm, "", "", "test", 0, example.id), example, prediction, 0.5)


ARM = Arm(approach="rag", llm="embedded:x")


def test_a_failure_is_neither_right_nor_wrong() -> None:
    records = [_record("a", 1, "good"), _record("a", 2, "bad"), _record("a", 3, None)]
    row = result_row(ARM, records, Measured(Fit(2.0), (10.0, 20.0)), usd_per_hour=None)
    assert (row["n"], row["failures"], row["accuracy"]) == (3, 1, 0.5)
    assert row["latency_p50_ms"] == 15.0
    assert row["cost_per_1k_usd"] is None


def test_an_hourly_price_becomes_dollars() -> None:
    row = result_row(ARM, [_record("a", 1, "good")] * 2, Measured(Fit()), usd_per_hour=3600.0)
    assert row["cost_per_1k_usd"] == pytest.approx(500)
    assert row["cost_per_correct_usd"] == pytest.approx(0.5)


def test_a_remote_llm_costs_its_tokens_and_no_seconds_of_this_machine() -> None:
    arm, price = Arm(approach="rag", llm="openai:x"), Price(input=2.0, output=8.0, as_of=date.min, source="here")
    records = [replace(_record("a", n, "good"), tokens=500) for n in range(4)]
    row = result_row(arm, records, Measured(Fit(tokens=70)), usd_per_hour=3600.0, price=price)
    assert row["cost_per_1k_usd"] == pytest.approx(1.0)
    assert row["fit_tokens"] == 70
    assert result_row(arm, records, Measured(Fit()), usd_per_hour=3600.0)["cost_per_1k_usd"] is None
    uncounted = [_record("a", n, "good") for n in range(4)]
    assert result_row(arm, uncounted, Measured(Fit()), price=price)["cost_per_1k_usd"] is None


def test_a_server_on_this_machine_costs_its_seconds() -> None:
    arm, free = (
        Arm(approach="rag", llm="ollama:x"),
        Price(input=0, output=0, as_of=date.min, source="x", billed="seconds"),
    )
    row = result_row(arm, [_record("a", 1, "good")] * 2, Measured(Fit()), usd_per_hour=3600.0, price=free)
    assert row["cost_per_1k_usd"] == pytest.approx(500)


def test_an_arm_that_answered_nothing_has_no_accuracy() -> None:
    row = result_row(ARM, [_record("a", 1, None)], Measured(Fit()), None)
    assert row["accuracy"] is None
    assert row["macro_f1"] is None


def test_a_line_cut_by_a_crash_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / RECORDS
    Journal(path).append(asdict(_record("a", n, "good")) for n in (1, 2))
    with path.open("a") as file:
        file.write('{"arm": "a", "example": "3", "te')
    journal = Journal(path)
    journal.append([asdict(_record("a", 4, "good"))])
    assert sorted(question.example for question in read_records(journal)) == ["1", "2", "4"]


def test_reading_leaves_a_line_that_is_being_written_alone(tmp_path: Path) -> None:
    path = tmp_path / RECORDS
    Journal(path).append([asdict(_record("a", 1, "good"))])
    with path.open("a") as file:
        file.write('{"arm": "a", "exam')
    before = path.read_bytes()
    assert len(read_records(Journal(path))) == 1
    assert path.read_bytes() == before


def test_a_retried_failure_is_replaced_by_what_came_of_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / RECORDS)
    journal.append(asdict(_record("a", 1, label)) for label in (None, "good"))
    assert [record.correct for record in read_records(journal).values()] == [True]


def _row(key: str, right: int, answered: int, n: int) -> dict[str, Any]:
    counts = {"accuracy": right / answered, "n": n, "failures": n - answered}
    return {"key": key, "approach": key.split("@")[0], "llm": None, "fit_seconds": 1.0, **counts}


def _decided(tuned: list[bool], retrieved: list[bool]) -> tuple[str | None, str]:
    names = {"finetuned": tuned, "rag@x:y": retrieved}
    outcomes = {key: {str(i): hit for i, hit in enumerate(hits)} for key, hits in names.items()}
    rows = [_row(key, sum(hits), len(hits), len(hits)) for key, hits in names.items()]
    verdict = decide(rows, compare([("finetuned", "rag@x:y")], outcomes), "finetuned")
    return verdict.winner, verdict.statement


def test_an_arm_that_seldom_answers_is_no_rival() -> None:
    hits = {"finetuned": [True] * 90 + [False] * 10, "knn": [True] * 50 + [False] * 50, "rag@x:y": [True] * 3}
    outcomes = {key: {str(i): hit for i, hit in enumerate(own)} for key, own in hits.items()}
    rows = [_row(key, sum(own), len(own), 100) for key, own in hits.items()]
    verdict = decide(rows, compare([("finetuned", "knn"), ("finetuned", "rag@x:y")], outcomes), "finetuned")
    assert verdict.winner == "finetuned"
    assert "more accurate than knn" in verdict.statement
    assert "rag@x:y failed on 97 of 100 texts" in verdict.because


def test_the_verdict_needs_significance() -> None:
    assert _decided([True] * 90 + [False] * 10, [True] * 50 + [False] * 50)[0] == "finetuned"
    winner, statement = _decided([True] * 50 + [False] * 50, [True] * 90 + [False] * 10)
    assert winner == "rag@x:y"
    assert statement.startswith("Retrieve: rag@x:y is 40.0 points more accurate than finetuned")
    assert _decided([True] * 9 + [False], [True] * 8 + [False] * 2)[0] is None


@pytest.mark.parametrize(("right", "named"), [(98, True), (72, False), (60, False)])
def test_what_is_on_neither_side_is_named_only_if_it_beats_both(right: int, named: bool) -> None:
    hits = {"finetuned": 70, "knn": 71, "hybrid@x:y": right}
    outcomes = {key: {str(i): float(i < own) for i in range(100)} for key, own in hits.items()}
    rows = [_row(key, own, 100, 100) for key, own in hits.items()]
    pairs = [("finetuned", "knn"), ("finetuned", "hybrid@x:y")]
    verdict = decide(rows, compare(pairs, outcomes), "finetuned")
    assert verdict.winner is None
    said = "on neither side: hybrid@x:y is 28.0 points more accurate than finetuned (95 % interval +"
    assert (said in verdict.statement) == named


def test_without_a_pair_there_is_no_verdict() -> None:
    verdict = decide([_row("knn", 1, 2, 2)], [], "finetuned")
    assert verdict.winner is None
    assert verdict.statement.startswith("No verdict")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run as the runner leaves it, with a text that would be markup."""
    folder = tmp_path / "runs" / "x-1"
    suite = load_suite("sentiment").only(["finetuned", "knn"], [])
    manifest = {
        "suite": suite.model_dump(),
        "dataset": {"name": "<i>x</i>", "fingerprint": "f", "train": 4, "validation": 1, "test": 3},
        "machine": {"system": "s", "python": "p", "device": "cpu", "precision": "float32"},
        "packages": {"torch": "2"},
        "revision": None,
        "started": "2026-01-01",
    }
    write_json(folder / MANIFEST, manifest)
    rows = [_record(arm, n, label) for arm in ("finetuned", "knn") for n, label in enumerate(("bad", "good", None))]
    Journal(folder / RECORDS).append(asdict(row) for row in rows)
    fit = asdict(Fit(1.5, True, "trained before"))
    Journal(folder / MEASUREMENTS).append([{"arm": "finetuned", "fit": fit, "latencies_ms": [1.0]}])
    return Run(folder)


def test_the_report_is_one_file_in_which_data_stays_data(run: Run) -> None:
    score(run)
    html = (run.folder / "report.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;i&gt;x&lt;/i&gt;" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "no answer in time" in html
    assert "trained before" in html


def test_a_report_shows_no_more_failures_than_anybody_reads(run: Run) -> None:
    rows = [replace(_record("knn", n, None), failure=f"request {n} failed") for n in range(SHOWN_FAILURES + 7)]
    Journal(run.folder / RECORDS).append(asdict(row) for row in rows)
    score(run)
    html = (run.folder / "report.html").read_text()
    assert html.count("<li>knn: request") + html.count("<li>finetuned: no answer") == SHOWN_FAILURES
    assert "8 more; all are in the run" in html


def test_an_unfinished_run_has_no_verdict_and_no_results(run: Run) -> None:
    lines = (run.folder / RECORDS).read_text().splitlines(keepends=True)
    (run.folder / RECORDS).write_text("".join(lines[:4]))
    document = score(run)
    assert document["verdict"]["statement"].startswith("Unfinished: 2 answers are still to come")
    assert not (run.folder / "results.json").exists()


def test_scoring_again_gives_the_same_document(run: Run) -> None:
    first = score(run)
    saved = json.loads((run.folder / "results.json").read_text())
    assert json.loads(json.dumps(score(run))) == json.loads(json.dumps(first)) == saved


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: x\narms: []", "arms"),
        ("name: x\narms: [{approach: magic}]", "approach"),
        ("name: x\narms: [{approach: knn, k: 0}]", "k"),
        ("name: x\narms: [{approach: finetuned, hyperparameters: {learning_rate: .nan}}]", "learning_rate"),
        ("name: [", "x"),
        ("nonsense", "x"),
        ("name: x\nreference: magic\narms: [{approach: knn}]", "a reference among knn; got 'magic'"),
        ("name: x\narms: [{approach: knn, k: 1}, {approach: knn, k: 2}]", "two called 'knn'"),
    ],
)
def test_a_suite_that_is_none_names_what_is_wrong(text: str, complaint: str) -> None:
    Path("x.yaml").write_text(text)
    with pytest.raises(BakeoffError, match=complaint):
        load_suite("x.yaml")


@pytest.mark.parametrize("arms", ["[5]", "5", "[{approach: finetuned, hyperparameters: 5}]"])
def test_the_quick_form_of_a_suite_that_is_none_is_refused_for_what_it_is(arms: str) -> None:
    Path("mine.yaml").write_text(f"name: mine\nquick: {{test_limit: 5, hyperparameters: {{seed: 1}}}}\narms: {arms}\n")
    with pytest.raises(BakeoffError, match=r"a suite in mine\.yaml; got arms"):
        load_suite("mine.yaml", quick=True)


def test_flags_that_would_do_nothing_or_crash_later_are_refused(bakeoff: Callable[..., Outcome]) -> None:
    refused = {
        ("--text-column", "words"): "expected columns of a file of your own; got the built-in tweets",
        ("--fresh", "--resume"): "expected --fresh or --resume; got both",
        ("--seed", "5000000000"): "Invalid value for '--seed'",
    }
    for flags, words in refused.items():
        told = bakeoff("eval", "sentiment", *flags)
        assert told.code in (1, 2)
        assert words in told.err


def test_suites_by_name_by_arm_and_by_llm() -> None:
    suite = load_suite("sentiment", "openai:gpt-x")
    assert "rag@openai:gpt-x" in [arm.key for arm in suite.arms]
    assert [arm.key for arm in suite.only(["rag"], ["rag@openai:gpt-x"]).arms] == ["rag@embedded:gemma3-270m"]
    with pytest.raises(BakeoffError, match="a suite among"):
        load_suite("nosuch")
    with pytest.raises(BakeoffError, match="an arm among"):
        suite.only(["magic"], [])
    with pytest.raises(BakeoffError, match="at least one arm"):
        suite.only([], _all(suite))


def _all(suite: Suite) -> list[str]:
    return [arm.key for arm in suite.arms]


def test_both_costs_are_in_the_table_where_any_is_known_and_unknown_is_said() -> None:
    unknown = result_row(ARM, [_record("a", 1, "good")] * 2, Measured(Fit()))
    known = result_row(ARM, [_record("a", 1, "good"), _record("a", 2, "bad")], Measured(Fit()), usd_per_hour=3600.0)
    assert not set(COST_HEADERS) & set(results_table([unknown])[0])
    headers, rows = results_table([known, unknown])
    assert headers[-2:] == [*COST_HEADERS]
    assert [row[-2:] for row in rows] == [["500.0000", "1000.0000"], ["unknown", "unknown"]]
