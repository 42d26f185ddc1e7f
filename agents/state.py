"""What travels through the graph in one turn, and what is fixed for it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # LangGraph's tools draw schemas of it, which Python 3.11's cannot give

from agents.budget import TurnBudget
from agents.tools.catalogue import Catalogue, shared_tools
from lab.llm import BaseLLM, resolve_llm
from lab.settings import settings
from rag import Evidence

RouterKind = Literal["native", "embedded"]


class RoutedPart(TypedDict):
    """How a part of a question was routed that a team split, and what came of it."""

    question: str
    kind: RouterKind
    scores: dict[str, float]
    called: list[str]
    asked_back: bool


class Routing(TypedDict):
    """How the last decision was made; `scores` are probabilities per route (embedded router only)."""

    kind: RouterKind
    scores: dict[str, float]
    note: str
    parts: NotRequired[list[RoutedPart]]


NOT_YET = Routing(kind="embedded", scores={}, note="")


class Summary(TypedDict):
    """What prompts hold in place of the conversation's beginning: up to and with the message of the id `upto`."""

    text: str
    upto: str


class State(TypedDict):
    """The conversation, its summary if it grew long, and this turn's routing and number of routing decisions."""

    messages: Annotated[list[AnyMessage], add_messages]
    routing: Routing
    rounds: int
    summary: NotRequired[Summary]


@dataclass(frozen=True)
class Context:
    """What the caller chooses per turn, the base LLM and the tools on offer; LangGraph's own tools choose neither."""

    llm: BaseLLM = field(default_factory=resolve_llm)
    catalogue: Catalogue = field(default_factory=shared_tools)

    @cached_property
    def router(self) -> RouterKind:
        """Return who routes."""
        return router_kind(self.llm)

    @cached_property
    def budget(self) -> TurnBudget:
        """Return what the turn may take."""
        return TurnBudget.of(self.llm)


def router_kind(llm: BaseLLM) -> RouterKind:
    """Return who routes for a base LLM: itself where it may call tools, unless the settings say otherwise."""
    wanted = settings().router
    if wanted == "auto":
        return "embedded" if llm.embedded else "native"
    return wanted


def turn_messages(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Return the messages since the user last spoke, the user's own first."""
    start = next(index for index in reversed(range(len(messages))) if messages[index].type == "human")
    return messages[start:]


def found_evidence(messages: list[AnyMessage]) -> list[Evidence]:
    """Return all evidence that this turn's tools found, in order."""
    artifacts = [getattr(message, "artifact", None) or {} for message in turn_messages(messages)]
    rows = [row for artifact in artifacts for row in artifact.get("evidence", ())]
    return [Evidence(**(row | {"span": tuple(row["span"])})) for row in rows]
