"""What a base LLM was asked is kept by content; what it would not answer is told apart by what can be done about it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from evals import Suite, load_suite, run_suite
from evals.budget import Budget
from evals.costs import Effort
from evals.records import Journal, Record
from evals.report import score
from evals.runner import Run
from lab.llm import resolve_llm
from lab.prices import load_prices
from tests.world.openai import MODEL, OpenAIServer
from tests.world.scripted import Message, ScriptedServer, says
from tests.world.server import Answer, Fault

PRICES = "models: {'openai:smollm2': {input: 1.0e+6, output: 5.0e+6, as_of: 2026-01-01, source: s}}"  # $1, $5 a token
ANSWER = (says("Well"), says('{"label": "negative"}'))  # two calls, each of 11 tokens read and 4 written: $62


@pytest.fixture(scope="module")
def weights() -> Iterator[OpenAIServer]:
    """A model's API with SmolLM2 behind it."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def suite(weights: OpenAIServer, my_csv: Path, setting: Callable[[str, str], None]) -> Suite:
    """The remote LLM alone, asked for labels without examples, one question at a time."""
    setting("OPENAI_BASE_URL", weights.url)
    setting("BAKEOFF_CONCURRENCY", "1")
    resolve_llm.cache_clear()
    weights.recover()
    weights.requests.clear()
    arm = f"{{approach: zero_shot, llm: 'openai:{MODEL}', name: remote}}"
    Path("remote.yaml").write_text(
        f"name: remote\ndataset: {my_csv}\nlatency_sample: 0\nreference: remote\narms: [{arm}]\n"
    )
    return load_suite("remote.yaml")


def _texts(server: OpenAIServer) -> list[str]:
    """Return what was asked, in order, each text once however often it took."""
    asked = [request.json["messages"][-1]["content"] for request in server.requests]
    return list(dict.fromkeys(asked))


def _by_text(run: Run) -> dict[str, Record]:
    return {record.text: record for record in run.records()}


def test_another_run_asks_only_what_was_never_asked_and_counts_it_as_if_it_had(
    suite: Suite, weights: OpenAIServer
) -> None:
    first = _by_text(run_suite(suite, "4"))
    assert len(_texts(weights)) == 4
    weights.requests.clear()
    second = _by_text(run_suite(suite, "6"))
    assert set(_texts(weights)) == second.keys() - first.keys()
    for text, record in first.items():
        kept = second[text]
        assert (kept.label, kept.scores, kept.tokens) == (record.label, record.scores, record.tokens)
        assert kept.seconds == pytest.approx(record.seconds, rel=0.5, abs=0.05)
    weights.requests.clear()
    run_suite(suite, "6", fresh=True)
    assert len(_texts(weights)) == 6


def test_repeats_are_never_one_answer_counted_twice(suite: Suite, weights: OpenAIServer) -> None:
    run = run_suite(suite.model_copy(update={"repeats": 2}), "2")
    once = len(_texts(weights))
    assert (once, len(run.records())) == (2, 4)
    assert len(weights.requests) >= 4


