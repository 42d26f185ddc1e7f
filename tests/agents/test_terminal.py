"""The terminal as its user sees it: a scripted session in a real one, and what is printed, piece by piece."""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from agents import Conversation
from agents.memory import open_memory
from agents.terminal import show
from agents.terminal.commands import COMMANDS, Session, carry_out
from agents.terminal.lines import History, SlashCompleter
from agents.terminal.show import bar, open_source, show_routing
from agents.terminal.wrapping import WrappedText
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from rag import Evidence, add_documents
from tests.world import ScriptedServer, calls, says, stalled

ROOT = Path(__file__).parents[2]
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>])")
STEERING = "\x1b\x07\x9b\x9d\u202e\u2066"  # of the kinds that clear a screen, retitle a window, reverse a line
PASTE = "\x1b[200~{}\x1b[201~"


class Terminal:
    """`bakeoff chat` in a terminal of 80 columns."""

    def __init__(self, *arguments: str) -> None:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "NO_COLOR": "1",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        command = ["-m", "cli", "chat", *arguments]
        self._child = pexpect.spawn(sys.executable, command, env=environment, encoding="utf-8", dimensions=(40, 80))
        self._child.setecho(False)
        self.seen = ""
        self.expect("you>")

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def say(self, line: str, *expected: str) -> str:
        """Type a line, wait for the texts in turn and for the next prompt; return what came, without its escapes."""
        self._child.send(line + "\r")
        seen = "".join(self.expect(text) for text in (*expected, "you>"))
        return ESCAPE.sub("", seen)

    def expect(self, text: str, seconds: float = 90) -> str:
        """Wait for a text and return what came up to its end."""
        self._child.expect_exact(text, timeout=seconds)
        self.seen += self._child.before + text
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


def test_a_session_chats_swaps_the_model_and_resumes_after_kill_9(
    scripted: Callable[[ScriptedServer], BaseLLM],
) -> None:
    go_on = threading.Event()
    found = [calls("wikipedia", query="Marie Curie"), says("In Warsaw [1]; " + "then she went on to " * 12 + "Paris.")]
    stopped, lost = stalled("It rises slowly.", go_on), stalled("It is very far away.", go_on)
    # Once tools have found something, who chooses tools reads no answers, and another call gives the answer.
    later = [
        line for answer in (says("Two lines."), stopped, lost, says("Welcome back.")) for line in (says(""), answer)
    ]
    with ScriptedServer(*found, *later) as server:
        scripted(server)
        terminal = Terminal()
        assert "hello" in terminal.say("Hello!", "Hello!", "\n").lower()  # the embedded LLM, by the embedded router
        terminal.type("/wh\t")
        terminal.expect("how the last question")  # the menu
        terminal.say("", "embedded router chose", "none")
        assert "openai:scripted" in terminal.say("/model openai:scripted", "now talking to")
        told = terminal.say("Who was Marie Curie?", "→ wikipedia", "In Warsaw", "[1] https://")
        assert [line for line in told.splitlines() if len(line) > 80] == []
        assert "then she went on to Paris." in " ".join(told.split())
        terminal.say("/sources 1", "Marie_Curie", "»", "«")
        terminal.say("/save talk.md", "saved to talk.md")
        terminal.say(PASTE.format("/new is no command here,\rnor is this"), "Two lines.")
        terminal.type("Does the sun rise?\r")
        terminal.expect("It rises")
        terminal.type("\x03")
        terminal.expect("stopped", seconds=20)  # the LLM itself would be waited for three times as long
        terminal.type("How far is the moon?\r")
        terminal.expect("It is")
        terminal.kill()
        assert not re.search(r"\x1b\[(?:\d+;)*(?:3|4|9|10)[0-7]m", terminal.seen)  # NO_COLOR

        again = Terminal("--resume", "--llm", "openai:scripted")
        assert "How far is the moon?" in again.seen
        assert "Welcome back." in again.say("Are you there?", "Welcome")
        assert again.leave() == 0
        go_on.set()
    said = [str(message["content"]).strip() for message in server.requests[-1].json["messages"]]
    assert said[1] == "Hello!"
    assert "/new is no command here,\nnor is this" in said
    assert said[-5:] == ["Does the sun rise?", "(no answer)", "How far is the moon?", "(no answer)", "Are you there?"]
    assert "In Warsaw" in Path("talk.md").read_text()


@pytest.fixture
def session(scripted: Callable[[ScriptedServer], BaseLLM], capsys: pytest.CaptureFixture[str]) -> Iterator[Session]:
    """A conversation with a question behind it, whose answer and source try to steer the terminal."""
    Path("kettle.md").write_text(f"# Kettles\n\nBefore it.\n\nThe kettle {STEERING} is blue.\n\nAfter it.\n")
    add_documents(Path("kettle.md"))
    with (
        ScriptedServer(calls("knowledge", query="kettle"), says(f"Blue {STEERING} [1].")) as server,
        open_memory() as memory,
    ):
        conversation = Conversation(scripted(server), memory=memory)
        show(conversation, f"What colour is the kettle? {STEERING}")
        yield Session(conversation)


