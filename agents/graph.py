"""The graph: route -> tools -> answer. Whoever routes, what follows is the same."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    ToolCall,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from agents.budget import ended_by, new_calls
from agents.guard import NO_FOLLOW_UP, is_guarded, may_call, without_answers
from agents.memory.summary import recalled
from agents.prompts import CHOOSE, answer_prompt, route_prompt, text_of
from agents.router import EmbeddedRouter, after_route, after_tools
from agents.state import Context, Routing, State, found_evidence, turn_messages
from agents.tools.catalogue import Catalogue, explain_failure, shared_tools
from agents.tools.mcp import nearest_tool
from lab.errors import BakeoffError
from lab.redact import reason


def build_graph(catalogue: Catalogue) -> CompiledStateGraph[State, Context, State, State]:
    """Compile the agent's graph over the tools on offer; the base LLM comes with each call's Context."""
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("route", route)
    add_tools(graph, catalogue)
    graph.add_node("answer", answer)
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", after_route, {"tools": "tools", "answer": "answer", "end": END})
    graph.add_conditional_edges("tools", after_tools, {"route": "route", "answer": "answer"})
    graph.add_edge("answer", END)
    return graph.compile()


def open_graph() -> CompiledStateGraph[State, Context, State, State]:
    """Return the agent's graph as langgraph.json names it, for LangGraph's own tools: over the tools on offer here."""
    return build_graph(shared_tools())


def _context(runtime: Runtime[Context]) -> Context:
    """Return what the caller chose; who chose nothing gets what the settings say."""
    return runtime.context or Context()


def add_tools(graph: StateGraph[Any, Context, Any, Any], catalogue: Catalogue) -> None:
    """Add the node that runs the calls of a decision, all at the same time; one that fails becomes a message."""
    tools = list(catalogue.tools.values())
    graph.add_node("tools", ToolNode(tools, handle_tool_errors=explain_failure, wrap_tool_call=_timed))


def route(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Decide which tools to call; the decision is an AIMessage, with tool calls or without."""
    context, turn = _context(runtime), turn_messages(state["messages"])
    rounds, note = 1 + sum(message.type == "ai" for message in turn), ""
    used_up = context.budget.used_up(turn)
    if used_up:
        note = f"no more tools: this question has used up its {used_up}"
        return {"messages": [AIMessage("")], "rounds": rounds, "routing": state["routing"] | {"note": note}}
    if context.router == "native":
        decision = _ask_llm(state, context)
        if decision is not None:
            decision, note = _allowed(decision, turn)
            return {"messages": [decision], "rounds": rounds, "routing": Routing(kind="native", scores={}, note=note)}
        note = f"{context.llm.name} takes no tools; the embedded router chose"
    earlier = [text_of(message) for message in state["messages"][: -len(turn)] if message.type == "human"]
    chosen, scores = _embedded_choice(turn[0].text, context.catalogue, earlier)
    note = note or context.catalogue.missing.get(next(iter(scores)), "")
    return {"messages": [chosen], "rounds": rounds, "routing": Routing(kind="embedded", scores=scores, note=note)}


def _embedded_choice(question: str, catalogue: Catalogue, earlier: Sequence[str]) -> tuple[AIMessage, dict[str, float]]:
    """Return the embedded router's decision and its scores; an MCP tool that is near enough goes first."""
    near = nearest_tool(question, catalogue.tools)
    if near:
        call, similarity = near
        return AIMessage("", tool_calls=[call]), {call["name"]: similarity}
    return EmbeddedRouter.load().decide(question, catalogue.tools, earlier)


def _allowed(decision: AIMessage, turn: list[AnyMessage]) -> tuple[AIMessage, str]:
    """Return an LLM's decision with those calls that it may make, and a note on the others."""
    if not decision.tool_calls:
        return decision, ""
    calls, note = new_calls(decision.tool_calls, turn), ""
    if not may_call(turn):
        calls, note = [], NO_FOLLOW_UP
    said = decision.text if calls else ""  # words beside a call are not the answer yet
    return _with(decision, said, calls), note


def _with(message: AIMessage, said: str, calls: Sequence[ToolCall]) -> AIMessage:
    """Return an LLM's message with these words and calls; providers keep the calls a second time, in their own form."""
    return message.model_copy(update={"content": said, "tool_calls": list(calls), "additional_kwargs": {}})


def _ask_llm(state: State, context: Context) -> AIMessage | None:
    """Let an LLM with native tool calling decide; None if it takes no tools.

    Where earlier answers are kept from it, what it says is neither shown nor the answer: it could not know enough. The
    answer is another call, so that it is asked for a word, lest the user wait for sentences that nobody reads.

    Raises:
        BakeoffError: it cannot be reached.
    """
    guarded = is_guarded(state)
    read = recalled(state, context.llm)
    try:
        bound = context.llm.chat.bind_tools(list(context.catalogue.tools.values()))
        prompt = route_prompt(without_answers(read), CHOOSE) if guarded else route_prompt(read)
        decision = _said(bound, prompt, {"tags": [TAG_NOSTREAM] * guarded})
        return decision.model_copy(update={"content": ""}) if guarded else decision
    except Exception as error:  # each provider's client has errors of its own
        if isinstance(error, NotImplementedError) or _refuses_tools(error):
            return None
        raise unreachable(context, error) from error


def _refuses_tools(error: Exception) -> bool:
    return getattr(error, "status_code", None) in (400, 422, 501) and "tool" in str(error).lower()


def answer(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Compose the answer from this turn's evidence; without any, from the conversation alone."""
    context = _context(runtime)
    messages = recalled(state, context.llm)
    turn = turn_messages(messages)
    used_up = context.budget.used_up(turn)
    if used_up:
        return {"messages": [AIMessage(ended_by(used_up))]}
    history = messages[: len(messages) - len(turn)]
    failures = [message.text for message in turn if isinstance(message, ToolMessage) and message.status == "error"]
    prompt = answer_prompt(history, turn[0].text, found_evidence(turn), failures)
    try:
        said = _said(context.llm.chat, prompt)
    except BakeoffError:
        raise
    except Exception as error:  # each provider's client has errors of its own
        raise unreachable(context, error) from error
    return {"messages": [_with(said, said.text, []) if said.tool_calls else said]}  # no tool was offered


def _said(
    llm: Runnable[LanguageModelInput, Any], prompt: Sequence[BaseMessage], config: RunnableConfig | None = None
) -> AIMessage:
    """Return what an LLM says, having heard it piece by piece, so that whoever listens hears the pieces."""
    first, *rest = llm.stream(list(prompt), config)
    message = message_chunk_to_message(first + rest) if rest else message_chunk_to_message(first)
    assert isinstance(message, AIMessage)
    return message


def unreachable(context: Context, error: Exception) -> BakeoffError:
    """Return the error to show when the base LLM does not answer."""
    why = f"{type(error).__name__}: {reason(error)}"
    return BakeoffError(
        f"an answer from {context.llm.name}", why, f"check it with: bakeoff llm check {context.llm.name}"
    )


def _timed(
    request: ToolCallRequest, execute: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
) -> ToolMessage | Command[Any]:
    """Run one tool call and note its seconds on the message."""
    start = time.perf_counter()
    message = execute(request)
    if isinstance(message, ToolMessage):
        message.additional_kwargs["seconds"] = round(time.perf_counter() - start, 3)
    return message
