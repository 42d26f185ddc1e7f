"""Which tools does a question need? Learned from example utterances, so that no tool-calling LLM is required."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from statistics import fmean
from typing import Literal

from langchain_core.messages import AIMessage, ToolCall

from agents.budget import MOST_ROUNDS
from agents.quoting import quoted
from agents.routing.clauses import clauses, earlier, query_of
from agents.routing.costs import act, question_back
from agents.routing.features import features
from agents.routing.learned import ALONE, Learned
from agents.routing.utterances import AND, NO_TOOL, Utterance, joined, load_utterances
from agents.state import State
from lab.embeddings import Embedder
from lab.loading import loaded_once

SURE = 0.5  # of each of several clauses, before a question is taken for several


@dataclass(frozen=True)
class Reading:
    """A request in a question, as the router reads it.

    Attributes:
        text: the user's words.
        query: what to look up for it, with the words of an earlier turn that it refers to.
        scores: the probability of each route, the likeliest first.
    """

    text: str
    query: str
    scores: Mapping[str, float]

    @property
    def likeliest(self) -> str:
        """Return the likeliest route."""
        return next(iter(self.scores))


class EmbeddedRouter:
    """Calibrated logistic regression on sentence embeddings and letters of the utterances in utterances.yaml."""

    def __init__(self, embedder: Embedder, utterances: Sequence[Utterance] | None = None) -> None:
        """Learn the routes from `utterances` (default: Bakeoff's own); some seconds on two cores, then kept."""
        self._embedder = embedder
        self.learned = Learned.kept(load_utterances() if utterances is None else utterances, embedder)

    @classmethod
    @loaded_once
    def load(cls) -> "EmbeddedRouter":
        """Return the router on the workspace's embedder, learned once per process."""
        return cls(Embedder.load())

    def read(self, question: str, history: Sequence[str] = ()) -> list[Reading]:
        """Return the requests in a question, one after the other; most have one.

        Args:
            question: what the user says now.
            history: what the user said before, the oldest first.
        """
        before, parts = earlier(history), clauses(question)
        texts = [question, *([f"{before} {question}"] if before else []), *(parts if len(parts) > 1 else [])]
        rows = features(texts, self._embedder)
        routes = self.learned.route.probabilities(rows)
        alone, query = routes[0], question
        if before:
            gate = dict(zip(self.learned.gate.labels, self.learned.gate.probabilities(rows[:1])[0], strict=True))
            alone = gate[ALONE] * routes[0] + (1 - gate[ALONE]) * routes[1]
            query = question if gate[ALONE] > 1 / 2 else f"{before} {question}"
        several = [
            Reading(part, query_of(part, parts[:number]), self._ranked(row))
            for number, (part, row) in enumerate(zip(parts, routes[-len(parts) :], strict=True))
        ]
        tools = {one.likeliest for one in several} - {NO_TOOL}
        if len(tools) > 1 and all(one.scores[one.likeliest] > SURE for one in several):
            return several
        return [Reading(question, query, self._ranked(alone))]

    def scores(self, question: str, history: Sequence[str] = ()) -> dict[str, float]:
        """Return the probability of each route, the likeliest first; of several requests, their mean."""
        return _mean(self.read(question, history))

    def decide(
        self, question: str, offered: Collection[str], history: Sequence[str] = ()
    ) -> tuple[AIMessage, dict[str, float]]:
        """Return the decision and all scores: a message with tool calls, without any, or with a question to the user.

        Args:
            question: what the user says now.
            offered: the tools that may be called.
            history: what the user said before, the oldest first.
        """
        readings = self.read(question, history)
        calls, unsure = list[ToolCall](), list[dict[str, float]]()
        for reading in readings:
            scores = _among(offered, reading.scores)
            label = act(scores)
            calls += [_call(tool, reading) for tool in (label or NO_TOOL).split(AND) if tool != NO_TOOL]
            unsure += [scores] * (label is None)
        said = question_back(unsure[0]) if unsure and not calls else ""
        return AIMessage(said, tool_calls=calls), _mean(readings)

    def _ranked(self, probabilities: Sequence[float]) -> dict[str, float]:
        pairs = zip(self.learned.route.labels.tolist(), map(float, probabilities), strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))


def likeliest(readings: Sequence[Reading]) -> tuple[str, float]:
    """Return the likeliest label of a question as a whole, like "classify+web", and its probability."""
    label = joined([reading.likeliest for reading in readings if reading.likeliest != NO_TOOL])
    return label, prod(reading.scores[reading.likeliest] for reading in readings)


def _among(offered: Collection[str], scores: Mapping[str, float]) -> dict[str, float]:
    """Return the probabilities given that it is one of the routes on offer; only the best if the likeliest is not."""
    left = {route: score for route, score in scores.items() if route in offered or route == NO_TOOL}
    if next(iter(scores)) not in left:
        return {next(iter(left)): 1.0}
    return {route: score / sum(left.values()) for route, score in left.items()}


def _call(tool: str, reading: Reading) -> ToolCall:
    arguments = {"text": quoted(reading.text)} if tool == "classify" else {"query": reading.query}
    return ToolCall(name=tool, args=arguments, id=uuid.uuid4().hex)


def _mean(readings: Sequence[Reading]) -> dict[str, float]:
    means = {route: fmean(one.scores[route] for one in readings) for route in readings[0].scores}
    return dict(sorted(means.items(), key=lambda pair: -pair[1]))


def after_route(state: State) -> Literal["tools", "answer", "end"]:
    """Say where a routing decision leads: to its tools, to the answer, or to the end if it is the answer already."""
    decision = state["messages"][-1]
    assert isinstance(decision, AIMessage)
    if decision.tool_calls:
        return "tools"
    return "end" if decision.text else "answer"


def after_tools(state: State) -> Literal["route", "answer"]:
    """Say whether the LLM may look at what the tools found and call more; the embedded router decides only once."""
    more = state["routing"]["kind"] == "native" and state["rounds"] < MOST_ROUNDS
    return "route" if more else "answer"
