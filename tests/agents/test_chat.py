"""The agent, whole: the graph with the embedded LLM, with native tool calling, and the terminal."""

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents import Conversation
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from tests.conftest import Outcome
from tests.world import Answer, Fault, ScriptedServer, calls, says, stalled

ROOT = Path(__file__).parents[2]


def test_a_fact_comes_from_wikipedia_with_no_network(bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("chat", "-q", "Who was Marie Curie?", "--json").json
    assert [tool["name"] for tool in told["tools"]] == ["wikipedia"]
    assert told["tools"][0]["ok"]
    assert told["evidence"][0]["source"] == "https://en.wikipedia.org/wiki/Marie_Curie"
    assert told["evidence"][0]["n"] == 1
    assert "snapshot" in told["notes"][0]
    assert told["router"]["kind"] == "embedded"
    assert told["answer"]
    assert told["tokens"] > 0


def test_the_handbook_is_found_in_the_index(bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("chat", "-q", "What does the handbook say about warm-up steps?", "--json").json
    assert [tool["name"] for tool in told["tools"]] == ["knowledge"]
    assert any("warm-up" in item["text"].lower() for item in told["evidence"])


def test_a_tweet_goes_to_the_classifier(with_classifier: Path, bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("chat", "-q", "Is this tweet positive or negative: 'LMAO, AMAZING!'")
    assert told.code == 0
    assert "→ classify(text='LMAO, AMAZING!')" in told.err
    assert "[1] classifier:tweets-" in told.out
    assert "“LMAO, AMAZING!” as positive" in told.out


def test_a_failing_tool_is_told_not_hidden(bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("chat", "-q", "Is this tweet positive or negative: 'LMAO, AMAZING!'", "--json").json
    assert told["tools"][0]["ok"] is False
    assert "bakeoff train" in told["tools"][0]["error"]


def test_web_search_without_a_key_is_explained_once(smollm2: BaseLLM) -> None:
    conversation = Conversation(smollm2)
    question = "What is the weather in Berlin today?"
    first, second = conversation.answer(question), conversation.answer(question)
    assert any("TAVILY_API_KEY" in note for note in first.notes)
    assert not any("TAVILY_API_KEY" in note for note in second.notes)


def test_small_talk_needs_no_tool(smollm2: BaseLLM) -> None:
    turn = Conversation(smollm2).answer("Hello, how are you?")
    assert turn.tools == []
    assert turn.answer


def test_the_base_llm_is_swapped_in_mid_conversation(
    scripted: Callable[[ScriptedServer], BaseLLM], smollm2: BaseLLM
) -> None:
    conversation = Conversation(smollm2)
    conversation.answer("Hello!")
    with ScriptedServer(says("I remember.")) as server:
        conversation.llm = scripted(server)
        turn = conversation.answer("Thanks!")
    assert (turn.answer, turn.llm) == ("I remember.", "openai:scripted")
    assert [message["content"] for message in server.requests[0].json["messages"]].count("Hello!") == 1


def test_native_tool_calling_takes_the_same_road(scripted: Callable[[ScriptedServer], BaseLLM]) -> None:
    with ScriptedServer(calls("wikipedia", query="Marie Curie"), says("She was a physicist [1].")) as server:
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert turn.router == {"kind": "native", "scores": {}}
    assert turn.tools[0].arguments == {"query": "Marie Curie"}
    assert turn.evidence[0].source.endswith("Marie_Curie")
    assert turn.answer == "She was a physicist [1]."
    offered = {tool["function"]["name"] for tool in server.requests[0].json["tools"]}
    assert offered == {"wikipedia", "knowledge", "classify", "alerts"}
    result = server.requests[1].json["messages"][-1]
    assert result["role"] == "tool"
    assert result["content"].startswith("[1] https://en.wikipedia.org/wiki/Marie_Curie: ")


def test_a_model_that_takes_no_tools_leaves_the_choice_to_the_embedded_router(
    scripted: Callable[[ScriptedServer], BaseLLM],
) -> None:
    refusal = Answer.json({"error": {"message": "this model does not support tools", "type": "invalid"}}, 400)
    with ScriptedServer(refusal, says("A physicist [1].")) as server:
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert (turn.router["kind"], turn.answer) == ("embedded", "A physicist [1].")
    assert any("takes no tools" in note for note in turn.notes)
    assert turn.tools[0].name == "wikipedia"


def test_a_model_that_calls_for_ever_is_brought_to_an_answer(
    scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_FOLLOW_UPS", "true")
    script = [calls("wikipedia", number, query=f"Curie {number}") for number in (1, 2, 3)]
    with ScriptedServer(*script, says("Enough.")) as server:
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert len(turn.tools) == 3
    assert turn.answer == "Enough."


def test_a_call_with_wrong_arguments_is_a_tool_error(scripted: Callable[[ScriptedServer], BaseLLM]) -> None:
    with ScriptedServer(calls("wikipedia", question="?"), says("Sorry.")) as server:
        turn = Conversation(scripted(server)).answer("Who was Marie Curie?")
    assert turn.tools[0].ok is False
    assert turn.answer == "Sorry."


def test_an_llm_that_cannot_be_reached_is_one_line(scripted: Callable[[ScriptedServer], BaseLLM]) -> None:
    with ScriptedServer() as server:
        server.fail_next(Fault.FORBIDDEN, times=9)
        with pytest.raises(BakeoffError, match=r"an answer from openai:scripted; got OpenAIPermissionDeniedError"):
            Conversation(scripted(server)).answer("Who was Marie Curie?")


def test_a_piped_chat_answers_line_by_line_and_swaps_the_model(
    bakeoff: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_text("/tools\nHello!\n/why\n/model nonsense\n/model embedded:smollm2\n/help\n/quit\nnever asked\n")
    with lines.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        told = bakeoff("chat")
    assert told.code == 0
    assert "wikipedia" in told.out
    assert "the embedded router chose" in told.out
    assert "provider:model" in told.err
    assert "now talking to embedded:smollm2" in told.err
    assert "never asked" not in told.out


def test_the_terminal_prompts_answers_and_leaves(tmp_path: Path) -> None:
    """A real terminal: type a command, see its answer, leave with /quit."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "cli", "chat"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=child, stdout=child, stderr=child, env={**environment, "PYTHONPATH": str(ROOT)}
    )
    os.close(child)
    try:
        _expect(parent, "you>")
        os.write(parent, b"/help\r")
        _expect(parent, "swap the base LLM")
        os.write(parent, b"/quit\r")
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        os.close(parent)


def test_ctrl_c_leaves_with_a_line_and_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "chat"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr
    assert b"/help" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert b"stopped" in told
    assert b"Traceback" not in told


def test_ctrl_c_ends_one_question_while_its_server_is_silent(
    tmp_path: Path, scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    go_on = threading.Event()
    with ScriptedServer(stalled("an answer that never ends", go_on)) as server:
        scripted(server)
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "chat", "--llm", "openai:scripted", "-q", "Hello there, how are you?"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout
        assert process.stdout.read(2) == b"an"
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)[1]
        go_on.set()
    assert process.returncode == 130
    assert b"stopped" in told
    assert b"Traceback" not in told


def test_an_empty_question_is_refused(bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("chat", "-q", " ")
    assert (told.code, told.err) == (1, 'bakeoff: expected a question; got none; ask one: bakeoff chat -q "…"\n')


def _expect(terminal: int, text: str, seconds: float = 60) -> None:
    seen, until = "", time.monotonic() + seconds
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
        assert ready, f"waited for {text!r}, saw {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace")
