"""Advice: it rests on significant differences, unknown costs stay unknown, and it says truly what turns it over."""

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from evals.advice.advice import advise, finished_run
from evals.advice.candidates import Candidates, read_candidates
from evals.advice.choice import Needs, choose
from evals.advice.sensitivity import turnovers, weightings
from evals.approach import Fit, Prediction
from evals.records import Journal, Question, Record
from evals.report import score
from evals.runner import MANIFEST, MEASUREMENTS, RECORDS, Run
from evals.suite import Suite
from lab.datasets import Example
from lab.errors import BakeoffError
from lab.prices import load_prices
from lab.workspace import read_json, write_json
from tests.conftest import Outcome

TEXTS = 200
KEYS = {
    "recommendation",
    "statement",
    "because",
    "ruled_out",
    "break_even",
    "turns_over_if",
    "weightings",
    "rests_on",
}


@dataclass(frozen=True)
class Played:
    """An arm of the saved run: the first `right` texts are labelled rightly, those after `failed` fail."""

    approach: str
    right: int
    seconds: float
    fit: float
    latency: float
    llm: str | None = None
    tokens: int = 0
    failed: int = 0


FINETUNED, PROBE = Played("finetuned", 160, 0.006, 80.0, 9.0), Played("linear_probe", 158, 0.007, 15.0, 10.0)
KNN, FLOOR = Played("knn", 120, 0.0065, 14.0, 14.0), Played("majority", 90, 0.0, 0.0, 0.1)
RAG = Played("rag", 157, 0.5, 14.0, 500.0, "openai:gpt-4o-mini", 300)
ARMS = (FLOOR, KNN, RAG, PROBE, FINETUNED)


def save_run(folder: Path, arms: Sequence[Played] = ARMS, started: str = "2026-01-01") -> Run:
    """Leave a run as the runner leaves it, and score it."""
    suite = Suite.model_validate(
        {"name": "x", "reference": "finetuned", "arms": [{"approach": a.approach, "llm": a.llm} for a in arms]}
    )
    manifest = {
        "suite": suite.model_dump(),
        "dataset": {"name": "x", "fingerprint": "f", "train": 4, "validation": 1, "test": TEXTS},
        "machine": {"system": "s", "python": "p", "device": "cpu", "precision": "float32"},
        "packages": {"torch": "2"},
        "revision": None,
        "started": started,
    }
    write_json(folder / MANIFEST, manifest)
    for arm, made in zip(arms, suite.arms, strict=True):
        Journal(folder / RECORDS).append(asdict(_record(made.key, arm, number)) for number in range(TEXTS))
        row = {"arm": made.key, "fit": asdict(Fit(arm.fit)), "latencies_ms": [arm.latency] * 3}
        Journal(folder / MEASUREMENTS).append([row])
    score(Run(folder))
    return Run(folder)


def _record(key: str, arm: Played, number: int) -> Record:
    failed = number >= TEXTS - arm.failed
    answer = Prediction(None, "no answer in time") if failed else Prediction("good" if number < arm.right else "bad")
    example = Example(str(number), f"text {number}", "good", f"x:{number}")
    question = Question(key, "", "", "test", 0, example.id)
    return Record.of(question, example, replace(answer, tokens=arm.tokens), arm.seconds)


@pytest.fixture
def run(workspace: Path) -> Run:
    return save_run(workspace / "runs" / "x-1")


def _candidates(run: Run, keys: Sequence[str] = ()) -> Candidates:
    arms, _ = read_candidates(run, read_json(run.folder / "results.json"), load_prices())
    return arms.only(keys) if keys else arms


def test_a_difference_that_may_be_luck_does_not_decide(run: Run) -> None:
    found = advise(run, Needs(), load_prices())
    assert found["recommendation"] == "linear_probe"
    assert "not significantly less accurate than finetuned" in found["statement"]
    assert any(line.startswith("finetuned: +1.0 points") and "does not decide" in line for line in found["because"])


def test_a_significant_difference_does(run: Run) -> None:
    arms = _candidates(run, ("majority", "knn", "finetuned"))
    choice = choose(arms, Needs(changes_per_month=1000))
    assert (choice.key, choice.peers) == ("finetuned", ("finetuned",)), "knn is cheaper, but truly less accurate"


def test_pairs_that_the_run_did_not_compare_are_compared(run: Run) -> None:
    arms = _candidates(run)
    assert ("knn", "linear_probe") not in {
        (c["a"], c["b"]) for c in read_json(run.folder / "results.json")["comparisons"]
    }
    assert arms.is_less_accurate("knn", "linear_probe")
    assert not arms.is_less_accurate("linear_probe", "knn")
    assert not arms.differ("rag@openai:gpt-4o-mini", "linear_probe")


