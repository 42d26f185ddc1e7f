"""What one question may take, so that a turn always ends: rounds of tools, tokens, dollars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, AnyMessage, ToolCall

from lab.errors import BakeoffError
from lab.llm import BaseLLM
from lab.prices import Price, load_prices
from lab.settings import settings

MOST_ROUNDS = 3  # of tools


@dataclass(frozen=True)
class TurnBudget:
    """The most that one question may take, and what it has taken: several may work on it, and each shows what it said.

    Attributes:
        tokens: read and written by the base LLM.
        usd: for these tokens; None for no limit.
        price: of the base LLM's tokens; None where it is unknown.
    """

    tokens: int
    usd: float | None = None
    price: Price | None = None
    _counted: dict[str | int, AIMessage] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, llm: BaseLLM) -> "TurnBudget":
        """Return the budget that the settings give a question to `llm`.

        Raises:
            BakeoffError: dollars are limited and what the model costs is unknown.
        """
        chosen = settings()
        if chosen.turn_usd is None:  # reading the prices takes longer than the rest of the graph
            return cls(chosen.turn_tokens)
        price = load_prices().of(llm.name)
        if price is None:
            fix = "add it to prices.yaml, or unset BAKEOFF_TURN_USD"
            raise BakeoffError(f"a price for {llm.name}, as BAKEOFF_TURN_USD is set", "none", fix)
        return cls(chosen.turn_tokens, chosen.turn_usd, price)

    def count(self, messages: Iterable[AnyMessage]) -> None:
        """Take note of messages, each once however often it is shown."""
        self._counted.update({m.id or id(m): m for m in messages if isinstance(m, AIMessage)})

    def used_up(self, messages: Iterable[AnyMessage] = ()) -> str:
        """Return which limit is reached by these messages and those counted before, in words; "" for none."""
        self.count(messages)
        counted = list(self._counted.values())  # in one step, for others may be counting
        usages = [message.usage_metadata for message in counted if message.usage_metadata]
        tokens = sum(usage["total_tokens"] for usage in usages)
        if tokens >= self.tokens:
            return f"{tokens:,} tokens, of {self.tokens:,} (BAKEOFF_TURN_TOKENS)"
        if self.usd is None or self.price is None:
            return ""
        read, written = (sum(usage[part] for usage in usages) for part in ("input_tokens", "output_tokens"))
        usd = (read * self.price.input + written * self.price.output) / 1e6
        return f"${usd:.4f}, of ${self.usd:g} (BAKEOFF_TURN_USD)" if usd >= self.usd else ""


def ended_by(limit: str) -> str:
    """Return the answer to a question that ended before there was one: its budget's `limit` was reached."""
    return f"No answer: this question has used up its {limit}. What was found is below."


def new_calls(wanted: Sequence[ToolCall], turn: Iterable[AnyMessage]) -> list[ToolCall]:
    """Return the calls that were not made yet in this turn, each once: asked again, a tool says the same again."""
    made = [call for message in turn if isinstance(message, AIMessage) for call in message.tool_calls]
    seen = [(call["name"], call["args"]) for call in made]
    kept: list[ToolCall] = []
    for call in wanted:
        if (call["name"], call["args"]) not in seen:
            seen.append((call["name"], call["args"]))
            kept.append(call)
    return kept
