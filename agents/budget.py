"""What one question may take, so that a turn always ends: rounds of tools, tokens, dollars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, AnyMessage, ToolCall

from lab.errors import BakeoffError
from lab.llm import BaseLLM
from lab.prices import Price, load_prices
from lab.settings import settings

MOST_ROUNDS = 3  # of tools


@dataclass(frozen=True)
class TurnBudget:
    """The most that one question may take.

    Attributes:
        tokens: read and written by the base LLM.
        usd: for these tokens; None for no limit.
        price: of the base LLM's tokens; None where it is unknown.
    """

    tokens: int
    usd: float | None = None
    price: Price | None = None

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

    def used_up(self, turn: Iterable[AnyMessage]) -> str:
        """Return which limit this turn's messages have reached, in words; "" for none."""
        usages = [m.usage_metadata for m in turn if isinstance(m, AIMessage) and m.usage_metadata]
        tokens = sum(usage["total_tokens"] for usage in usages)
        if tokens >= self.tokens:
            return f"{tokens:,} tokens, of {self.tokens:,} (BAKEOFF_TURN_TOKENS)"
        if self.usd is None or self.price is None:
            return ""
        read, written = (sum(usage[part] for usage in usages) for part in ("input_tokens", "output_tokens"))
        usd = (read * self.price.input + written * self.price.output) / 1e6
        return f"${usd:.4f}, of ${self.usd:g} (BAKEOFF_TURN_USD)" if usd >= self.usd else ""


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
