"""A conversation as people read it: questions, answers, tools and sources, as Markdown or JSON, without keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage

from agents.memory.conversations import Memory, Remembered
from agents.prompts import is_speech
from agents.state import found_evidence
from agents.turn import ToolRun, tokens_of, tool_runs
from lab.console import as_json, printable
from lab.errors import BakeoffError
from lab.redact import redacted, redacted_document
from lab.workspace import write_text
from rag import Evidence
from rag.index import as_documents

SHOWN_CHARACTERS = 300
FORMATS = ("md", "json")


@dataclass(frozen=True)
class Exchange:
    """A question and its answer, which is empty if none came, with the tools that ran and what they found."""

    question: str
    answer: str
    tools: list[ToolRun]
    evidence: list[Evidence]
    llm: str
    tokens: int

    @classmethod
    def of(cls, messages: list[AnyMessage]) -> "Exchange":
        """Read an exchange from a turn's messages, the question first."""
        spoken = [message for message in messages if isinstance(message, AIMessage) and not message.tool_calls]
        last = spoken[-1] if spoken else AIMessage("")
        return cls(
            question=messages[0].text,
            answer=last.text.strip(),
            tools=tool_runs(messages),
            evidence=found_evidence(messages),
            llm=last.response_metadata.get("model_name", ""),
            tokens=tokens_of(messages),
        )

    def document(self) -> dict[str, Any]:
        """Return the exchange as JSON."""
        return {
            "question": self.question,
            "answer": self.answer,
            "tools": [run.document() for run in self.tools],
            "evidence": as_documents(self.evidence),
            "llm": self.llm,
            "tokens": self.tokens,
        }


@dataclass(frozen=True)
class Transcript:
    """All exchanges of a conversation; `unfinished` if the last answer was cut off."""

    exchanges: list[Exchange]
    unfinished: bool = False

    @classmethod
    def of(cls, messages: Sequence[AnyMessage]) -> "Transcript":
        """Read a conversation's messages."""
        starts = [place for place, message in enumerate(messages) if message.type == "human"]
        turns = [list(messages[start:end]) for start, end in pairwise([*starts, len(messages)])]
        return cls([Exchange.of(turn) for turn in turns], is_unfinished(messages))

    def document(self, about: Remembered) -> dict[str, Any]:
        """Return the conversation as JSON, secrets masked."""
        return redacted_document(  # type: ignore[no-any-return]
            {
                "conversation": about.id,
                "title": about.title,
                "created_at": when(about.created_at),
                "updated_at": when(about.updated_at),
                "unfinished": self.unfinished,
                "exchanges": [exchange.document() for exchange in self.exchanges],
            }
        )

    def markdown(self, about: Remembered) -> str:
        """Return the conversation as Markdown, secrets masked; nothing in it is fetched or run when it is viewed."""
        head = f"# {_quoted(about.title)}\n\nConversation {about.id}, begun {when(about.created_at)}."
        parts = [head, *(_markdown(exchange) for exchange in self.exchanges)]
        return redacted(printable("\n\n".join(parts))) + "\n"

    def save(self, path: Path, about: Remembered) -> None:
        """Write the conversation to a file, as JSON or Markdown by its ending.

        Raises:
            BakeoffError: the ending is another, or the file cannot be written.
        """
        kind = path.suffix.lower().lstrip(".")
        if kind not in FORMATS:
            raise BakeoffError("a file ending in .md or .json", f"'{path}'", "name it like conversation.md")
        text = self.markdown(about) if kind == "md" else as_json(self.document(about)) + "\n"
        try:
            write_text(path, text)
        except OSError as error:
            raise BakeoffError(f"to write {path}", error.strerror or str(error), "choose another file") from error


def is_unfinished(messages: Sequence[AnyMessage]) -> bool:
    """Say whether the last question has no answer: the process ended, the user stopped it, or the LLM failed."""
    return bool(messages) and not (messages[-1].type == "ai" and is_speech(messages[-1]))


def read_transcript(memory: Memory, conversation: str) -> Transcript:
    """Read a conversation from the memory, without anybody to go on with it.

    Raises:
        BakeoffError: the database failed.
    """
    return Transcript.of([message for turn in memory.turns(conversation) for message in turn["messages"]])


def when(epoch: float) -> str:
    """Return a time as ISO 8601, in UTC, to the second."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def _markdown(exchange: Exchange) -> str:
    speaker = exchange.llm or "Bakeoff"
    parts = [f"**You:** {_quoted(exchange.question)}", f"**{speaker}:** {_quoted(exchange.answer) or '(no answer)'}"]
    tools = [
        f"- tool `{run.name}`, {run.seconds:.1f} s" + ("" if run.ok else f", failed: {_quoted(run.error or '')}")
        for run in exchange.tools
    ]
    sources = [f"- [{n}] {_source(item)}" for n, item in enumerate(exchange.evidence, 1)]
    return "\n\n".join([*parts, *(["\n".join([*tools, *sources])] if tools or sources else [])])


def _source(item: Evidence) -> str:
    text = " ".join(item.text.split())
    cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"
    place = f", {item.place}" if item.place else ""
    return f"{_quoted(item.source)}{_quoted(place)}, characters {item.span[0]}–{item.span[1]}: {_quoted(cut)}"


def _quoted(text: str) -> str:
    """Return text that shows as it is: a picture's address would be fetched, and tell its server what it says."""
    return text.replace("![", "!\\[").replace("<", "&lt;")
