"""Questions on their way through the graph, each in a thread of its own, so that a page can look, leave and stop."""

import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agents.memory.conversations import Memory
from lab.errors import BakeoffError
from lab.loading import loaded_once
from lab.redact import reason

if TYPE_CHECKING:
    from agents.conversation import Conversation
    from agents.memory.transcript import Exchange
    from agents.tools.catalogue import Catalogue
    from agents.turn import ToolRun, Turn

ENDING = 3.0  # seconds that a stopped answer has to let its conversation go


class Asked:
    """A question that was asked here: what has come of it so far.

    Attributes:
        question: the user's words.
        team: whether a team works on it.
        llm: the base LLM's name.
        nodes: of the graph, in the order in which they began to work.
        text: the answer so far.
        tools: the calls that have ended.
        turn: the whole, once it is there.
        error: why there is none, in a line; "" while nothing went wrong.
        stopped: whether the user stopped it.
    """

    def __init__(self, question: str, llm: str, team: bool) -> None:
        self.question, self.llm, self.team = question, llm, team
        self.nodes: list[str] = []
        self.text, self.error, self.stopped = "", "", False
        self.tools: list[ToolRun] = []
        self.turn: Turn | None = None
        self._conversation: Conversation | None = None
        self._thread: threading.Thread | None = None

    @property
    def under_way(self) -> bool:
        """Return whether an answer may still come."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self, open_conversation: Callable[[], "Conversation"]) -> None:
        """Ask; the conversation is opened in the question's own thread, for the first one loads models."""
        self._thread = threading.Thread(target=self._ask, args=(open_conversation,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the answer, whatever it waits for, and let go of the conversation."""
        self.stopped = True
        if self._conversation:
            self._conversation.stop()
        if self._thread:
            self._thread.join(ENDING)

    def _ask(self, open_conversation: Callable[[], "Conversation"]) -> None:
        try:
            self._conversation = open_conversation()
            self._conversation.entering = self.nodes.append
            self._follow(self._conversation)
        except KeyboardInterrupt:
            self.stopped = True
        except BakeoffError as error:
            self.error = str(error)
        except Exception as error:
            traceback.print_exc()
            self.error = f"{type(error).__name__}: {reason(error)}"

    def _follow(self, conversation: "Conversation") -> None:
        from agents.turn import Turn

        if self.stopped:
            return
        with closing(conversation.ask(self.question)) as events:
            for event in events:
                if isinstance(event, Turn):
                    self.turn = event
                elif self.stopped:
                    return
                elif isinstance(event, str):
                    self.text += event
                else:
                    self.text = ""  # words before a call are not the answer
                    self.tools.append(event)


@dataclass
class Chat:
    """One visitor's side of the conversations; what was said in them is in the memory, which all share.

    Attributes:
        asked: what was asked here, by conversation and number of the exchange.
    """

    asked: dict[tuple[str, int], Asked] = field(default_factory=dict)
    _conversations: dict[str, "Conversation"] = field(default_factory=dict)

    def begin(self, memory: Memory, conversation: str, number: int, asked: Asked) -> None:
        """Ask in a conversation, as its exchange of that number, counted from 0."""
        self.asked[conversation, number] = asked
        asked.begin(lambda: self._opened(memory, conversation, asked))

    def under_way(self, conversation: str) -> Asked | None:
        """Return what this visitor asked in a conversation and is not answered yet."""
        own = (asked for (where, _), asked in self.asked.items() if where == conversation)
        return next((asked for asked in own if asked.under_way), None)

    def exchanges(self, conversation: str, remembered: Sequence["Exchange"]) -> list["Exchange | Asked"]:
        """Return a conversation's exchanges in order: as asked here, which tells more, or else as remembered."""
        shown: list[Exchange | Asked] = list(remembered)
        for (where, number), asked in self.asked.items():
            if where != conversation:
                continue
            if number >= len(shown):
                shown = [*shown, asked]
            elif remembered[number].question == asked.question:
                shown[number] = asked
        return shown

    def _opened(self, memory: Memory, conversation: str, asked: Asked) -> "Conversation":
        from agents.conversation import Conversation
        from lab.llm import resolve_llm

        llm = resolve_llm(asked.llm)
        known = self._conversations.get(conversation) or Conversation(llm, shared_tools(), memory, conversation)
        self._conversations[conversation] = known
        known.llm, known.team = llm, asked.team
        return known


@loaded_once
def shared_tools() -> "Catalogue":
    """Return the tools on offer, which all visitors share: what an MCP server is asked for is asked for once."""
    from agents.tools.catalogue import offered_tools

    return offered_tools()


def known_llms(*names: str) -> list[str]:
    """Return the base LLMs that can be chosen without asking anybody: these, the settings', and the embedded."""
    from lab.llm.weights import EMBEDDED
    from lab.settings import settings

    embedded = [f"embedded:{name}" for name in EMBEDDED]
    chosen: list[Any] = [settings().llm, *embedded, *names]
    return list(dict.fromkeys(name for name in chosen if name))
