"""The agent: what a turn takes beside the LLM and the tools, and how soon the answer begins.

`python -m benchmarks.agent` asks questions that the knowledge tool answers out of the handbook. For the first table the
LLM is a stand-in that answers at once, so that what a turn takes, less the seconds of its tool, is the agent's own. Of
that, choosing the tool, checking each sentence of the answer against the evidence and, every few turns, summarising a
long talk are the work of models, and told apart; what is left, the graph and remembering it all, is to take less than
10 ms. The second table is of SmolLM2, by turns inside the agent and bare, given the very prompt that the agent gives
it; the goal is that the agent's first token comes at most 1.1 times as late.
"""

import importlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from typing import Annotated, Any
from unittest import mock
from uuid import uuid4

import typer
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from agents import Conversation
from agents.memory import open_memory
from agents.prompts import answer_prompt
from agents.tools.catalogue import own_tools
from benchmarks.side_by_side import Comparison, by_turns, comparison_table, markdown, present, spoken, warn_if_busy
from benchmarks.workspace import empty_workspace
from lab.command_app import Json, command_app
from lab.console import Console
from lab.llm import BaseLLM, resolve_llm
from rag import add_documents, handbook_folder

GOAL_MS, GOAL_TIMES = 10.0, 1.1
QUESTIONS = (
    "What does the handbook say about warm-up steps?",
    "What does the handbook say about the champion?",
    "How do our documents explain the learning rate?",
    "What does the handbook say about chunks of documents?",
)
TALK = ("Hello, how are you?", "Thank you, that was kind!", "Good morning!", "Tell me a joke, please.")
SAID = "The handbook explains the warm-up steps and the learning rate in a section of their own [1]."
PARTS = {
    "choosing tools": "agents.graph._embedded_choice",
    "checking claims": "agents.conversation.check_claims",
    "summarising": "agents.memory.summary.extract",
}

app = command_app()


@app.command()
def main(
    turns: Annotated[int, typer.Option(min=4, help="Questions of a round, for what a turn takes.")] = 20,
    before: Annotated[int, typer.Option(min=0, help="Questions that the memory holds before.")] = 50,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side says its first token to each question.")] = 5,
    json: Json = False,
) -> None:
    """Measure what the agent adds to its LLM and its tools."""
    warn_if_busy()
    with empty_workspace():
        Console().note("filling the index with the handbook …")
        add_documents(handbook_folder())
        own = [_own(embedded, kept, turns) for embedded in (True, False) for kept in (None, before)]
        first = [_first_tokens(kind, questions, rounds) for kind, questions in KINDS.items()]
    document: dict[str, Any] = {"turns": turns, "rounds": rounds, "own": own, "goal_ms": GOAL_MS}
    document |= {"first_token": [comparison.document() for comparison in first]}
    present("agent", document, [_own_table(own), comparison_table(first, "bare model")], json)


KINDS = {"first token, no tool": TALK, "first token, after the knowledge tool": QUESTIONS}


class Instant(BaseChatModel):
    """Says one sentence at once; offered tools and asked a question, it calls the knowledge tool."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Remember that there are tools."""
        return self.bind(offered=True)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages, *args, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        offered: bool = False,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if offered and messages[-1].type == "human":
            call = tool_call_chunk(name="knowledge", args=f'{{"query": "{QUESTIONS[0]}"}}', id=uuid4().hex, index=0)
            yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[call]))
            return
        for word in SAID.split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(f"{word} "))


