"""The suite routing: fair utterances, the goals of the embedded router, an LLM's calls, a user's own utterances."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.routing.utterances import FOLLOWS, TOOLS, Utterance
from evals.approaches import build_approach
from evals.leakage import find_leaks
from evals.records import Record
from evals.scenarios import kind_of
from evals.scenarios.routing import ASKED_BACK, acted
from evals.suite import load_suite
from evals.utterances import VALIDATION, lessons, load_asked, trait_of
from finetune import Hyperparameters, train_or_reuse
from finetune.registry import champion_id
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import resolve_llm
from tests.conftest import Outcome
from tests.world import Answer, ScriptedServer, calls, says

TRAITS = {"words", "time", "typo", "language", "one_word", "no_tool", "not_web", "follow_up", "several"}
OPENING = 4  # words


@pytest.fixture(scope="module")
def asked() -> dict[str, Dataset]:
    """The built-in utterances, by part."""
    return load_asked(load_suite("routing"))


def test_the_suite_has_all_that_routers_stumble_over(asked: dict[str, Dataset]) -> None:
    tested = [example for part in ("plain", "hard") for example in asked[part].examples]
    assert len(tested) >= 300
    assert {trait_of(example.id) for example in asked["hard"].examples} == TRAITS
    needed = Counter(tool for example in tested for tool in example.label.split("+"))
    assert min(needed[tool] for tool in (*TOOLS, "none")) >= 30
    assert sum(FOLLOWS in example.text for example in tested) >= 20
    assert sum("+" in example.label for example in tested) >= 15


def test_nothing_that_is_tested_was_learned_nor_anything_like_it(asked: dict[str, Dataset]) -> None:
    learned, hard = lessons(), asked["hard"]
    test = Dataset("test", asked["plain"].examples + hard.examples)
    assert find_leaks(learned, asked[VALIDATION], test, stated=False) == []
    known = {opening for text in learned.texts for opening in _openings(text)}
    assert [text for text in test.texts if known & set(_openings(text))] == [], "the same template"


def _openings(text: str) -> list[tuple[str, ...]]:
    """Return the first words of each turn that is long enough to have a template."""
    words = [re.findall(r"[^\W_]+(?:'[a-z]+)?", turn.lower()) for turn in text.split(FOLLOWS)]
    return [tuple(own[:OPENING]) for own in words if len(own) >= OPENING]


def test_the_embedded_router_reaches_its_goals(bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("eval", "routing", "--only", "router", "--json")
    assert told.code == 0, told.err
    findings = {finding["title"]: finding["data"] for finding in told.json["findings"]}
    by_part = {row["part"]: row["accuracy"] for row in findings["The right tools and no other, by part"]["by_part"]}
    assert by_part["plain"] >= 0.97
    assert by_part["hard"] >= 0.85
    unsure = findings["What becomes of it: acting, using two tools, asking"]["unsure"][0]
    assert unsure["ece"] <= 0.08
    assert unsure["wrong"] < 1 - told.json["results"][0]["accuracy"], "the unsure guess less"
    assert not any("state their label" in reason for reason in told.json["verdict"]["because"])


def test_an_llm_that_calls_tools_is_judged_by_its_calls(setting: Callable[[str, str], None]) -> None:
    setting("BAKEOFF_CONCURRENCY", "1")  # the script has an order
    both = {**calls("web", query="x")}
    both["tool_calls"] = both["tool_calls"] + calls("classify", 2, text="y")["tool_calls"]
    script: list[Any] = [
        calls("wikipedia", query="Ada Lovelace"),
        both,
        says("Hello!"),
        calls("teleport"),
        Answer(b"no", 400),
    ]
    with ScriptedServer(*script) as server:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        suite = load_suite("routing", "openai:scripted")
        arm = next(arm for arm in suite.arms if arm.approach == "native")
        answers = build_approach(arm, suite).predict(["Who was Ada? → and her father?", "b", "c", "d", "e"])
        first = server.requests[0].json
    assert [answer.label for answer in answers] == ["wikipedia", "classify+web", "none", None, None]
    assert [bool(answer.failure) for answer in answers] == [False, False, False, True, True]
    assert answers[0].tokens == 15
    assert [message["content"] for message in first["messages"][1:]] == ["Who was Ada?", "and her father?"]
    assert {tool["function"]["name"] for tool in first["tools"]} == set(TOOLS), "the web too, though there is no key"


def test_an_embedded_llm_is_no_arm_for_it_cannot_call_tools() -> None:
    assert "native" not in [arm.approach for arm in load_suite("routing").arms]
    Path("x.yaml").write_text(
        "name: x\nkind: routing\nreference: native\narms: [{approach: native, llm: embedded:smollm2}]"
    )
    with pytest.raises(BakeoffError, match="native needs an LLM that calls tools"):
        load_suite("x.yaml")
    Path("x.yaml").write_text("name: x\nkind: routing\nreference: rag\narms: [{approach: rag}]")
    with pytest.raises(BakeoffError, match="rag tells no tools"):
        load_suite("x.yaml")
    Path("x.yaml").write_text("name: x\nreference: router\narms: [{approach: router}]")
    with pytest.raises(BakeoffError, match="in a suite of kind routing"):
        load_suite("x.yaml")


def test_anybodys_utterances_are_scored(bakeoff: Callable[..., Outcome]) -> None:
    rows = [
        {"text": "Who was Marie Curie?", "label": "wikipedia"},
        {"text": "and her husband?", "label": "wikipedia", "history": ["Who was Marie Curie?"]},
        {"text": "What's the weather like in Madrid right now?", "label": "web"},
        {"text": "thanks a lot!", "label": "none"},
    ]
    Path("mine.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = bakeoff("eval", "routing", "--data", "mine.jsonl", "--only", "router", "--json")
    assert told.code == 0, told.err
    assert told.json["dataset"]["test"] == 4
    router = next(row for row in told.json["results"] if row["approach"] == "router")
    assert router["accuracy"] == 1
    Path("mine.jsonl").write_text('{"text": "x", "label": "wiki"}', encoding="utf-8")
    wrong = bakeoff("eval", "routing", "--data", "mine.jsonl")
    assert wrong.code == 1
    assert "a label among wikipedia, web" in wrong.err


def test_what_an_arm_does_follows_from_its_scores() -> None:
    sure = _record("web", "web", {"web": 0.9, "wikipedia": 0.1})
    torn = _record("web", "wikipedia", {"wikipedia": 0.5, "web": 0.45, "none": 0.05})
    lost = _record("web", "none", {"none": 0.4, "web": 0.35, "wikipedia": 0.25})
    wrong = _record("none", "web", {"web": 0.8, "none": 0.2})
    called = _record("none", "none", {})
    assert list(map(acted, (sure, torn, lost, wrong, called))) == ["web", "wikipedia+web", ASKED_BACK, "web", "none"]
    suite = load_suite("routing")
    found = kind_of("routing").findings(suite, [sure, torn, lost, wrong, called], {})
    row = next(finding for finding in found if "unsure" in finding.data).data["unsure"][0]
    shares = [row[name] for name in ("right", "right and another", ASKED_BACK, "wrong", "touches_the_web")]
    assert shares == [2 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 2]
    assert row["right_when_sure"] == 2 / 3


def test_a_classifier_of_routes_does_not_become_the_champion_that_labels_tweets(asked: dict[str, Dataset]) -> None:
    some = lessons().subset(range(0, 1800, 60))
    validation = asked[VALIDATION].subset(
        number for number, label in enumerate(asked[VALIDATION].targets) if label in some.labels
    )
    knobs = Hyperparameters(num_train_epochs=0.1)
    train_or_reuse(some, validation, knobs, may_reign=False)
    assert champion_id() is None


def test_several_tools_are_one_label_in_any_order_and_an_unknown_one_is_told() -> None:
    assert Utterance.of("x", "web+classify").label == Utterance.of("x", "classify + web").label == "classify+web"
    assert Utterance.of("a → b", "none").history == ("a",)
    with pytest.raises(BakeoffError, match="a label among"):
        Utterance.of("x", "web+telephone")


def _record(target: str, label: str, scores: dict[str, float]) -> Record:
    name = f"words#{target}{label}{len(scores)}"
    return Record("router", name, "?", target, label, None, scores, [], 0, 0.1, test="hard")
