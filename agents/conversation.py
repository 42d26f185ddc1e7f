"""One conversation with the agent: ask, follow what happens, read the turn as data."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langgraph.types import StreamMode

from agents.claims import Claim, check_claims, missing_sources
from agents.findings import looked_up, routing_of
from agents.graph import build_graph
from agents.interruptible import Interruptible, Stop
from agents.memory import Memory, Summarised, Talk, Transcript, has_outgrown, new_id, summarise
from agents.state import Context, RoutedPart, Routing, State, found_evidence, turn_messages
from agents.team import build_team, closing, opening
from agents.tools.catalogue import Catalogue, offered_tools
from agents.turn import ToolRun, Turn, output_tokens_of, tokens_of, tool_runs
from lab.llm import BaseLLM, resolve_llm
from rag import Evidence

STREAMED: Sequence[StreamMode] = ["updates", "tasks", "values"]
STREAMED_OF_TEAM: Sequence[StreamMode] = ["values", "tasks"]
JUDGES = "classify"  # the tool that judges a text and looks nothing up


@dataclass
class Conversation:
    """Talks with one base LLM at a time; `llm` can be swapped between turns, the memory stays.

    Without a `memory` it is forgotten with this object, and when another begins under another `id`. With one, the `id`
    names the conversation that goes on there; it may be changed between turns. With `team` several work on each
    question, which may be changed as well.
    `entering` is told the name of each node of the graph as it begins to work.
    """

    llm: BaseLLM = field(default_factory=resolve_llm)
    catalogue: Catalogue = field(default_factory=offered_tools)
    memory: Memory | None = None
    id: str = field(default_factory=new_id)
    team: bool = False
    entering: Callable[[str], None] = field(default=lambda node: None, repr=False)

    def __post_init__(self) -> None:
        """Compile the graph."""
        self._graph, self._talk = build_graph(self.catalogue), Talk(self.memory)
        self._told: set[str] = set()
        self._turns = Interruptible()

    def ask(self, question: str) -> Generator["str | ToolRun | Turn", None, None]:
        """Yield what happens, as it happens: each finished tool call, pieces of the answer, and last the Turn.

        Closing the generator stops the answer at once, whatever it waits for.
        """
        start = perf_counter()
        with self._talk.turn(self.id, question) as asked:
            context = Context(self.llm, self.catalogue)
            made = self._summarised(asked)
            if made:
                asked["summary"] = made.summary
                context.budget.count(made.said)
            done = yield from (self._run_team if self.team else self._run)(asked, context)
            self._talk.finish(done.added | ({"summary": made.summary} if made else {}))
            yield self._turn(asked["messages"][-1], done, made, perf_counter() - start)

    def answer(self, question: str) -> Turn:
        """Ask and wait for the whole turn."""
        *_, turn = self.ask(question)
        assert isinstance(turn, Turn)
        return turn

    def stop(self) -> None:
        """Stop the answer that is coming, from another thread; `ask` raises KeyboardInterrupt there."""
        self._turns.stop()

    def transcript(self) -> Transcript:
        """Return what was said so far."""
        return Transcript.of(self._talk.state(self.id).get("messages", []))

    def last_routing(self) -> dict[str, Any]:
        """Return how the last question was routed, and what was decided; empty before the first."""
        state = self._talk.state(self.id)
        if "routing" not in state:
            return {}
        decisions = [message for message in turn_messages(state["messages"]) if isinstance(message, AIMessage)]
        called = list(dict.fromkeys(call["name"] for message in decisions for call in message.tool_calls))
        by_scores = bool(state["routing"]["scores"])  # whoever they decide for says nothing first, unless it asks back
        asked_back = by_scores and not called and bool(decisions and decisions[0].text)
        return _routing(state) | {"called": called, "asked_back": asked_back}

    @property
    def left_behind(self) -> bool:
        """Return whether a stopped answer still waits for a server, which would keep the process from ending."""
        return self._turns.left_behind

    def _summarised(self, asked: State) -> Summarised | None:
        """Return a summary if the talk before the question has outgrown the prompt; who waits for it may go away."""
        before, summary = asked["messages"][:-1], asked.get("summary")
        if not has_outgrown(before, summary, self.llm):
            return None  # without a thread, which takes longer than to see this

        def work() -> Generator[Summarised | None, None, None]:
            yield summarise(before, summary, self.llm)

        (made,) = self._turns.run(work, Stop())
        return made

    def _run(self, asked: State, context: Context) -> Generator["str | ToolRun", None, "_Done"]:
        """Let the graph answer, and return what it added."""
        calls: dict[str | None, ToolCall] = {}
        state: dict[str, Any] = {}
        stop = Stop()
        steps: Any = partial(self._graph.stream, asked, {"callbacks": [stop]}, context=context, stream_mode=STREAMED)
        for event in self._turns.run(steps, stop, aloud=True):
            if isinstance(event, str):
                yield event
                continue
            kind, part = event
            if kind == "tasks":
                self._enter(part)
            elif kind == "values":
                state = part
            else:
                for message in _new_messages(part):
                    if isinstance(message, AIMessage):
                        calls |= {call["id"]: call for call in message.tool_calls}
                    elif isinstance(message, ToolMessage):
                        yield ToolRun.of(calls[message.tool_call_id], message)
        added = turn_messages(state["messages"])[1:]
        return _Done({"messages": added, "routing": state["routing"], "rounds": state["rounds"]})

    def _run_team(self, asked: State, context: Context) -> Generator["str | ToolRun", None, "_Done"]:
        """Let the team answer, and return what it found and said as what the turn added."""
        done, stop, told = opening(asked), Stop(), 0
        steps: Any = partial(
            build_team(self.catalogue).stream,
            done,
            {"callbacks": [stop]},
            context=context,
            stream_mode=STREAMED_OF_TEAM,
        )
        for kind, part in self._turns.run(steps, stop):
            if kind == "tasks":
                self._enter(part)
                continue
            done = part
            for finding in done["findings"][told:]:
                yield from tool_runs(finding["messages"])
            told = len(done["findings"])
        answer = closing(done)
        yield answer
        messages = [*looked_up(done["findings"]), AIMessage(answer)]
        added = {"messages": messages, "routing": routing_of(done["findings"])}
        return _Done(added, done["messages"], done["trace"])

    def _enter(self, task: dict[str, Any]) -> None:
        """Tell of a node that begins; LangGraph's other word on a task, its result, comes when it ends."""
        if "input" in task:
            self.entering(task["name"])

    def _unheard(self, notes: Sequence[str]) -> list[str]:
        """Return the notes that this conversation has not told yet: each is worth saying once."""
        fresh = [note for note in dict.fromkeys(notes) if note and note not in self._told]
        self._told.update(fresh)
        return fresh

    def _turn(self, question: AnyMessage, done: "_Done", made: Summarised | None, seconds: float) -> Turn:
        messages: list[AnyMessage] = [question, *done.added["messages"]]
        said = [*(made.said if made else ()), *done.said, *messages]
        results = [message for message in messages if isinstance(message, ToolMessage)]
        unreached = [f"{result.name}: {result.text}" for result in results if result.status == "error"]
        told = [result.artifact["note"] for result in results if result.artifact]
        notes = [made.note if made else "", *unreached, *told, done.added["routing"]["note"]]
        answer, evidence = messages[-1].text.strip(), found_evidence(messages)
        unknown = missing_sources(answer, evidence)
        return Turn(
            answer=answer,
            tools=tool_runs(messages),
            evidence=evidence,
            claims=_claims(answer, results, evidence),
            notes=[*self._unheard(notes), *filter(None, [unknown])],
            llm=self.llm.name,
            router=_routing(done.added),
            seconds=seconds,
            tokens=tokens_of(said),
            output_tokens=output_tokens_of(said),
            trace=done.trace,
        )


