"""Which tool does a question need? Learned from example utterances, so that no tool-calling LLM is required."""

import uuid
from collections.abc import Collection
from importlib.resources import files
from typing import Literal

import yaml
from langchain_core.messages import AIMessage, ToolCall
from sklearn.linear_model import LogisticRegression

from agents.budget import MOST_ROUNDS
from agents.state import State
from agents.tools.classifier import quoted
from lab.embeddings import Embedder
from lab.loading import loaded_once

NO_TOOL = "none"


class EmbeddedRouter:
    """Logistic regression on sentence embeddings of the utterances in utterances.yaml."""

    def __init__(self, embedder: Embedder) -> None:
        """Learn the routes; about a second on two cores."""
        utterances: dict[str, list[str]] = yaml.safe_load((files("agents") / "utterances.yaml").read_text("utf-8"))
        rows = [(text, route) for route, texts in utterances.items() for text in texts]
        self._embedder = embedder
        self._model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
        self._model.fit(embedder.embed([text for text, _ in rows]), [route for _, route in rows])

    @classmethod
    @loaded_once
    def load(cls) -> "EmbeddedRouter":
        """Return the router on the workspace's embedder, learned once per process."""
        return cls(Embedder.load())

    def scores(self, question: str) -> dict[str, float]:
        """Return the probability of each route, the likeliest first."""
        probabilities = self._model.predict_proba(self._embedder.embed([question]))[0]
        pairs = zip(map(str, self._model.classes_), map(float, probabilities), strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    def decide(self, question: str, offered: Collection[str]) -> tuple[AIMessage, dict[str, float]]:
        """Return the decision as a message with at most one tool call, among those `offered`, and all scores."""
        scores = self.scores(question)
        route = next(route for route in scores if route in offered or route == NO_TOOL)
        if route == NO_TOOL:
            return AIMessage(""), scores
        arguments = {"text": quoted(question)} if route == "classify" else {"query": question}
        return AIMessage("", tool_calls=[ToolCall(name=route, args=arguments, id=uuid.uuid4().hex)]), scores


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
