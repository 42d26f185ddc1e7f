"""Who chooses tools has read nothing from outside: a text could do the choosing.

The pattern is plan-then-execute, of Beurer-Kellner et al. 2025 (arXiv 2506.08837). It holds from turn to turn: an
answer made of what tools found may repeat what a text wants done at the next question.
"""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from agents.prompts import is_speech
from agents.state import State, turn_messages
from agents.tools.mcp import is_outside
from lab.settings import settings

NO_FOLLOW_UP = (
    "having read what the tools found, the LLM asked for more of them; that is off, for a text could be asking"
    " (BAKEOFF_FOLLOW_UPS=true allows it)"
)
HIDDEN = AIMessage("(I answered this from what the tools found.)")


def may_call(turn: Sequence[AnyMessage]) -> bool:
    """Say whether tools may still be chosen in this turn: not by who has read what tools found."""
    return settings().follow_ups or not has_read(turn)


def has_read(messages: Sequence[AnyMessage]) -> bool:
    """Say whether tools brought in text from outside; of an MCP server the errors are its own words too."""
    results = [message for message in messages if isinstance(message, ToolMessage)]
    return any(is_outside(result.name or "") or (result.artifact or {}).get("evidence") for result in results)


def is_guarded(state: State) -> bool:
    """Say whether tools may be chosen now, and what was said before has to be kept from who chooses."""
    turn = turn_messages(state["messages"])
    return not settings().follow_ups and not has_read(turn) and has_read(state["messages"][: -len(turn)])


def without_answers(read: list[AnyMessage]) -> list[AnyMessage]:
    """Return what a prompt is made of with what the user said, and nothing of what was answered before this turn."""
    turn = turn_messages(read)
    before = read[: len(read) - len(turn)]
    return [*(HIDDEN if _is_answer(message) else message for message in before), *turn]


def _is_answer(message: AnyMessage) -> bool:
    return message.type == "ai" and is_speech(message)
