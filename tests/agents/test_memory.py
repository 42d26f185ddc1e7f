"""What the agent remembers: across processes, after a kill, in two chats at once, in SQLite and in PostgreSQL."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver

from agents import Conversation
from agents.graph import build_graph
from agents.memory import Memory, Transcript, open_memory, summarise
from agents.memory.conversations import FILE
from agents.memory.serializer import PlainSerializer
from agents.memory.summary import extract, recalled
from agents.prompts import NO_ANSWER
from agents.state import NOT_YET, State
from agents.tools.catalogue import own_tools
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from tests.conftest import Outcome
from tests.world import PostgresServer, ScriptedServer, calls, says, stalled

ROOT = Path(__file__).parents[2]
KEY = "tvly-very-secret-key"

# A chat as a process of its own: it asks in two conversations by turns, in each of the databases it is told.
TALK = """
import sys
from agents import Conversation
from agents.memory import open_memory
from lab.llm import resolve_llm
from lab.settings import overridden
own, times, databases = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
for url in databases:
    with overridden({"BAKEOFF_DATABASE_URL": url}), open_memory() as memory:
        llm = resolve_llm("openai:scripted")
        chats = [Conversation(llm, memory=memory, id=name) for name in (own, "shared")]
        for number in range(times):
            for chat in chats:
                chat.answer(f"Question {number} of {own}?")
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def memory(request: pytest.FixtureRequest, setting: Callable[[str, str], None], workspace: Path) -> Iterator[Memory]:
    """A memory of each kind, empty at first."""
    if request.param == "postgres":
        setting("BAKEOFF_DATABASE_URL", request.getfixturevalue("postgres").url)
    with open_memory() as opened:
        yield opened
        for known in opened.list():
            opened.delete(known.id)


def test_a_conversation_goes_on_where_it_was(memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM]) -> None:
    with ScriptedServer(says("A physicist."), says("Poland.")) as server:
        llm = scripted(server)
        first = Conversation(llm, memory=memory)
        first.answer("Who was Marie Curie?")
        found = memory.find()
        assert (found.id, found.title, found.questions) == (first.id, "Who was Marie Curie?", 1)
        Conversation(llm, memory=memory, id=found.id).answer("Where was she born?")
    said = [message["content"].strip() for message in server.requests[1].json["messages"]]
    assert said[1:] == ["Who was Marie Curie?", "A physicist.", "Where was she born?"]
    assert [one.questions for one in memory.list()] == [2]


