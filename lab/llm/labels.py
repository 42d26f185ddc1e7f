"""What is asked of a base LLM that labels, and what it says: how likely each label is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lab.llm.failures import FailureKind

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


@dataclass(frozen=True)
class LabelPrompt:
    """A text to label, the instruction, and labelled examples to learn from, least to most similar."""

    instruction: str
    text: str
    shots: tuple[tuple[str, str], ...] = ()

    def messages(self) -> "list[BaseMessage]":
        """Return the conversation whose next turn is the label."""
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        turns: list[BaseMessage] = [SystemMessage(self.instruction)]
        for text, label in self.shots:
            turns += [HumanMessage(text), AIMessage(label)]
        return [*turns, HumanMessage(self.text)]


@dataclass(frozen=True)
class LabelScores:
    """A probability per label (they sum to 1), or the reason why there is none.

    Attributes:
        tokens: read and written.
        output_tokens: those among them that were written.
        failure_kind: what can be done about it.
        saved_seconds: that asking would have taken, for an answer that was kept from before.
    """

    scores: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    failure: str | None = None
    failure_kind: FailureKind | None = None
    saved_seconds: float = 0.0
    output_tokens: int = 0


class LabelScorer(Protocol):
    """Scores every label for every prompt."""

    def __call__(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Return the scores in the order of the prompts."""
        ...
