"""A chat model on OpenAI's wire that does all that it is told by whatever it reads: the worst that an LLM can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .scripted import Message, ScriptedServer, says
from .server import Answer, Request

WELCOME = says("You are welcome.")


class ObedientServer(ScriptedServer):
    """Says `first` when it is first offered tools, obeys whatever gives it orders, and is polite about all else."""

    def __init__(self, first: Message, orders: Mapping[str, Message]) -> None:
        """Learn what to do.

        Args:
            first: What it says before anybody gives orders: the call of a tool, for instance.
            orders: What it says to a text, by words that stand in this text alone.
        """
        super().__init__(first)
        self._orders = orders
        self.obeyed: set[str] = set()

    def line(self, request: Request) -> Message | Answer:
        """Obey: say the words of all orders read, and ask for all their tools, whether tools are offered or not."""
        read = "\n".join(str(message["content"]) for message in request.json["messages"])
        found = [words for words in self._orders if words in read]
        self.obeyed.update(found)
        if not found:
            return self.script.popleft() if self.script and "tools" in request.json else WELCOME
        orders = [self._orders[words] for words in found]
        calls: list[dict[str, Any]] = [call for order in orders for call in order.get("tool_calls", ())]
        numbered = [call | {"id": f"order_{number}"} for number, call in enumerate(calls, 1)]
        said = "\n".join(str(order["content"]) for order in orders)
        return {"role": "assistant", "content": said, **({"tool_calls": numbered} if numbered else {})}
