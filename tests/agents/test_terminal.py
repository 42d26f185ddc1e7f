"""The terminal as its user sees it: a scripted session in a real one, and what is printed, piece by piece."""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect

from lab.llm import BaseLLM
from tests.world import Answer, ScriptedServer, calls, says

ROOT = Path(__file__).parents[2]
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>])")
PASTE = "\x1b[200~{}\x1b[201~"


class Terminal:
    """`bakeoff chat` in a terminal of 80 columns."""

    def __init__(self, *arguments: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"}
        command = ["-m", "cli", "chat", *arguments]
        self._child = pexpect.spawn(
            sys.executable, command, env=environment, encoding="utf-8", dimensions=(40, 80), timeout=120
        )
        self._child.setecho(False)
        self.expect("you>")

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def say(self, line: str, *expected: str) -> str:
        """Type a line, wait for the texts in turn and for the next prompt; return what came, without its escapes."""
        self._child.send(line + "\r")
        seen = "".join(self.expect(text) for text in (*expected, "you>"))
        return ESCAPE.sub("", seen)

    def expect(self, text: str) -> str:
        """Wait for a text and return what came up to its end."""
        self._child.expect_exact(text)
        return str(self._child.before) + text

    def kill(self) -> None:
        """kill -9."""
        self._child.kill(9)
        self._child.wait()

    def leave(self) -> int:
        """Press Ctrl-D and return the exit status."""
        self._child.send("\x04")
        self._child.expect(pexpect.EOF)
        self._child.wait()
        return int(self._child.exitstatus or 0)


def stalled(words: str, go_on: threading.Event) -> Answer:
    """An answer that begins, and ends only when it is let."""

    def body() -> Iterator[bytes]:
        beginning, *_ = ScriptedServer(says(words))._events(says(words)), None
        for number, event in enumerate(beginning):
            if number == 3:
                go_on.wait(120)
            yield event

    return Answer(body(), headers={"Content-Type": "text/event-stream"})


def test_a_session_chats_swaps_the_model_and_resumes_after_kill_9(
    scripted: Callable[[ScriptedServer], BaseLLM],
) -> None:
    go_on = threading.Event()
    first, lost = calls("wikipedia", query="Marie Curie"), stalled("It is very far away.", go_on)
    answered = says("She was born in Warsaw [1] and " + "went on to " * 12 + "Paris.")
    with ScriptedServer(first, answered, lost, says("Welcome back.")) as server:
        scripted(server)
        terminal = Terminal()
        assert "hello" in terminal.say("Hello!", "Hello!").lower()  # the embedded LLM, the embedded router
        assert "embedded router chose" in terminal.say("/why", "none")
        terminal.say("/model openai:scripted", "now talking to openai:scripted")
        told = terminal.say("Who was Marie Curie?", "→ wikipedia", "She was born", "[1] https://")
        assert all(len(line) <= 80 for line in told.splitlines() if "→" not in line)
        assert "Paris" in told.replace("\r\n", " ")
        terminal.say("/sources 1", "Marie_Curie", "characters 0")
        terminal.say("/save talk.md", "saved to talk.md")
        terminal.type("How far is the moon?\r")
        terminal.expect("It is")
        terminal.kill()

        again = Terminal("--resume", "--llm", "openai:scripted")
        assert "How far is the moon?" in again.say("/help", "Alt-Enter")
        assert "Warsaw" in Path("talk.md").read_text()
        again.say("Are you there?", "Welcome back.")
        assert again.leave() == 0
        go_on.set()
    said = [str(message["content"]).strip() for message in server.requests[-1].json["messages"]]
    assert said[1] == "Hello!"
    assert said[-3:] == ["How far is the moon?", "(no answer)", "Are you there?"]
