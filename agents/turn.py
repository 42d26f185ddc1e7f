"""A question answered, as data: what was said, which tools ran, and what they found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from agents.claims import Claim
from rag import Evidence
from rag.index import as_documents


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

    def document(self) -> dict[str, Any]:
        """Return the run as JSON, without an error where there is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def tool_runs(messages: Sequence[AnyMessage]) -> list[ToolRun]:
    """Return the finished tool calls among a turn's messages, in the order they were asked for."""
    results = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    calls = [call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    return [ToolRun.of(call, results[call["id"]]) for call in calls if call["id"] in results]


def tokens_of(messages: Sequence[AnyMessage]) -> int:
    """Return the tokens that LLMs read and wrote for these messages."""
    return sum(usage["total_tokens"] for usage in _usages(messages))


def output_tokens_of(messages: Sequence[AnyMessage]) -> int:
    """Return the tokens that LLMs wrote for these messages."""
    return sum(usage["output_tokens"] for usage in _usages(messages))


def _usages(messages: Sequence[AnyMessage]) -> list[UsageMetadata]:
    usages = [message.usage_metadata for message in messages if isinstance(message, AIMessage)]
    return [usage for usage in usages if usage]


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
    trace: list[str] = field(default_factory=list)  # who of a team did what
    output_tokens: int = 0  # those of `tokens` that were written

    def document(self) -> dict[str, Any]:
        """Return the turn as the JSON document of `bakeoff chat -q … --json`."""
        return {
            "answer": self.answer,
            "tools": [run.document() for run in self.tools],
            "evidence": as_documents(self.evidence),
            "claims": [asdict(claim) for claim in self.claims],
            "llm": self.llm,
            "router": self.router,
            "seconds": round(self.seconds, 3),
            "tokens": self.tokens,
            "notes": self.notes,
            **({"trace": self.trace} if self.trace else {}),
        }
