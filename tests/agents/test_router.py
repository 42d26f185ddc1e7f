"""The embedded router sends questions it has never seen to the right tool."""

from collections.abc import Callable

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agents import Conversation
from agents.quoting import quoted, without_quotes
from agents.router import EmbeddedRouter, after_route, after_tools, likeliest
from agents.routing.clauses import clauses, query_of
from agents.routing.costs import act, question_back
from agents.routing.learned import Learned
from agents.routing.utterances import load_utterances
from agents.state import NOT_YET, State
from agents.tools.wikipedia import topic
from lab.embeddings import Embedder
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from tests.world import ScriptedServer, says

UNCLEAR = "model"
TOOLS = ("wikipedia", "web", "knowledge", "classify", "alerts")
UNSEEN = [
    ("Who was Marie Curie?", "wikipedia"),
    ("Who discovered penicillin?", "wikipedia"),
    ("What is the deepest lake on Earth?", "wikipedia"),
    ("Tell me about the Ottoman Empire", "wikipedia"),
    ("What's the weather like in Madrid right now?", "web"),
    ("latest headlines about the trade talks", "web"),
    ("What does a litre of petrol cost today?", "web"),
    ("What does the handbook say about warm-up steps?", "knowledge"),
    ("According to our documentation, how is the test set split?", "knowledge"),
    ("Is this tweet positive or negative: 'LMAO, AMAZING!'", "classify"),
    ("What's the sentiment of 'my flight got cancelled again'?", "classify"),
    ("Classify: the battery died after two days", "classify"),
    ("Did any loss spike during last night's fine-tuning?", "alerts"),
    ("Are the predictions of my classifier drifting?", "alerts"),
    ("Has one of the runs diverged?", "alerts"),
    ("What does the handbook say about drift?", "knowledge"),
    ("Is 'the loss spiked, I am furious' a happy tweet?", "classify"),
    ("What causes continental drift?", "wikipedia"),
    ("hey there", "none"),
    ("thanks a lot!", "none"),
    ("what is 5 times 8", "none"),
]


@pytest.mark.parametrize(("question", "route"), UNSEEN)
def test_unseen_questions_find_their_tool(question: str, route: str) -> None:
    decision, scores = EmbeddedRouter.load().decide(question, TOOLS)
    called = decision.tool_calls[0]["name"] if decision.tool_calls else "none"
    assert called == route, scores
    assert sum(scores.values()) == pytest.approx(1)


def test_a_tool_that_is_not_offered_is_not_called() -> None:
    decision, scores = EmbeddedRouter.load().decide("What is the weather in Berlin today?", ("wikipedia",))
    assert next(iter(scores)) == "web"
    assert all(call["name"] != "web" for call in decision.tool_calls)


@pytest.mark.parametrize(
    ("history", "question", "route", "looked_up"),
    [
        (["Who was Marie Curie?"], "and her daughter?", "wikipedia", "Who was Marie Curie? and her daughter?"),
        (
            ["What's the weather like in Madrid?"],
            "and tomorrow?",
            "web",
            "What's the weather like in Madrid? and tomorrow?",
        ),
        (["What does the handbook say about drift?", "thanks"], "and about spikes?", "knowledge", None),
        (["What's the weather like in Madrid?"], "Who was Marie Curie?", "wikipedia", "Who was Marie Curie?"),
        (["Who was Marie Curie?"], "thanks a lot!", "none", None),
    ],
)
def test_a_turn_is_read_after_the_ones_before_it(
    history: list[str], question: str, route: str, looked_up: str | None
) -> None:
    readings = EmbeddedRouter.load().read(question, history)
    assert likeliest(readings)[0] == route, readings
    assert looked_up is None or readings[0].query == looked_up


def test_several_requests_call_several_tools_each_with_its_own_words() -> None:
    question = "Who was Marie Curie, and is 'radium is great, and who cares' a positive tweet?"
    decision, scores = EmbeddedRouter.load().decide(question, TOOLS)
    called = {call["name"]: call["args"] for call in decision.tool_calls}
    assert called == {
        "wikipedia": {"query": "Who was Marie Curie"},
        "classify": {"text": "radium is great, and who cares"},
    }
    assert sum(scores.values()) == pytest.approx(1)
    alone, _ = EmbeddedRouter.load().decide(question, ("wikipedia",))
    assert [call["name"] for call in alone.tool_calls][:1] == ["wikipedia"]


@pytest.mark.parametrize(
    ("clause", "refers"),
    [
        ("when was that?", True),
        ("what does that word mean", True),
        ("was that the first book of the series?", True),
        ("is that all", True),
        ("who found that the earth turns", False),
        ("who said that we must stop", False),
        ("who wrote 'that is it'", False),
    ],
)
def test_a_request_that_refers_to_the_one_before_it_is_looked_up_with_it(clause: str, refers: bool) -> None:
    assert query_of(clause, ["Who was Ada"]) == (f"Who was Ada {clause}" if refers else clause)