def test_without_an_hourly_price_nothing_is_said_in_dollars(run: Run) -> None:
    found = advise(run, Needs(), load_prices())
    assert "$" not in found["statement"]
    assert found["break_even"]["unit"] == "seconds"
    assert any("--usd-per-hour" in line for line in found["rests_on"]["unknown"])
    for arm in found["rests_on"]["arms"]:
        if arm["arm"] not in ("majority", "rag@openai:gpt-4o-mini"):
            assert arm["cost_per_answer_usd"] is arm["cost_per_correct_usd"] is arm["cost_per_month_usd"] is None
    assert found["weightings"]["left_out"] == ["cost"], "tokens and seconds have no common unit"


def test_with_prices_each_cost_is_what_the_arithmetic_says(run: Run) -> None:
    needs = Needs(queries_per_month=1000, changes_per_month=2, usd_per_hour=3600.0)
    figures = {arm["arm"]: arm for arm in advise(run, needs, load_prices())["rests_on"]["arms"]}
    assert figures["finetuned"]["cost_per_answer_usd"] == pytest.approx(0.006)
    assert figures["finetuned"]["cost_per_correct_usd"] == pytest.approx(0.006 / 0.8)
    assert figures["finetuned"]["cost_per_month_usd"] == pytest.approx(6 + 160)
    rag = figures["rag@openai:gpt-4o-mini"]
    assert rag["cost_per_answer_usd"] == pytest.approx(300 * 0.15e-6), "its seconds are not this machine's"
    assert rag["cost_per_month_usd"] == pytest.approx(1000 * 300 * 0.15e-6 + 2 * 14)


@pytest.mark.parametrize("arm", [replace(RAG, llm="openai:nosuch"), replace(RAG, tokens=0)])
def test_an_unknown_price_or_number_of_tokens_is_never_zero(workspace: Path, arm: Played) -> None:
    run = save_run(workspace / "runs" / "x-2", (arm, FINETUNED, PROBE))
    needs = Needs(usd_per_hour=1.0, cost_per_error=0.01)
    found = advise(run, needs, load_prices())
    figures = found["rests_on"]["arms"][0]
    assert figures["cost_per_answer_usd"] is figures["cost_per_month_usd"] is None
    assert any(line.startswith(f"the cost of rag@{arm.llm}") for line in found["rests_on"]["unknown"])
    assert any(line.startswith("the cost of errors") for line in found["rests_on"]["unknown"])
    assert found["recommendation"] == "linear_probe"
    assert not choose(_candidates(run), needs).counts_errors


def test_errors_at_a_price_are_weighed_against_the_rest(run: Run) -> None:
    dear, cheap = (Needs(usd_per_hour=1.0, cost_per_error=usd) for usd in (1.0, 1e-9))
    choice = choose(_candidates(run), dear)
    assert (choice.key, choice.leader, choice.counts_errors) == ("linear_probe", "finetuned", True)
    assert choose(_candidates(run), cheap).key == "majority"
    assert "nothing was shown" in " ".join(advise(run, cheap, load_prices())["because"])


def test_an_arm_over_the_latency_limit_is_ruled_out(run: Run) -> None:
    found = advise(run, Needs(max_latency_ms=9.5), load_prices())
    assert found["recommendation"] == "finetuned"
    assert {one["arm"] for one in found["ruled_out"]} == {"knn", "rag@openai:gpt-4o-mini", "linear_probe"}
    with pytest.raises(BakeoffError, match=r"the fastest, majority, needs 0\.1 ms"):
        advise(run, Needs(max_latency_ms=0.01), load_prices())


def test_an_arm_that_often_failed_is_ruled_out(workspace: Path) -> None:
    run = save_run(workspace / "runs" / "x-2", (FINETUNED, replace(PROBE, failed=40)))
    found = advise(run, Needs(), load_prices())
    assert found["ruled_out"][0]["reason"].startswith("it failed on 40 of 200 texts")
    assert "the only arm left" in found["statement"]


NEEDS = [
    Needs(),
    Needs(changes_per_month=0.001),
    Needs(queries_per_month=100, changes_per_month=0.01, usd_per_hour=0.5),
    Needs(usd_per_hour=0.5, cost_per_error=0.001),
    Needs(queries_per_month=10_000_000, changes_per_month=30, usd_per_hour=0.1, cost_per_error=0.00001),
    Needs(changes_per_month=0, usd_per_hour=2.0),
]


@pytest.mark.parametrize("needs", NEEDS)
def test_beyond_a_turnover_another_arm_is_recommended_and_just_before_it_is_not(run: Run, needs: Needs) -> None:
    arms = _candidates(run)
    chosen, turns = choose(arms, needs).key, turnovers(arms, needs)
    assert turns
    for turn in turns:
        outward = 1 if turn.at > turn.now else -1
        beyond, before = (turn.at * (1 + side * outward * 1e-6) for side in (1, -1))
        assert choose(arms, replace(needs, **{turn.input: beyond})).key == turn.recommendation != chosen
        assert choose(arms, replace(needs, **{turn.input: before})).key == chosen


