"""One conversation with the agent: ask, follow what happens, read the turn as data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import StreamMode

from agents.graph import build_graph
from agents.state import NOT_YET, Context, RouterKind, State, found_evidence, turn_messages
from agents.tools.catalogue import Catalogue, offered_tools
from lab.llm import BaseLLM, resolve_llm
from lab.settings import settings
from rag import Evidence
from rag.index import as_documents

STREAMED: Sequence[StreamMode] = ["updates", "messages"]


@dataclass(frozen=True)
class Turn:
    """A question answered: what was said, done and found."""

    answer: str
    tools: list[dict[str, Any]]
    evidence: list[Evidence]
    notes: list[str]
    llm: str
    router: dict[str, Any]
    seconds: float
    tokens: int

    def document(self) -> dict[str, Any]:
        """Return the turn as the JSON document of `bakeoff chat -q … --json`."""
        return {
            "answer": self.answer,
            "tools": self.tools,
            "evidence": as_documents(self.evidence),
            "llm": self.llm,
            "router": self.router,
            "seconds": round(self.seconds, 3),
            "tokens": self.tokens,
            "notes": self.notes,
        }


@dataclass
class Conversation:
    """Talks with one base LLM at a time; `llm` can be swapped between turns, the memory stays."""

    llm: BaseLLM = field(default_factory=resolve_llm)
    catalogue: Catalogue = field(default_factory=offered_tools)

    def __post_init__(self) -> None:
        """Compile the graph; the conversation is kept in this process."""
        self._graph = build_graph(self.catalogue, InMemorySaver())

    def ask(self, question: str) -> Iterator[str | ToolMessage | Turn]:
        """Yield what happens, as it happens: each finished tool call, pieces of the answer, and last the Turn."""
        start = perf_counter()
        config: Any = {"configurable": {"thread_id": "chat"}}
        steps = self._graph.stream(
            State(messages=[HumanMessage(question)], routing=NOT_YET, rounds=0),
            config,
            context=Context(self.llm, self._router(), self.catalogue),
            stream_mode=STREAMED,
        )
        for kind, part in steps:
            if kind == "messages":
                message = part[0]
                if isinstance(message, AIMessageChunk) and message.text:
                    yield message.text
            else:
                tools = part.get("tools") if isinstance(part, dict) else None
                yield from (tools or {}).get("messages", [])
        state = self._graph.get_state(config).values
        yield self._turn(state, perf_counter() - start)

    def answer(self, question: str) -> Turn:
        """Ask and wait for the whole turn."""
        *_, turn = self.ask(question)
        assert isinstance(turn, Turn)
        return turn

    def _router(self) -> RouterKind:
        wanted = settings().router
        if wanted == "auto":
            return "embedded" if self.llm.embedded else "native"
        return wanted

    def _turn(self, state: dict[str, Any], seconds: float) -> Turn:
        messages: list[AnyMessage] = turn_messages(state["messages"])
        results = {m.tool_call_id: m for m in messages if isinstance(m, ToolMessage)}
        calls = [call for m in messages if isinstance(m, AIMessage) for call in m.tool_calls]
        routing = state["routing"]
        notes = [m.artifact["note"] for m in results.values() if m.artifact and m.artifact["note"]]
        usages = [m.usage_metadata for m in messages if isinstance(m, AIMessage) and m.usage_metadata]
        return Turn(
            answer=messages[-1].text.strip(),
            tools=[describe_call(call, results[call["id"]]) for call in calls if call["id"] in results],
            evidence=found_evidence(state["messages"]),
            notes=notes + ([routing["note"]] if routing["note"] else []),
            llm=self.llm.name,
            router={"kind": routing["kind"], "scores": {k: round(v, 4) for k, v in routing["scores"].items()}},
            seconds=seconds,
            tokens=sum(usage["total_tokens"] for usage in usages),
        )


def describe_call(call: Any, result: ToolMessage) -> dict[str, Any]:
    """Return one tool call as data: name, arguments, whether it worked (and why not), seconds."""
    ok = result.status == "success"
    told = {
        "name": call["name"],
        "arguments": call["args"],
        "ok": ok,
        "seconds": result.additional_kwargs.get("seconds"),
    }
    return told if ok else told | {"error": result.text}