def test_conversations_are_found_renamed_and_deleted(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    with ScriptedServer(says("1"), says("2")) as server:
        llm = scripted(server)
        kettle, moon = Conversation(llm, memory=memory), Conversation(llm, memory=memory)
        kettle.answer("How long may I return a kettle?")
        moon.answer("How far is the moon?")
    assert memory.find().id == moon.id
    assert memory.find("KETTLE").id == kettle.id
    assert memory.find(kettle.id[:5]).id == kettle.id
    for unclear in ("how", "", " "):
        with pytest.raises(BakeoffError, match=f"one conversation '{unclear}'"):
            memory.find(unclear)
    assert memory.rename(moon.id, "Distances").title == "Distances"
    assert memory.find("distances").id == moon.id
    memory.delete(kettle.id)
    assert [one.id for one in memory.list()] == [moon.id]
    assert Conversation(llm, memory=memory, id=kettle.id).transcript() == Transcript([])


def test_the_memory_grows_with_the_conversation_not_with_its_square(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    with ScriptedServer(*[says("Yes.")] * 5) as server:
        conversation = Conversation(scripted(server), memory=memory)
        for number in range(5):
            conversation.answer(f"Is {number} a number?")
    kept = memory.turns(conversation.id)
    assert [len(turn["messages"]) for turn in kept] == [2] * 5  # the question and its answer, once each
    assert len(conversation.transcript().exchanges) == 5


def test_a_dangling_tool_call_does_not_stop_a_conversation(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    # The turn that is stopped may have asked for its answer already; the next asks for a decision, then for its own.
    with ScriptedServer(calls("wikipedia", query="Marie Curie"), *[says("Fine.")] * 3) as server:
        llm = scripted(server)
        conversation = Conversation(llm, memory=memory)
        steps = conversation.ask("Who was Marie Curie?")
        next(steps)  # the tool ran
        steps.close()
        again = Conversation(llm, memory=memory, id=conversation.id)
        assert again.transcript().unfinished
        assert again.answer("How are you?").answer == "Fine."
    said = server.requests[-1].json["messages"]
    assert [message["role"] for message in said] == ["system", "user", "assistant", "user"]
    assert said[2]["content"] == NO_ANSWER
    first, second = again.transcript().exchanges
    assert (first.question, first.answer, second.answer) == ("Who was Marie Curie?", NO_ANSWER, "Fine.")


def test_what_got_no_answer_is_nothing_a_small_llm_could_say_again(smollm2: BaseLLM) -> None:
    said: list[AnyMessage] = [HumanMessage("Who was Marie Curie?", id="1"), AIMessage(NO_ANSWER, id="2")]
    state = State(messages=[*said, HumanMessage("Who was Ada Lovelace?", id="3")], routing=NOT_YET, rounds=0)
    assert [message.text for message in recalled(state, smollm2)] == ["Who was Ada Lovelace?"]


def test_a_deleted_conversation_does_not_come_back_with_the_answer_that_was_left_behind(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    go_on = threading.Event()
    with ScriptedServer(stalled("an answer that never ends", go_on)) as server:
        conversation = Conversation(scripted(server), memory=memory)
        steps = conversation.ask("Hello there, how are you?")
        assert [next(steps), next(steps)] == ["an ", "answer "]  # all that comes before the server falls silent
        steps.close()
        assert conversation.left_behind
        assert [one.question for one in conversation.transcript().exchanges] == ["Hello there, how are you?"]
        memory.delete(conversation.id)
        go_on.set()
        while conversation.left_behind:
            time.sleep(0.05)
    assert memory.turns(conversation.id) == []


def test_a_question_is_kept_and_stopped_while_its_beginning_is_summarised(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_CONTEXT_TOKENS", "512")
    go_on, long = threading.Event(), "The kettle is blue. " * 30
    with ScriptedServer(says(long), says(long), stalled("The user owns a kettle.", go_on)) as server:
        conversation = Conversation(scripted(server), memory=memory)
        conversation.answer("What colour is my kettle?")
        conversation.answer("Are you sure?")
        threading.Timer(1, conversation.stop).start()
        with pytest.raises(KeyboardInterrupt):
            conversation.answer("And now?")
        go_on.set()
        assert [one.question for one in conversation.transcript().exchanges][-1] == "And now?"
    assert memory.find(conversation.id).questions == len(conversation.transcript().exchanges) == 3


def test_two_chats_at_once_lose_nothing(
    postgres: PostgresServer, scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    times, databases = 3, ["", postgres.url]  # an empty address is no address: SQLite in the workspace
    with ScriptedServer(*[says("Yes.")] * (times * 8)) as server:
        llm = scripted(server)
        chats = [
            subprocess.Popen(
                [sys.executable, "-c", TALK, own, str(times), *databases], env=os.environ | {"PYTHONPATH": str(ROOT)}
            )
            for own in ("one", "two")
        ]
        assert [chat.wait(timeout=300) for chat in chats] == [0, 0]
    for url in databases:
        setting("BAKEOFF_DATABASE_URL", url)
        with open_memory() as memory:
            told = {one.id: Conversation(llm, memory=memory, id=one.id).transcript() for one in memory.list()}
            lengths = {name: len(one.exchanges) for name, one in told.items()}
            assert lengths == {"one": times, "two": times, "shared": 2 * times}
            asked = [exchange.question for exchange in told["shared"].exchanges]
            assert sorted(asked) == sorted(f"Question {n} of {own}?" for n in range(times) for own in ("one", "two"))
            assert all(exchange.answer == "Yes." for exchange in told["shared"].exchanges)


def test_conversations_that_checkpointers_kept_go_on(
    postgres: PostgresServer,
    scripted: Callable[[ScriptedServer], BaseLLM],
    setting: Callable[[str, str], None],
    workspace: Path,
) -> None:
    said = [HumanMessage("Who was Marie Curie?", id="q"), AIMessage("A physicist.", id="a")]
    routing, summary = NOT_YET | {"note": "as it was"}, {"text": "On Marie Curie.", "upto": "a"}
    for url in ("", postgres.url):
        setting("BAKEOFF_DATABASE_URL", url)
        with open_memory() as memory, memory.turn("old", "Who was Marie Curie?"):
            pass
        there = url.replace("+psycopg", "") or str(workspace / FILE)
        with (PostgresSaver if url else SqliteSaver).from_conn_string(there) as opened:
            opened.setup()
            graph = build_graph(own_tools()).copy({"checkpointer": opened})
            for thread in ("old", "of another program"):
                state = {"messages": said, "routing": routing, "rounds": 1, "summary": summary}
                graph.update_state({"configurable": {"thread_id": thread}}, state, as_node="answer")
        with ScriptedServer(says("Poland.")) as server, open_memory() as memory:
            assert memory.turns("old") == [{"messages": said, "routing": routing, "rounds": 0, "summary": summary}]
            conversation = Conversation(scripted(server), memory=memory, id=memory.find("curie").id)
            assert conversation.answer("Where was she born?").answer == "Poland."
            assert [one.answer for one in conversation.transcript().exchanges] == ["A physicist.", "Poland."]
            left = memory._database.run("SELECT DISTINCT thread_id FROM checkpoints")
            assert left == [{"thread_id": "of another program"}]


def test_a_conversation_of_an_earlier_version_that_cannot_be_read_costs_a_warning(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_memory() as memory, memory.turn("old", "Who was Marie Curie?"):
        pass
    with SqliteSaver.from_conn_string(str(workspace / FILE)) as saver:
        saver.setup()
        row = ("old", "", "1", "json", b"damaged")
        sql = (
            "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, type, checkpoint) VALUES (?, ?, ?, ?, ?)"
        )
        saver.conn.execute(sql, row)
        saver.conn.commit()
    with open_memory() as memory:
        assert "the conversation old of an earlier version cannot be read" in capsys.readouterr().err
        assert memory.turns("old") == []
        memory.delete("old")


def test_a_write_that_was_cut_off_is_read_again(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*arguments: Any) -> None:
        keep(*arguments)
        raise KeyboardInterrupt  # once it is written, but before anybody knows

    keep = memory.keep
    with ScriptedServer(says("A physicist."), says("Poland."), says("1867.")) as server:
        conversation = Conversation(scripted(server), memory=memory)
        conversation.answer("Who was Marie Curie?")
        steps = conversation.ask("Where was she born?")
        while next(steps) != "Poland. ":
            pass
        with monkeypatch.context() as patch:
            patch.setattr(memory, "keep", cut)
            with pytest.raises(KeyboardInterrupt):
                next(steps)
        conversation.answer("And when?")
    said = [message["content"].strip() for message in server.requests[2].json["messages"]]
    assert said[1:] == ["Who was Marie Curie?", "A physicist.", "Where was she born?", "Poland.", "And when?"]


def test_keys_never_reach_the_memory(
    memory: Memory, scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    setting("TAVILY_API_KEY", KEY)
    with ScriptedServer(says(f"Keep {KEY} to yourself.")) as server:
        conversation = Conversation(scripted(server), memory=memory)
        conversation.answer(f"Is {KEY} a good key?")
    raw = repr(memory.list()) + repr(memory.turns(conversation.id))
    assert "good key" in raw
    assert KEY not in raw
    assert conversation.transcript().exchanges[0].answer == f"Keep {'*' * len(KEY)} to yourself."
    with ScriptedServer(says("Yes.")) as other:
        conversation.llm = scripted(other)
        conversation.answer("Are you sure?")
    assert KEY not in str(other.requests[0].json), "nor another LLM with the conversation"


def test_the_file_of_the_memory_is_for_its_owner_alone_and_holds_no_key(
    scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None], workspace: Path
) -> None:
    setting("TAVILY_API_KEY", KEY)
    with ScriptedServer(says("No.")) as server, open_memory() as memory:
        conversation = Conversation(scripted(server), memory=memory)
        conversation.answer(f"Is {KEY} a good key?")
        files = sorted(workspace.glob("conversations.sqlite*"))
        written = b"".join(file.read_bytes() for file in files if file.is_file())
        assert b"a good key" in written
        assert KEY.encode() not in written
        memory.delete(conversation.id)
    file = workspace / "conversations.sqlite"
    assert file.stat().st_mode & 0o077 == 0
    assert b"good key" not in file.read_bytes()  # deleted is overwritten


def test_nothing_that_the_bytes_of_a_turn_name_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "pwned"
    call = ormsgpack.packb(("os", "system", f"touch {marker}"))
    nested = ormsgpack.packb(("pathlib", "Path", (str(marker),), "touch"))
    for code, data in ((0, call), (3, nested)):
        packed = ormsgpack.packb({"messages": ormsgpack.Ext(code, data)})
        PlainSerializer().loads_typed(("msgpack", packed))
    for kind in ("pickle", "json"):
        with pytest.raises(BakeoffError, match="a turn as MessagePack"):
            PlainSerializer().loads_typed((kind, b"cos\nsystem\n(S'touch pwned'\ntR."))
    assert not marker.exists()
    assert PlainSerializer().loads_typed(PlainSerializer().dumps_typed([AIMessage("Hi")])) == [AIMessage("Hi")]


def test_a_memory_that_cannot_be_opened_is_one_line(
    bakeoff: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    workspace.mkdir()
    (workspace / "conversations.sqlite").write_text("no database at all, whatever its name says\n" * 100)
    broken = bakeoff("conversations", "list")
    assert (broken.code, "not a database" in broken.err) == (1, True)
    monkeypatch.setenv("BAKEOFF_DATABASE_URL", "postgresql://me:very-secret@127.0.0.1:9/none")
    away = bakeoff("conversations", "list")
    assert (away.code, "127.0.0.1" in away.err, "very-secret" in away.err) == (1, True, False)
    monkeypatch.setenv("BAKEOFF_DATABASE_URL", "mysql://me@here/none")
    other = bakeoff("conversations", "list")
    assert (other.code, "postgresql://" in other.err) == (1, True)


def test_a_long_conversation_is_summarised_by_the_llm_before_it_overflows(
    scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_CONTEXT_TOKENS", "512")
    long = "The kettle is blue. " * 30
    with ScriptedServer(says(long), says(long), says("The user owns a blue kettle."), says("Blue.")) as server:
        conversation = Conversation(scripted(server))
        conversation.answer("What colour is my kettle?")
        conversation.answer("Are you sure?")
        turn = conversation.answer("So which colour?")
    assert any("summarised by openai:scripted" in note for note in turn.notes)
    assert turn.tokens == 30  # of the summary and of the answer
    summarising, answering = (request.json["messages"] for request in server.requests[2:])
    assert "What colour is my kettle?" in summarising[1]["content"]
    assert [message["role"] for message in answering] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert answering[2]["content"].strip() == "The user owns a blue kettle."
    assert sum(len(message["content"]) for message in answering) < 512 * 4
    assert len(conversation.transcript().exchanges) == 3  # what was said is all there


def test_the_embedded_llm_gets_the_telling_sentences_and_the_user_is_told(smollm2: BaseLLM) -> None:
    said: list[HumanMessage | AIMessage] = []
    for number in range(16):
        said.append(HumanMessage(f"What is the refund period of kettle number {number}?", id=f"q{number}"))
        said.append(AIMessage(f"Kettle number {number} may be returned within {number + 30} days.", id=f"a{number}"))
    made = summarise(said, None, smollm2)
    assert made
    assert "too small to summarise" in made.note
    assert len(made.summary["text"].split()) < 80
    assert set(made.summary["text"].splitlines()) <= {_line(message) for message in said}
    state = State(messages=[*said, HumanMessage("Which?")], routing=NOT_YET, rounds=0, summary=made.summary)
    prompt = recalled(state, smollm2)
    assert prompt[1].text == made.summary["text"]
    assert [message.text for message in prompt[-3:]] == [said[-2].text, said[-1].text, "Which?"]
    assert sum(len(message.text) for message in prompt) < 400 * 4
    assert summarise(said, made.summary, smollm2) is None  # nothing new: nothing to do


def _line(message: HumanMessage | AIMessage) -> str:
    return f"{'User' if message.type == 'human' else 'Assistant'}: {message.text}"


def test_a_text_without_spaces_does_not_outgrow_its_summary() -> None:
    lines = ["User: " + "w" * 90_000, "Assistant: Fine.", "User: " + "語" * 3000]
    assert len(extract(lines, 60)) < 2 * 60 * 6


def test_sentences_are_chosen_for_what_they_say_not_for_their_place() -> None:
    lines = ["User: Hello there!", *[f"Assistant: The kettle number {n} boils water." for n in range(5)]]
    assert "kettle" in extract(lines, 8)
    assert extract([], 8) == ""


def test_a_transcript_shows_what_was_said_and_fetches_nothing(
    bakeoff: Callable[..., Outcome], scripted: Callable[[ScriptedServer], BaseLLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = f"Fine ![x](https://evil.example/?q=1) <img src=https://evil.example> \x1b[2J {KEY}"
    with ScriptedServer(calls("wikipedia", query="Marie Curie"), says(bad)) as server, open_memory() as memory:
        Conversation(scripted(server), memory=memory).answer("Who was Marie Curie?")
    monkeypatch.setenv("TAVILY_API_KEY", KEY)  # a key that was no secret yet when it was said
    shown = bakeoff("conversations", "show").out
    assert "**You:** Who was Marie Curie?" in shown
    assert "- [1] https://en.wikipedia.org/wiki/Marie_Curie, characters 0–" in shown
    assert "![" not in shown
    assert "<img" not in shown
    assert "\x1b" not in shown
    assert KEY not in shown
    assert bakeoff("conversations", "export", "marie", "curie.json").code == 0
    document = bakeoff("conversations", "show", "--json").json
    assert KEY not in Path("curie.json").read_text()
    assert [tool["name"] for tool in document["exchanges"][0]["tools"]] == ["wikipedia"]
    assert bakeoff("conversations", "export", "marie", "curie.docx").code == 1
    assert bakeoff("conversations", "rename", "marie", "Physics").out.endswith("is now called 'Physics'\n")
    assert [row["title"] for row in bakeoff("conversations", "list", "--json").json] == ["Physics"]
    assert bakeoff("conversations", "delete", "physics").code == 0
    assert bakeoff("conversations", "list", "--json").json == []
    assert bakeoff("chat", "--resume").code == 1


def test_one_question_on_the_command_line_can_go_on_with_a_conversation(
    bakeoff: Callable[..., Outcome], scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    with ScriptedServer(says("A physicist."), says("Poland."), says("7.")) as server:
        with open_memory() as memory:
            Conversation(scripted(server), memory=memory).answer("Who was Marie Curie?")
        ask = ("chat", "--llm", "openai:scripted", "--json")
        assert bakeoff(*ask, "--resume", "curie", "-q", "Where was she born?").json["answer"] == "Poland."
        assert bakeoff(*ask, "-q", "What is 3 + 4?").json["answer"] == "7."  # kept nowhere
        assert bakeoff(*ask, "curie", "-q", "Where?").code == 1
    assert len(server.requests[1].json["messages"]) == 4
    assert [row["questions"] for row in bakeoff("conversations", "list", "--json").json] == [2]