@pytest.mark.parametrize("line", ["", *(f"/{name}" for name in COMMANDS if name not in ("new", "quit")), "/sources 1"])
def test_what_comes_from_outside_never_reaches_the_terminal_raw(
    line: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    if line:
        capsys.readouterr()
        with suppress(BakeoffError):
            carry_out(session, line)
    printed = "".join(capsys.readouterr())
    assert printed.strip() or line in ("/save", "/rename")
    assert not set(STEERING) & set(printed)


def test_the_slash_commands_say_what_there_is(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    def told(line: str) -> str:
        capsys.readouterr()
        carry_out(session, line)
        return "".join(capsys.readouterr())

    assert "kettle.md" in told("/sources")
    assert "the base LLM chose knowledge, by native tool calling" in told("/why")
    assert "documents: 1 passages" in told("/index")
    assert "now called 'Kettles'" in told("/rename Kettles")
    assert "Kettles" in told("/resume")
    told("/save kettles.json")
    assert json.loads(Path("kettles.json").read_text())["title"] == "Kettles"
    first = session.conversation.id
    told("/new")
    assert session.conversation.id != first
    assert "no sources" in told("/sources")
    assert "nothing was asked" in told("/why")
    assert "What colour" in told("/resume kettles")
    assert session.conversation.id == first
    for wrong, complaint in (("/sources 9", "from 1 to"), ("/save x.doc", ".md or .json"), ("/resume moon", "moon")):
        with pytest.raises(BakeoffError, match=complaint):
            carry_out(session, wrong)
    assert told("/wh") == told("/why")
    assert "/model NAME" in told("/s") == told("/nonsense")
    assert told("/exit") == ""
    assert session.leaving


def test_a_source_is_opened_where_it_stands_in_its_file(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(f"Sentence number {number} is here. " for number in range(30))
    Path("long.txt").write_text(text)
    start = text.index("Sentence number 12")
    cited = Evidence(text[start : start + 30], str(Path("long.txt").resolve()), (start, start + 30), 0.5)
    open_source(1, cited)
    shown = capsys.readouterr().out
    assert f"»{cited.text}«" in shown
    assert "number 11 is here. »" in shown
    Path("long.txt").write_text("another text")
    open_source(1, cited)
    told = capsys.readouterr()
    assert cited.text in told.out
    assert "as it was indexed" in told.err


def test_completion_offers_commands_models_conversations_sources_and_files(session: Session) -> None:
    def offered(text: str) -> list[str]:
        found = SlashCompleter(session).get_completions(Document(text), CompleteEvent())
        return [completion.text for completion in found]

    assert offered("/s") == ["/sources", "/save"]
    assert offered("/model embedded:g") == ["embedded:gemma3-270m"]
    assert offered("/model openai:") == ["openai:scripted"]
    assert offered("/resume What") == [session.about().title]
    assert offered("/sources ") == ["1"]
    assert offered("/save kett") == ["le.md"]
    assert offered("what is a /mo") == []


def test_a_stream_is_wrapped_between_words_whatever_its_pieces() -> None:
    text = "The quick brown fox\n  jumps over the lazy dog, extraordinarily often, and   then rests."
    for size in (1, 3, 100):
        written: list[str] = []
        wrapped = WrappedText(24, "    ", written.append)
        for start in range(0, len(text), size):
            wrapped.feed(text[start : start + size])
        wrapped.close()
        lines = "".join(written).splitlines()
        assert max(map(len, lines)) <= 24
        assert " ".join("".join(written).split()) == " ".join(text.split())
        assert all(line.startswith("    ") for line in lines[1:])


def test_a_word_is_written_as_its_letters_come_unless_it_might_reach_the_edge() -> None:
    written: list[str] = []
    wrapped = WrappedText(40, write=written.append)
    wrapped.feed("Hel")
    assert written == ["Hel"]
    wrapped.feed("lo, this is a long line of wor")
    assert "".join(written) == "Hello, this is a long line of"
    wrapped.feed("dsmith")
    wrapped.close()
    assert "".join(written) == "Hello, this is a long line of wordsmith\n"


def test_a_pipe_gets_the_text_as_it_is() -> None:
    written: list[str] = []
    wrapped = WrappedText(None, "  ", written.append)
    wrapped.feed("a " * 100)
    assert written == ["a " * 100]


def test_routing_is_told_as_a_decision_and_drawn_as_bars(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {"web": 0.05, "wikipedia": 0.9, "none": 0.05}
    show_routing({"kind": "embedded", "scores": scores, "called": ["wikipedia", "web"], "asked_back": False})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "the embedded router chose wikipedia and web, by these probabilities:"
    assert lines[1].split() == ["wikipedia", "90.0%", "█" * 27]
    assert (bar(0), bar(1, 8), bar(0.5, 1)) == ("", "█" * 8, "▌")


def test_keys_typed_at_the_prompt_are_not_kept_in_its_history(
    setting: Callable[[str, str], None], tmp_path: Path
) -> None:
    setting("TAVILY_API_KEY", "tvly-very-secret")
    History(tmp_path / "history").store_string("use tvly-very-secret please")
    assert "use … please" in (tmp_path / "history").read_text()
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0
