"""What the user sees of a turn: the tools to stderr, the answer and its evidence to stdout."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from agents.conversation import Conversation
from agents.terminal.wrapping import WrappedText, say, terminal_width
from agents.turn import ToolRun, Turn
from lab.console import Console
from lab.errors import BakeoffError
from rag import Evidence
from rag.citations import in_context

SHOWN_CHARACTERS = 300
CONTEXT_CHARACTERS = 200
BAR = 30  # cells of a probability of 1
EIGHTHS = " ▏▎▍▌▋▊▉"


def show(conversation: Conversation, question: str) -> Turn:
    """Ask one question and print what happens, as it happens.

    Raises:
        BakeoffError: the base LLM or the memory cannot be reached.
    """
    answer: WrappedText | None = None
    with closing(conversation.ask(question)) as events:
        for event in events:
            if isinstance(event, str):
                answer = answer or WrappedText(terminal_width())
                answer.feed(event)
                continue
            if answer:
                answer.close()
            if isinstance(event, Turn):
                if not answer:  # an LLM that does not stream has said nothing yet
                    say(event.answer)
                _show_findings(event)
                return event
            answer = None
            _show_tool(event)
    raise AssertionError("a conversation always ends in a Turn")


def _show_tool(run: ToolRun) -> None:
    arguments = ", ".join(f"{name}={value!r}" for name, value in run.arguments.items())
    Console().note(f"→ {run.name}({arguments}) {run.seconds:.1f} s" + ("" if run.ok else f", failed: {run.error}"))


def _show_findings(turn: Turn) -> None:
    """Print what the LLM said that stands nowhere in the evidence, and the evidence, whatever it made of it."""
    for claim in turn.claims:
        if claim.n is None:
            say(f"  [?] in no source: {claim.text}", indent="      ")
    for note in (*turn.trace, *turn.notes):
        Console().note(note)
    show_sources(turn.evidence)


def show_sources(evidence: Sequence[Evidence]) -> None:
    """Print each source with its number and the beginning of what it says."""
    for number, item in enumerate(evidence, 1):
        text = " ".join(item.text.split())
        cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"
        say(f"  [{number}] {_whereabouts(item)}\n{cut}", indent="      ")


def open_source(number: int, item: Evidence) -> None:
    """Print one source whole: where it stands, and between » and « the passage, with what stands around it."""
    Console().note(f"[{number}] {_whereabouts(item)}, characters {item.span[0]}–{item.span[1]}, score {item.score:.3f}")
    before, exact, after = _in_context(item)
    say(f"{before}»{exact}«{after}".strip())


def _in_context(item: Evidence) -> tuple[str, str, str]:
    """Return what stands before the passage, the passage, and what stands after it: in a file, as it is now."""
    if not Path(item.source).is_absolute():
        return "", item.text, ""
    try:
        return in_context(item, CONTEXT_CHARACTERS)
    except BakeoffError as error:
        Console().warn(f"{error}; this is the passage as it was indexed")
        return "", item.text, ""


def show_routing(router: dict[str, Any]) -> None:
    """Print who chose which tools, and the probability of each route as a bar; of a team's question part by part."""
    for part in router.get("parts", ()):
        say(part["question"])
        show_routing(part)
    if "parts" in router:
        return
    chosen = " and ".join(router["called"]) or ("to ask back" if router["asked_back"] else "no tool")
    if router["kind"] == "native":
        Console().answer(f"the base LLM chose {chosen}, by native tool calling; it gives no probabilities")
        return
    Console().answer(f"the embedded router chose {chosen}" + (", by these probabilities:" if router["scores"] else ""))
    for route, probability in sorted(router["scores"].items(), key=lambda pair: -pair[1]):
        Console().answer(f"  {route:<12} {probability:6.1%}  {bar(probability)}".rstrip())


def bar(share: float, cells: int = BAR) -> str:
    """Return a bar for a share of 1, to an eighth of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * cells * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _whereabouts(item: Evidence) -> str:
    source = Path(item.source).name if Path(item.source).is_absolute() and len(item.source) > 60 else item.source
    return f"{source} · {item.place}" if item.place else source