@dataclass
class _Done:
    """What came of a question.

    Attributes:
        added: to the state: the messages of the turn after the question, and how it was routed.
        said: by the base LLM beside these messages.
        trace: what each of a team did.
    """

    added: dict[str, Any]
    said: list[AnyMessage] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)


def _claims(answer: str, results: Sequence[ToolMessage], evidence: Sequence[Evidence]) -> list[Claim]:
    """Return what an answer claims, held against what was looked up; without that, it is talk, and claims nothing.

    The classifier's label is a judgement and no text that a sentence could stand in.
    """
    if all(result.name == JUDGES for result in results):
        return []
    return check_claims(answer, evidence)


def _routing(state: dict[str, Any]) -> dict[str, Any]:
    if "routing" not in state:
        return {}
    routing = state["routing"]
    parts = [{**part, **_decision(part)} for part in routing.get("parts", ())]
    return _decision(routing) | ({"parts": parts} if parts else {})


def _decision(routing: Routing | RoutedPart) -> dict[str, Any]:
    return {"kind": routing["kind"], "scores": {route: round(p, 4) for route, p in routing["scores"].items()}}


def _new_messages(update: Any) -> Iterator[AnyMessage]:
    """Yield the messages that a finished node added."""
    for added in update.values():
        yield from (added or {}).get("messages", [])
