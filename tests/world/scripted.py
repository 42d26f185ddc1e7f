"""A chat model on OpenAI's wire that says what a test wrote for it: tool calls above all, which tiny weights cannot."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from .openai import OpenAIServer
from .server import Answer, Fault, Request, Server

Message = Mapping[str, Any]


def says(text: str) -> Message:
    """An answer in words."""
    return {"role": "assistant", "content": text}


def calls(name: str, number: int = 1, **arguments: Any) -> Message:
    """A wish to call a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def stalled(words: str, go_on: threading.Event) -> Answer:
    """An answer that begins, and ends only when it is let."""

    def body() -> Iterator[bytes]:
        for number, word in enumerate(words.split()):
            if number == 2:
                go_on.wait(120)
            delta = {"role": "assistant", "content": f"{word} "}
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
            yield f"data: {json.dumps(chunk | {'choices': [{'index': 0, 'delta': delta}]})}\n\n".encode()
        yield b"data: [DONE]\n\n"

    return Answer(body(), headers={"Content-Type": "text/event-stream"})


class ScriptedServer(Server):
    """OpenAI's chat completions, whole or streamed; each request takes the next line of the script."""

    path: ClassVar[str] = "/v1"
    refusals: ClassVar[Mapping[Fault, Answer]] = OpenAIServer.refusals

    def __init__(self, *script: Message | Answer) -> None:
        """Learn the script; a line that is an Answer goes out as it is."""
        super().__init__()
        self.script = deque(script)

    def answer(self, request: Request) -> Answer:
        """Say the next line."""
        line = self.line(request)
        if isinstance(line, Answer):
            return line
        message = dict(line)
        if request.json.get("stream"):
            kind = {"Content-Type": "text/event-stream"}
            return Answer(b"".join(self._events(message)), headers=kind)
        choice = {"index": 0, "message": message, "finish_reason": _reason(message)}
        return Answer.json(_envelope("chat.completion", [choice]) | {"usage": _USAGE})

    def line(self, request: Request) -> Message | Answer:
        """Return what to say to a request."""
        return self.script.popleft()

    def _events(self, message: dict[str, Any]) -> Iterator[bytes]:
        for delta in _deltas(message):
            yield _event(_envelope("chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": None}]))
        last = {"index": 0, "delta": {}, "finish_reason": _reason(message)}
        yield _event(_envelope("chat.completion.chunk", [last]))
        yield _event(_envelope("chat.completion.chunk", []) | {"usage": _USAGE})
        yield b"data: [DONE]\n\n"


_USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


def _deltas(message: Message) -> Iterable[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for word in (message["content"] or "").split(" "):
        if word:
            yield {"content": word + " "}
    for index, call in enumerate(message.get("tool_calls", ())):
        yield {"tool_calls": [{"index": index, **call}]}


def _reason(message: Message) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _envelope(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "scripted", "choices": choices}


def _event(data: object) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
