"""An exchange as a page shows it, whether it was asked here, which tells all, or is remembered from earlier."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dashboard.chat.asking import Asked
from dashboard.chat.route import Ending

if TYPE_CHECKING:
    from agents.claims import Claim
    from agents.memory.transcript import Exchange
    from agents.turn import ToolRun
    from rag import Evidence


@dataclass(frozen=True)
class Said:
    """A question and what came of it; what the memory does not keep is empty for those of earlier.

    Attributes:
        question: the user's words.
        answer: the answer, or as much of it as there is.
        tools: the calls that ended.
        evidence: what they found.
        llm: the base LLM's name.
        tokens: read and written.
        seconds: the whole took; None while it is under way, and where nobody knows.
        claims: the answer's sentences, held against the evidence.
        notes: what the agent has to tell beside the answer.
        router: who chose the tools, and with which probabilities.
        nodes: of the graph, in the order in which they began to work.
        ending: how far it is.
        trouble: why there is no answer, or not all of it.
    """

    question: str
    answer: str
    tools: "Sequence[ToolRun]"
    evidence: "Sequence[Evidence]"
    llm: str
    tokens: int
    seconds: float | None = None
    claims: "Sequence[Claim]" = ()
    notes: Sequence[str] = ()
    router: dict[str, Any] = field(default_factory=dict)
    nodes: Sequence[str] = ()
    ending: Ending = "answered"
    trouble: str = ""


def said(one: "Exchange | Asked") -> Said:
    """Return an exchange as it is at this moment."""
    if isinstance(one, Asked):
        return _said_here(one)
    trouble = "" if one.answer else "It was not answered."
    return Said(one.question, one.answer, one.tools, one.evidence, one.llm, one.tokens, trouble=trouble)


def _said_here(asked: Asked) -> Said:
    nodes, turn, under_way = tuple(asked.nodes), asked.turn, asked.under_way
    if turn is None:
        trouble = asked.error or ("Stopped." if asked.stopped else "")
        ending: Ending = "under way" if under_way else "cut off"
        tools = list(asked.tools)
        return Said(asked.question, asked.text, tools, [], asked.llm, 0, nodes=nodes, ending=ending, trouble=trouble)
    return Said(
        question=asked.question,
        answer=turn.answer,
        tools=turn.tools,
        evidence=turn.evidence,
        llm=turn.llm,
        tokens=turn.tokens,
        seconds=turn.seconds,
        claims=turn.claims,
        notes=[*turn.trace, *turn.notes],
        router=turn.router,
        nodes=nodes,
    )
