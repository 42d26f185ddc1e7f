"""What the researchers of a team bring, and what it says of itself: found, not understood, and how it was routed."""

from collections.abc import Sequence
from operator import itemgetter
from statistics import fmean

from langchain_core.messages import AIMessage, AnyMessage
from typing_extensions import TypedDict

from agents.state import RoutedPart, Routing, found_evidence
from rag import Evidence


class Finding(TypedDict):
    """What a researcher brings: the messages of its turn, the part of the question first, and how it was routed."""

    part: int
    question: str
    messages: list[AnyMessage]
    routing: Routing


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings in the order of the parts, whoever was done first."""
    return sorted(findings, key=itemgetter("part"))


def team_evidence(findings: Sequence[Finding]) -> list[Evidence]:
    """Return what all researchers found, part by part."""
    return [item for finding in ordered(findings) for item in found_evidence(finding["messages"])]


def called(finding: Finding) -> list[str]:
    """Return the names of the tools that were called."""
    return [call["name"] for m in finding["messages"] if isinstance(m, AIMessage) for call in m.tool_calls]


def failures(findings: Sequence[Finding]) -> list[str]:
    """Return what the tools said that failed."""
    return [m.text for finding in findings for m in finding["messages"] if getattr(m, "status", "") == "error"]


def asked_back(finding: Finding) -> str:
    """Return what the embedded router asks the user, not knowing what would help; "" if it knew."""
    last = finding["messages"][-1]
    decided = last.type == "ai" and finding["routing"]["kind"] == "embedded"
    return last.text if decided else ""


def can_be_answered(finding: Finding) -> bool:
    """Say whether there is anything to write: evidence, or a part such as "thanks" that needs none."""
    return bool(found_evidence(finding["messages"])) or not (called(finding) or asked_back(finding))


def not_answered(finding: Finding, alone: bool) -> str:
    """Return why a part has no answer: it was not understood, or nothing was found.

    Args:
        finding: without an answer.
        alone: whether the question has no other part, so that it needs no naming.
    """
    if back := asked_back(finding):
        return back if alone else f'I do not understand "{finding["question"]}". {back}'
    failed = [m.name or "a tool" for m in finding["messages"] if getattr(m, "status", "") == "error"]
    why = f"; {' and '.join(dict.fromkeys(failed))} failed" if failed else ""
    return f'Nothing was found about "{finding["question"]}"{why}.'


def routing_of(findings: Sequence[Finding]) -> Routing:
    """Return how the parts were routed, each by itself and together: the scores are then their means."""
    own = [finding["routing"] for finding in ordered(findings)]
    routes = {route for routing in own for route in routing["scores"]}
    return Routing(
        kind="native" if all(routing["kind"] == "native" for routing in own) else "embedded",
        scores={route: fmean(routing["scores"].get(route, 0.0) for routing in own) for route in sorted(routes)},
        note="; ".join(dict.fromkeys(routing["note"] for routing in own if routing["note"])),
        parts=[
            RoutedPart(
                question=finding["question"],
                kind=finding["routing"]["kind"],
                scores=finding["routing"]["scores"],
                called=called(finding),
                asked_back=bool(asked_back(finding)),
            )
            for finding in ordered(findings)
        ],
    )


def looked_up(findings: Sequence[Finding]) -> list[AnyMessage]:
    """Return the researchers' calls and results as those of one turn; what they said beside them is no answer."""
    messages = [m for finding in ordered(findings) for m in finding["messages"] if m.type != "human"]
    return [
        m.model_copy(update={"content": ""}) if isinstance(m, AIMessage) and not m.tool_calls else m for m in messages
    ]
