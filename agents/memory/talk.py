"""What was said in a conversation so far: in this process and, with a memory, beyond it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph.message import add_messages

from agents.memory.conversations import Memory, Place
from agents.memory.transcript import is_unfinished
from agents.prompts import NO_ANSWER
from agents.state import NOT_YET, State


class Talk:
    """The state of one conversation at a time, which is read from the memory only where another has gone on with it."""

    def __init__(self, memory: Memory | None) -> None:
        self._memory = memory
        self._place: Place | None = None  # of the last turn in `_state`
        self._state: dict[str, Any] = {}
        self._turn: dict[str, Any] = {}

    def state(self, conversation: str) -> dict[str, Any]:
        """Return the state of a conversation as it is by now; empty before its first question.

        Raises:
            BakeoffError: the database failed.
        """
        if self._memory:
            return _joined(self._memory.turns(conversation))
        return self._state if self._place and self._place.conversation == conversation else {}

    @contextmanager
    def turn(self, conversation: str, question: str) -> Iterator[State]:
        """Write a question down before anybody works on it, and yield the conversation that ends with it.

        Whoever ends the process then loses the answer alone. Before another question, one without an answer gets a
        word for it: APIs refuse two questions in a row. Nobody else asks in the conversation during the block.

        Raises:
            BakeoffError: the database failed, or another chat held the conversation for ten minutes.
        """
        with self._memory.turn(conversation, question) if self._memory else nullcontext() as place:
            before = self._before(place or self._unkept(conversation))
            said = before.get("messages", [])
            asked: list[AnyMessage] = [AIMessage(NO_ANSWER, id=uuid4().hex)] if is_unfinished(said) else []
            asked.append(HumanMessage(question, id=uuid4().hex))
            self._keep({"messages": asked, "routing": NOT_YET, "rounds": 0})
            yield State(**{**self._state, "messages": [*said, *asked]})  # type: ignore[typeddict-item]

    def finish(self, added: Mapping[str, Any]) -> None:
        """Add to the turn what came of its question: messages, and how it was routed; within the block of `turn`."""
        self._keep({**self._turn, **added, "messages": add_messages(self._turn["messages"], added["messages"])})

    def _before(self, place: Place) -> dict[str, Any]:
        """Return the state before a turn, and note where it stands."""
        if self._place is None or self._place.next != place:
            self._state = _joined(self._memory.turns(place.conversation)) if self._memory else {}
        self._place, self._turn = place, {"messages": []}
        return self._state

    def _unkept(self, conversation: str) -> Place:
        """Return the place of the next turn in a conversation that no memory keeps."""
        if self._place and self._place.conversation == conversation:
            return self._place.next
        return Place(conversation, 1, 0.0)

    def _keep(self, turn: dict[str, Any]) -> None:
        place, self._place = self._place, None  # until it is written: else the memory is to be read anew
        assert place is not None, "within a turn"
        if self._memory:
            turn = self._memory.keep(place, turn)
        earlier = self._state.get("messages", [])
        earlier = earlier[: len(earlier) - len(self._turn["messages"])]
        self._state, self._turn = self._state | turn | {"messages": [*earlier, *turn["messages"]]}, turn
        self._place = place


def _joined(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state after all turns: their messages in order, and the rest as it was last written."""
    state: dict[str, Any] = {}
    for turn in turns:
        state |= turn | {"messages": [*state.get("messages", ()), *turn["messages"]]}
    return state
