"""The embedded router sends questions it has never seen to the right tool."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agents.router import EmbeddedRouter, after_route, after_tools
from agents.state import NOT_YET, State
from agents.tools.classifier import quoted
from agents.tools.wikipedia import topic

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