def test_a_question_is_cut_where_a_request_begins_and_never_in_a_quotation() -> None:
    assert clauses("Who was Ada, and what does it cost today?") == ["Who was Ada", "what does it cost today?"]
    assert clauses("Any alerts? Also, is 'so so' good?") == ["Any alerts", "is 'so so' good?"]
    for whole in ("Is 'who, and what is it? And why' sad?", "What are salt and pepper?", "Who was Ada?"):
        assert clauses(whole) == [whole]
    assert without_quotes("Is 'I can't wait' or \"so, what\" sad?") == "Is ' … ' or ' … ' sad?"


def test_the_router_acts_uses_two_tools_or_asks_by_what_costs_least() -> None:
    assert act({"web": 0.9, "wikipedia": 0.1}) == "web"
    assert act({"web": 0.5, "wikipedia": 0.35, "none": 0.15}) == "web+wikipedia"
    assert act({"web": 0.6, "wikipedia": 0.29, "none": 0.11}) == "web", "the second tool is not worth it"
    assert act({"web": 0.4, "none": 0.35, "wikipedia": 0.25}) is None, "small talk must not reach the web by a guess"
    assert act({"web": 0.3, "wikipedia": 0.28, "none": 0.22, "classify": 0.2}) is None
    asked = question_back({"none": 0.4, "web": 0.35, "wikipedia": 0.25})
    assert asked == "I am not sure what would help: shall I search the web, or just answer?"


def test_an_unsure_router_asks_and_the_answer_settles_it(
    scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    with ScriptedServer(says("A singer [1].")) as server:
        setting("BAKEOFF_ROUTER", "embedded")
        conversation = Conversation(scripted(server))
        asked = conversation.answer(UNCLEAR)
        assert asked.answer.startswith("I am not sure what would help: shall I"), asked.router
        assert not asked.tools
        assert not server.requests, "no LLM was bothered"
        assert conversation.last_routing()["asked_back"]
        settled = conversation.answer("look it up in Wikipedia")
        told = conversation.last_routing()
        assert (told["called"], told["asked_back"]) == (["wikipedia"], False)
    assert [run.name for run in settled.tools] == ["wikipedia"]
    assert UNCLEAR in settled.tools[0].arguments["query"]


def test_what_was_learned_is_kept_and_is_the_same_when_read_again(setting: Callable[[str, str], None]) -> None:
    setting("BAKEOFF_CACHE", "cache")
    some, embedder = load_utterances()[::12], Embedder.load()
    first, second = Learned.kept(some, embedder), Learned.kept(some, embedder)
    assert np.array_equal(first.route.weights, second.route.weights)
    assert (first.route.temperature, first.seconds) == (second.route.temperature, second.seconds)
    assert Learned.kept(some[:-1], embedder).seconds != first.seconds, "other utterances are learned anew"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("web: [yes]", "words as an utterance of web"),
        ("webb: [what is new]", "a label among wikipedia, web"),
        ("- web", "labels with utterances"),
        ("web: [", "YAML in utterances.yaml"),
    ],
)
def test_utterances_that_are_none_are_told(content: str, told: str) -> None:
    with pytest.raises(BakeoffError, match=told):
        load_utterances(content)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Is this tweet positive or negative: 'LMAO, AMAZING!'", "LMAO, AMAZING!"),
        ("What is the sentiment of “I can't wait”?", "I can't wait"),
        ("Is 'I can't wait' positive?", "I can't wait"),
        ('Label "so tired" please', "so tired"),
        ("Classify: the food was cold", "the food was cold"),
        ("what a lovely day", "what a lovely day"),
    ],
)
def test_the_text_to_classify_is_what_is_quoted(question: str, text: str) -> None:
    assert quoted(question) == text


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Who was Marie Curie?", "Marie Curie"),
        ("Tell me about the Eiffel Tower.", "Eiffel Tower"),
        ("photosynthesis", "photosynthesis"),
    ],
)
def test_the_topic_of_a_question(question: str, about: str) -> None:
    assert topic(question) == about


def test_where_a_decision_leads() -> None:
    def state(decision: AIMessage, kind: str = "embedded", rounds: int = 0) -> State:
        routing = NOT_YET | {"kind": kind}
        return State(messages=[HumanMessage("?"), decision], routing=routing, rounds=rounds)  # type: ignore[typeddict-item]

    call = AIMessage("", tool_calls=[{"name": "wikipedia", "args": {"query": "x"}, "id": "1"}])
    assert after_route(state(call)) == "tools"
    assert after_route(state(AIMessage(""))) == "answer"
    assert after_route(state(AIMessage("Paris."), "native")) == "end"
    assert after_tools(state(call)) == "answer"
    assert after_tools(state(call, "native", 1)) == "route"
    assert after_tools(state(call, "native", 3)) == "answer"
