"""One conversation with the agent: ask, follow what happens, read the turn as data."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import StreamMode

from agents.budget import TurnBudget
from agents.claims import Claim, check_claims
from agents.graph import build_graph
from agents.state import NOT_YET, Context, RouterKind, State, found_evidence, turn_messages
from agents.tools.catalogue import Catalogue, offered_tools
from lab.llm import BaseLLM, resolve_llm
from lab.settings import settings
from rag import Evidence
from rag.index import as_documents

STREAMED: Sequence[StreamMode] = ["updates", "messages"]


@dataclass(frozen=True)
class ToolRun:
    """One tool call: what ran with what, whether it worked (and why not), and how long it took."""

    name: str
    arguments: dict[str, Any]
    ok: bool
    seconds: float
    error: str | None = None

    @classmethod
    def of(cls, call: ToolCall, result: ToolMessage) -> "ToolRun":
        """Join a call with its result."""
        ok = result.status == "success"
        seconds = result.additional_kwargs.get("seconds", 0.0)
        return cls(call["name"], call["args"], ok, seconds, None if ok else result.text)


@dataclass(frozen=True)
class Turn:
    """A question answered: what was said, done and found."""

    answer: str
    tools: list[ToolRun]
    evidence: list[Evidence]
    claims: list[Claim]
    notes: list[str]
    llm: str
    router: dict[str, Any]
    seconds: float
    tokens: int

    def document(self) -> dict[str, Any]:
        """Return the turn as the JSON document of `bakeoff chat -q … --json`."""
        return {
            "answer": self.answer,
            "tools": [{name: value for name, value in asdict(run).items() if value is not None} for run in self.tools],
            "evidence": as_documents(self.evidence),
            "claims": [asdict(claim) for claim in self.claims],
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
        self._told: set[str] = set()

    def ask(self, question: str) -> Iterator["str | ToolRun | Turn"]:
        """Yield what happens, as it happens: each finished tool call, pieces of the answer, and last the Turn."""
        calls: dict[str | None, ToolCall] = {}
        start = perf_counter()
        config: Any = {"configurable": {"thread_id": "chat"}}
        steps = self._graph.stream(
            State(messages=[HumanMessage(question)], routing=NOT_YET, rounds=0),
            config,
            context=Context(self.llm, self._router(), self.catalogue, TurnBudget.of(self.llm)),
            stream_mode=STREAMED,
        )
        for kind, part in steps:
            if kind == "messages":
                message = part[0]
                if isinstance(message, AIMessageChunk) and message.text:
                    yield message.text
            else:
                for message in _new_messages(part):
                    if isinstance(message, AIMessage):
                        calls |= {call["id"]: call for call in message.tool_calls}
                    elif isinstance(message, ToolMessage):
                        yield ToolRun.of(calls[message.tool_call_id], message)
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

    def _unheard(self, notes: Sequence[str]) -> list[str]:
        """Return the notes that this conversation has not told yet: each is worth saying once."""
        fresh = [note for note in dict.fromkeys(notes) if note and note not in self._told]
        self._told.update(fresh)
        return fresh

    def _turn(self, state: dict[str, Any], seconds: float) -> Turn:
        messages: list[AnyMessage] = turn_messages(state["messages"])
        results = {m.tool_call_id: m for m in messages if isinstance(m, ToolMessage)}
        calls = [call for m in messages if isinstance(m, AIMessage) for call in m.tool_calls]
        routing = state["routing"]
        unreached = [f"{m.name}: {m.text}" for m in results.values() if m.status == "error"]
        notes = [*unreached, *(m.artifact["note"] for m in results.values() if m.artifact), routing["note"]]
        usages = [m.usage_metadata for m in messages if isinstance(m, AIMessage) and m.usage_metadata]
        answer, evidence = messages[-1].text.strip(), found_evidence(state["messages"])
        return Turn(
            answer=answer,
            tools=[ToolRun.of(call, results[call["id"]]) for call in calls if call["id"] in results],
            evidence=evidence,
            claims=[] if all(item.label for item in evidence) else check_claims(answer, evidence),
            notes=self._unheard(notes),
            llm=self.llm.name,
            router={"kind": routing["kind"], "scores": {k: round(v, 4) for k, v in routing["scores"].items()}},
            seconds=seconds,
            tokens=sum(usage["total_tokens"] for usage in usages),
        )


def _new_messages(update: Any) -> Iterator[AnyMessage]:
    """Yield the messages that a finished node added."""
    for added in update.values():
        yield from (added or {}).get("messages", [])
