"""What a router learns from and is tested on: an utterance, the tools it needs, and the turns it follows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from lab.errors import BakeoffError

TOOLS = ("wikipedia", "web", "knowledge", "classify", "alerts")
NO_TOOL = "none"
FOLLOWS, AND = " → ", "+"  # between the turns of a conversation; between the tools that one question needs
FILE = "utterances.yaml"


@dataclass(frozen=True)
class Utterance:
    """What a user says.

    Attributes:
        text: this turn's words.
        tools: what it needs, in the order in which it asks; empty where a language model needs no tool.
        history: the user's earlier turns, the oldest first.
    """

    text: str
    tools: tuple[str, ...]
    history: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: str, label: str) -> "Utterance":
        """Make one of its turns in a row and its label, as in utterances.yaml.

        Raises:
            BakeoffError: the label names something else than tools.
        """
        *history, text = told.split(FOLLOWS)
        tools = tuple(part.strip() for part in label.split(AND) if part.strip() not in ("", NO_TOOL))
        unknown = [tool for tool in tools if tool not in TOOLS]
        if unknown:
            fix = f"use these, or several joined by {AND}"
            raise BakeoffError(f"a label among {', '.join((*TOOLS, NO_TOOL))}", f"'{unknown[0]}' of '{text}'", fix)
        return cls(text, tools, tuple(history))

    @property
    def told(self) -> str:
        """Return all its turns in a row."""
        return FOLLOWS.join((*self.history, self.text))

    @property
    def label(self) -> str:
        """Return its tools as one label, whatever their order."""
        return joined(self.tools)


def joined(tools: Sequence[str]) -> str:
    """Return the label of a set of tools: "classify+web", or "none"."""
    return AND.join(sorted(set(tools))) or NO_TOOL


def load_utterances(content: str | None = None) -> list[Utterance]:
    """Return the utterances in the YAML text `content`; None takes those that come with Bakeoff.

    Raises:
        BakeoffError: it is no mapping of labels to utterances, or a label is unknown.
    """
    if content is None:
        content = (files("agents") / FILE).read_text("utf-8")
    try:
        routes = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise BakeoffError(f"YAML in {FILE}", " ".join(str(error).split())[:200], "correct it there") from None
    if not isinstance(routes, dict):
        raise BakeoffError(f"labels with utterances in {FILE}", type(routes).__name__, "compare it with Bakeoff's own")
    return [Utterance.of(told, str(label)) for label, themes in routes.items() for told in _told(themes, str(label))]


def _told(themes: Any, label: str) -> Iterator[str]:
    """Yield the utterances of a label, by theme or in one list."""
    for told in [row for rows in themes.values() for row in rows] if isinstance(themes, dict) else themes:
        if not isinstance(told, str):
            fix = "put it in quotes: YAML takes it for something else"
            raise BakeoffError(f"words as an utterance of {label} in {FILE}", f"{told!r}", fix)
        yield told
