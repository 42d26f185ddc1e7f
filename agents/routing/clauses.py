"""Several requests in one question, told apart by their grammar; and what a turn means after another."""

import re
from collections.abc import Sequence

from agents.quoting import QUOTED

_JOIN = "and|also|then|plus|but|und|et|y|e|en"
_ASKS = (
    "who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|has|have|can|could|will|would|should|may|"
    "(?:in|on|at|since|from|by) (?:which|what|when|whom)|any|find|search|look|check|see|tell|show|give|label|classify|"
    "run|explain|list|get|google|describe|summari[sz]e|name|read|predict|compare|"
    "wer|wann|wo|wie|welche[rs]?|ist|sind|hat|gibt|such|qui|que|quand|où|comment|quel(?:le)?s?|est|cherche|"
    "quién|qué|cuándo|dónde|cómo|cuál|cuánto|busca|chi|che|quando|dove|come|qual[ei]?|cerca|wat|waar|hoe|zoek"
)
_SEAM = re.compile(
    rf"(?:[?!.;]\s+(?:(?:{_JOIN})\b,?\s+)?|,?\s+(?:{_JOIN})\s+)(?:(?:then|also)\s+)?(?=(?:{_ASKS})\b)", re.IGNORECASE
)
_REFERS = re.compile(r"\b(it|its|there|that|this|them|they|their|he|him|his|she|her|one|ones|these|those)\b", re.I)
# "that" after such a verb and before what a clause begins with is a conjunction, and refers to nothing.
_SAYS_THAT = re.compile(
    r"\b(?:says?|said|tells?|told|thinks?|thought|knows?|knew|claims?|claimed|finds?|found|shows?|showed|shown|proves?|"
    r"proved|proven|believes?|believed|means?|discovere?d?s?|states?|stated|writes?|wrote|written)\s+that\s+"
    r"(?=(?:the|an?|my|your|our|i|you|we|some|any|all|no|every|each|most|many)\b)",
    re.IGNORECASE,
)
SHORT = 4  # words: an earlier turn as short as this needs the one before it


def clauses(question: str) -> list[str]:
    """Return the requests in a question, in order; itself, if it is but one. What stands in quotes is left whole."""
    hidden = QUOTED.sub(lambda quote: "'" + "x" * (len(quote[0]) - 2) + "'", question)
    seams = list(_SEAM.finditer(hidden))
    starts, ends = [0, *(seam.end() for seam in seams)], [*(seam.start() for seam in seams), len(question)]
    parts = [question[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return parts if all(len(part.split()) > 1 for part in parts) else [question]


def query_of(clause: str, before: Sequence[str]) -> str:
    """Return what to look up for a clause: with the one before it, where "it" or "there" refers to that."""
    return f"{before[-1]} {clause}" if before and _REFERS.search(_SAYS_THAT.sub("", QUOTED.sub("", clause))) else clause


def earlier(history: Sequence[str]) -> str:
    """Return the end of a conversation, back to a turn that can stand alone."""
    taken: list[str] = []
    for turn in reversed(history):
        taken.insert(0, turn)
        if len(turn.split()) > SHORT:
            break
    return " ".join(taken)
