"""The graph always ends: within its budgets, with repeated calls cut and failures told."""

import importlib.util
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agents import Conversation
from agents.budget import TurnBudget, new_calls
from agents.graph import open_graph
from agents.tools.catalogue import shared_tools
from lab.embeddings import Embedder
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from lab.prices import load_prices
from tests.world import Fault, MediaWikiServer, ScriptedServer, TavilyServer, calls, says

ROOT = Path(__file__).parents[2]
Scripted = Callable[[ScriptedServer], BaseLLM]
Setting = Callable[[str, str], None]


def _both(*messages: Mapping[str, Any]) -> dict[str, Any]:
    """Join wishes to call a tool in one message."""
    asked = [call for message in messages for call in message["tool_calls"]]
    return {"role": "assistant", "content": None, "tool_calls": asked}


def test_a_question_that_has_used_up_its_tokens_ends_with_what_was_found(scripted: Scripted, setting: Setting) -> None:
    setting("BAKEOFF_TURN_TOKENS", "5")
    with ScriptedServer(calls("wikipedia", query="Marie Curie"), says("never asked")) as server:
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert len(server.requests) == 1
    assert "BAKEOFF_TURN_TOKENS" in turn.answer
    assert turn.evidence


def test_dollars_are_counted_at_the_models_price(scripted: Scripted, setting: Setting) -> None:
    setting("BAKEOFF_TURN_USD", "0.01")
    with (
        ScriptedServer(says("never asked")) as server,
        pytest.raises(BakeoffError, match="a price for openai:scripted"),
    ):
        Conversation(scripted(server)).answer("Who was Marie Curie?")
    name, price = next((name, price) for name, price in load_prices().models.items() if price.output)
    usage = {"input_tokens": 0, "output_tokens": int(2e6 * 0.01 / price.output), "total_tokens": 1}
    spent = [AIMessage("…", usage_metadata=usage)]
    assert "BAKEOFF_TURN_USD" in TurnBudget(10**9, 0.01, price).used_up(spent), name
    assert TurnBudget(10**9, 0.03, price).used_up(spent) == ""


def test_the_same_call_is_made_once(scripted: Scripted) -> None:
    twice = _both(calls("wikipedia", 1, query="Marie Curie"), calls("wikipedia", 2, query="Marie Curie"))
    with ScriptedServer(twice, says("A physicist.")) as server:
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert len(turn.tools) == 1
    assert turn.answer == "A physicist."


def test_a_call_made_before_is_known_again() -> None:
    call = {"name": "web", "args": {"query": "x"}, "id": "1"}
    turn = [AIMessage("", tool_calls=[call])]
    assert new_calls([call | {"id": "2"}, {"name": "web", "args": {"query": "y"}, "id": "3"}], turn)[0]["id"] == "3"  # type: ignore[list-item]


def test_what_could_not_be_reached_is_told_beside_what_was(scripted: Scripted, setting: Setting) -> None:
    setting("TAVILY_API_KEY", "tvly-test")
    both = _both(calls("web", 1, query="Marie Curie"), calls("wikipedia", 2, query="Marie Curie"))
    with TavilyServer("tvly-test", []) as web, ScriptedServer(both, says("A physicist [1].")) as server:
        setting("TAVILY_API_BASE_URL", web.url)
        web.fail_next(Fault.FORBIDDEN, times=9)
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert {run.name: run.ok for run in turn.tools} == {"web": False, "wikipedia": True}
    assert any(note.startswith("web: ") for note in turn.notes)
    told = server.requests[1].json["messages"]
    assert any(message["role"] == "tool" and "search results from Tavily" in message["content"] for message in told)


def test_several_tools_run_at_the_same_time(scripted: Scripted, setting: Setting) -> None:
    setting("TAVILY_API_KEY", "tvly-test")
    both = _both(calls("web", 1, query="Curie"), calls("wikipedia", 2, query="Curie"))
    with (
        TavilyServer("tvly-test", []) as web,
        MediaWikiServer({"Marie Curie": "A physicist."}) as wiki,
        ScriptedServer(both, says("A physicist.")) as server,
    ):
        setting("TAVILY_API_BASE_URL", web.url)
        setting("WIKIPEDIA_API_URL", wiki.url)
        web.fail_next(Fault.RATE_LIMIT, retry_after=2)
        wiki.fail_next(Fault.RATE_LIMIT, retry_after=2)
        Embedder.load()  # which checks what is claimed; loading it is not what is timed
        start = time.perf_counter()
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    waited = [run.seconds for run in turn.tools]
    assert min(waited) >= 2
    assert time.perf_counter() - start < sum(waited)


@pytest.fixture
def shared_anew() -> Iterator[None]:
    """The tools that a process shares, made anew for this test alone."""
    shared_tools.cache_clear()  # type: ignore[attr-defined]
    yield
    shared_tools.cache_clear()  # type: ignore[attr-defined]


def test_the_graph_opens_as_langgraph_json_names_it_and_starts_servers_once(
    shared_anew: None, mcp_servers: Callable[..., None]
) -> None:
    mcp_servers(counted={"command": "sh", "args": ["-c", "echo once more >> started"]})
    document = json.loads((ROOT / "langgraph.json").read_text("utf-8"))
    path, _, name = document["graphs"]["agent"].partition(":")
    spec = importlib.util.spec_from_file_location("opened", ROOT / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    nothing: list[Any] = [None, {}]  # LangGraph's server sends an empty context where the user chose nothing
    for chosen in nothing:
        done = getattr(module, name)().invoke({"messages": [HumanMessage("Thank you, that was kind!")]}, context=chosen)
        assert done["messages"][-1].text
    assert Path("started").read_text() == "once more\n"


def test_who_chooses_tools_without_the_earlier_answers_is_asked_for_a_word(scripted: Scripted) -> None:
    found = [calls("wikipedia", query="Marie Curie"), says("A physicist [1].")]
    with ScriptedServer(*found, says("none"), says("You are welcome.")) as server:
        conversation = Conversation(scripted(server))
        conversation.answer("Who was Marie Curie?")
        heard = [event for event in conversation.ask("Thank you!") if isinstance(event, str)]
    assert "".join(heard).strip() == "You are welcome."
    first, _, chooses, answers = (request.json["messages"] for request in server.requests)
    assert "say only: none" in chooses[0]["content"]
    assert "say only: none" not in first[0]["content"] + answers[0]["content"]
    assert ["A physicist" in str(prompt) for prompt in (chooses, answers)] == [False, True]


def test_the_readme_draws_the_graph_that_there_is() -> None:
    drawn = open_graph().get_graph().draw_mermaid(with_styles=False).strip()
    assert f"```mermaid\n{drawn}\n```" in (ROOT / "README.md").read_text("utf-8")