@pytest.mark.parametrize("needs", NEEDS)
def test_no_smaller_change_of_a_single_input_turns_it_over(run: Run, needs: Needs) -> None:
    arms = _candidates(run)
    chosen, turns = choose(arms, needs).key, turnovers(arms, needs)
    assert [turn.factor or float("inf") for turn in turns] == sorted(turn.factor or float("inf") for turn in turns)
    least = {turn.input: turn.factor or 1.0 for turn in turns}
    for name in ("queries_per_month", "changes_per_month", "usd_per_hour", "cost_per_error"):
        now = getattr(needs, name)
        for step in range(1, 50) if now else ():
            factor = least.get(name, 1e6) ** (step / 50)
            for changed in (now * factor, now / factor):
                assert choose(arms, replace(needs, **{name: changed})).key == chosen, (name, changed)


def test_at_the_break_even_of_the_advice_both_arms_cost_the_same(run: Run) -> None:
    needs = Needs(usd_per_hour=0.5)
    found = advise(run, needs, load_prices())["break_even"]
    assert found["rival"] == "rag@openai:gpt-4o-mini", "the best of those that retrieve"
    for name in ("queries_per_month", "changes_per_month"):
        months = advise(run, replace(needs, **{name: found[name]}), load_prices())["rests_on"]["arms"]
        cost = {arm["arm"]: arm["cost_per_month_usd"] for arm in months}
        assert found[name] > 0
        assert cost["linear_probe"] == pytest.approx(cost[found["rival"]], rel=1e-9)


def test_random_weights_share_out_the_first_place(run: Run) -> None:
    arms, needs = _candidates(run, ("majority", "knn", "linear_probe", "finetuned")), Needs(usd_per_hour=1.0)
    found = weightings(arms, needs)
    assert sum(found["wins"].values()) == pytest.approx(1)
    assert found["criteria"] == ["accuracy", "cost", "latency", "freshness"]
    assert "majority" not in found["wins"]
    assert found["wins"]["linear_probe"] > found["wins"]["knn"]
    assert found == weightings(arms, needs)
    assert found["wins"] == weightings(arms, replace(needs, usd_per_hour=None))["wins"], "seconds rank as dollars do"


def test_accuracy_that_may_be_luck_wins_under_no_weights(workspace: Path) -> None:
    slower = replace(FINETUNED, seconds=0.02, latency=20.0)
    found = weightings(_candidates(save_run(workspace / "runs" / "x-2", (slower, PROBE))), Needs())
    assert found["wins"] == {"linear_probe": 1.0, "finetuned": 0.0}


def test_the_json_has_its_parts_and_says_on_stderr_what_was_assumed(run: Run, bakeoff: Callable[..., Outcome]) -> None:
    done = bakeoff("advise", "x-1", "--json", "--changes-per-month", "2")
    assert done.code == 0, done.err
    assert done.json.keys() == KEYS
    assert done.json["rests_on"]["run_id"] == "x-1"
    assert done.json["rests_on"]["needs"]["changes_per_month"] == 2
    assert "queries a month 10000" in done.err
    assert "changes of the data" not in done.err


def test_people_read_it_in_eighty_columns(run: Run, bakeoff: Callable[..., Outcome]) -> None:
    out = bakeoff("advise", "--usd-per-hour", "0.5", "--cost-per-error", "0.001").out
    assert out.startswith("Use linear_probe: ")
    assert max(map(len, out[: out.index("┏")].splitlines())) <= 80
    for title in ("Because", "Break-even", "It would turn over", "Other weights", "Rests on"):
        assert title in out


def test_the_newest_finished_run_answers_unless_one_is_named(workspace: Path, bakeoff: Callable[..., Outcome]) -> None:
    assert bakeoff("advise").code == 1, "there is no run"
    save_run(workspace / "runs" / "old", started="2026-01-01")
    save_run(workspace / "runs" / "new", started="2026-02-01")
    unfinished = save_run(workspace / "runs" / "newest", started="2026-03-01")
    lines = (unfinished.folder / RECORDS).read_text().splitlines(keepends=True)
    (unfinished.folder / RECORDS).write_text("".join(lines[:-1]))
    (unfinished.folder / "results.json").unlink()
    assert finished_run().id == "new"
    assert finished_run("old").id == "old"
    with pytest.raises(BakeoffError, match="still to come"):
        finished_run("newest")
    (workspace / "runs" / "old" / "results.json").unlink()
    assert finished_run("old").id == "old", "all its answers are there: it only has to be scored"


def test_a_person_at_a_terminal_is_asked_for_what_was_not_given(
    run: Run, bakeoff: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = io.StringIO("5000\nmany\n3\n\n0.5\n\n")
    monkeypatch.setattr(answers, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", answers)
    done = bakeoff("advise", "--json")
    needs: dict[str, Any] = json.loads(done.out[done.out.index("{") :])["rests_on"]["needs"]
    assert list(needs.values()) == [5000, 3, None, 0.5, None]
    assert "a number from 0 up" in done.err


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "often"])
def test_a_number_that_is_none_is_a_matter_of_usage(run: Run, bakeoff: Callable[..., Outcome], value: str) -> None:
    assert bakeoff("advise", "--changes-per-month", value).code == 2