def _own(embedded: bool, kept: int | None, turns: int) -> dict[str, Any]:
    """Return what a turn takes beside LLM and tool, in ms, the parts of it, and who routes and remembers.

    Args:
        embedded: the embedded router chooses the tool; else the LLM.
        kept: questions that a SQLite memory holds before; None for no memory on disk.
        turns: how many are timed.
    """
    kind = "embedded router" if embedded else "native tool calling"
    remembers = "nothing on disk" if kept is None else f"SQLite, {kept} questions before"
    Console().note(f"{kind}, {remembers} …")
    llm = BaseLLM("benchmark:instant", Instant(), resolve_llm("embedded:smollm2").score_labels, embedded)
    with open_memory() if kept is not None else nullcontext() as memory, ExitStack() as clocks:
        conversation = Conversation(llm, own_tools(), memory)
        for number in range(max(kept or 0, 3)):  # three warm it up
            conversation.answer(QUESTIONS[number % len(QUESTIONS)])
        parts = {name: clocks.enter_context(_clock(target)) for name, target in PARTS.items()}
        taken = [_beside_tools(conversation, QUESTIONS[number % len(QUESTIONS)], parts) for number in range(turns)]
    medians = {name: statistics.median(turn[name] for turn in taken) for name in taken[0]}
    worst = max(turn["graph"] for turn in taken)
    told = {"router": kind, "memory": remembers, "medians_ms": medians, "worst_ms": worst}
    return told | {"met": medians["graph"] < GOAL_MS}


def _beside_tools(conversation: Conversation, question: str, parts: dict[str, list[float]]) -> dict[str, float]:
    """Return the milliseconds of a turn that no tool took: in all, of each part, and of the graph without the parts."""
    for laps in parts.values():
        laps.clear()
    start = time.perf_counter()
    turn = conversation.answer(question)
    took = time.perf_counter() - start
    assert [run.name for run in turn.tools] == ["knowledge"]
    whole = (took - sum(run.seconds for run in turn.tools)) * 1000
    models = {name: sum(laps) for name, laps in parts.items()}
    return {"in all": whole, **models, "graph": whole - sum(models.values())}


@contextmanager
def _clock(target: str) -> Iterator[list[float]]:
    """Note the milliseconds of each call of a function of the agent."""
    laps: list[float] = []
    module, _, name = target.rpartition(".")
    original: Callable[..., Any] = getattr(importlib.import_module(module), name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            laps.append((time.perf_counter() - start) * 1000)

    with mock.patch(target, timed):
        yield laps


def _first_tokens(kind: str, questions: Sequence[str], rounds: int) -> Comparison:
    """Return the milliseconds to the first token, median over the questions, on both sides."""
    llm = resolve_llm("embedded:smollm2")
    prompts = {question: _prompt(llm, question) for question in questions}

    def inside(_: int) -> float:
        return statistics.median(_to_first(Conversation(llm, own_tools()), question) for question in questions)

    def bare(_: int) -> float:
        return statistics.median(_until(partial(llm.chat.stream, prompts[question])) for question in questions)

    laps = by_turns({"agent": inside, "bare model": bare}, rounds)
    return Comparison(kind, "ms", laps["agent"], laps["bare model"], 1 / GOAL_TIMES, less_is_faster=True)


def _prompt(llm: BaseLLM, question: str) -> list[BaseMessage]:
    """Return the prompt that the agent gives its LLM for this question; asking warms everything up."""
    turn = Conversation(llm, own_tools()).answer(question)
    return answer_prompt([], question, turn.evidence, [])


def _to_first(conversation: Conversation, question: str) -> float:
    """Return the milliseconds until the agent's answer begins; the rest is not waited for."""
    start = time.perf_counter()
    with closing(conversation.ask(question)) as events:
        next(event for event in events if isinstance(event, str))
        return (time.perf_counter() - start) * 1000


def _until(start_streaming: Callable[[], Iterator[BaseMessage]]) -> float:
    """Return the milliseconds until a model's answer begins; the rest is not waited for."""
    start = time.perf_counter()
    with closing(start_streaming()) as messages:  # type: ignore[type-var]
        next(message for message in messages if message.text)
        return (time.perf_counter() - start) * 1000


def _own_table(rows: Sequence[dict[str, Any]]) -> str:
    parts = rows[0]["medians_ms"]
    headers = ["who chooses", "memory", *(f"{name}, ms" for name in parts), "slowest graph", "goal", "verdict"]
    lines = [
        [
            row["router"],
            row["memory"],
            *(f"{row['medians_ms'][name]:.1f}" for name in parts),
            f"{row['worst_ms']:.1f}",
            f"{GOAL_MS:g}",
            spoken(row["met"]),
        ]
        for row in rows
    ]
    return markdown(headers, lines)


if __name__ == "__main__":
    app()