def test_used_up_credit_stops_the_arm_and_the_same_command_goes_on(
    suite: Suite, weights: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.fail_next(Fault.PLAN_LIMIT)
    run = run_suite(suite, "3")
    assert run.records() == []
    assert "remote stopped, its provider's credit is used up" in capsys.readouterr().err
    assert len(run_suite(suite, "3").records()) == 3


def test_only_failures_that_can_be_mended_are_asked_again(
    my_csv: Path, setting: Callable[[str, str], None], suite: Suite
) -> None:
    refusal = Answer.json({"error": {"message": "no", "type": "request_forbidden", "code": "no"}}, 403)
    nonsense, sense = ((says("Well"), says(f'{{"label": "{word}"}}')) for word in ("odd", "negative"))
    with ScriptedServer(refusal, *nonsense, *sense) as server:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        kinds = [record.failure_kind for record in run_suite(suite, "2").records()]
        assert set(kinds) == {"retryable", "permanent"}
        again = run_suite(suite, "2", retry_failures=True).records()
    assert not server.script
    assert {record.failure_kind for record in again} == {None, "permanent"}


@pytest.fixture
def priced(suite: Suite, setting: Callable[[str, str], None]) -> Iterator[tuple[ScriptedServer, Path]]:
    """The remote LLM's place, taken by one whose every answer costs the same, and a file with its prices."""
    Path("mine.yaml").write_text(PRICES)
    with ScriptedServer() as server:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        yield server, Path("mine.yaml")


def test_own_prices_stay_with_the_run_and_what_is_written_has_its_own(
    suite: Suite, priced: tuple[ScriptedServer, Path]
) -> None:
    server, prices = priced
    server.script.extend(ANSWER * 2)
    run = run_suite(suite, "2", prices=prices)
    prices.unlink()
    row = score(run)["results"][0]
    assert (row["tokens"], row["output_tokens"]) == (60, 16)
    assert row["cost_per_1k_usd"] == pytest.approx(62_000)
    old = [asdict(record) for record in run.records()]
    for record in old:
        del record["output_tokens"], record["reused"]
    Journal(run.folder / "records.jsonl").append(old)
    assert score(run)["results"][0]["cost_per_1k_usd"] == pytest.approx(30_000), "what is not told apart counts as read"


def test_a_budget_in_dollars_stops_where_nobody_tells_tokens(
    suite: Suite, priced: tuple[ScriptedServer, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, prices = priced
    server.script.extend([_without_usage(message) for message in ANSWER] * 3)
    run = run_suite(suite, "3", budget=Budget(suite.arms, usd=1000, prices=load_prices(prices)))
    assert len(run.records()) == 1, "what has been paid for is kept"
    assert f"openai:{MODEL} tells no tokens, so that --budget-usd cannot be kept" in capsys.readouterr().err
    assert score(run_suite(suite, "3"))["results"][0]["cost_per_1k_usd"] is None


def _without_usage(message: Message) -> Answer:
    choice = {"index": 0, "message": dict(message), "finish_reason": "stop"}
    return Answer.json({"id": "1", "object": "chat.completion", "created": 1, "model": "x", "choices": [choice]})


def test_a_file_of_answers_that_is_none_is_told_in_a_line(suite: Suite, workspace: Path) -> None:
    workspace.mkdir(exist_ok=True)
    (workspace / "answers.sqlite").write_bytes(b"no database " * 1000)
    failures = {record.failure for record in run_suite(suite, "2").records()}
    assert len(failures) == 1
    assert "the answers of base LLMs in SQLite" in str(failures.pop())


def test_a_budget_is_the_whole_runs_and_latency_calls_are_in_it(
    suite: Suite, priced: tuple[ScriptedServer, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, prices = priced
    timed = suite.model_copy(update={"latency_sample": 1})

    def spend(usd: float, limit: str = "3") -> Run:
        return run_suite(timed, limit, budget=Budget(timed.arms, usd=usd, prices=load_prices(prices)))

    server.script.extend(ANSWER * 2)
    spend(100)
    assert "$124.0000 of $100 are spent on this run; the same command with a higher --budget-usd goes on" in (
        capsys.readouterr().err
    )
    run = spend(124)
    assert (len(run.records()), len(server.requests)) == (2, 4), "what was spent before counts: nobody is asked"
    server.script.extend(ANSWER * 3)
    run = spend(1000)
    assert not server.script
    spent = Effort.of(part for _, part in run.paid())
    assert (spent.read, spent.written) == (22 * 5, 8 * 5)
    server.script.extend(ANSWER * 3)
    more = spend(1000, "4")
    assert Effort.of(part for _, part in more.paid()).written == 8 * 3, "one answer and two latency calls"
