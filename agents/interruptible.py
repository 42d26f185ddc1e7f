"""A turn that can be left at any moment: it runs in a thread of its own, and whoever listens may go away."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from langgraph.constants import TAG_NOSTREAM

END = object()
GRACE = 1.0  # seconds that a turn has to end in once it is stopped, before it is left to itself

Event = TypeVar("Event")


class Stop(BaseCallbackHandler):
    """Ends a turn where it next asks, hears or finishes hearing an LLM; a callback of every LLM in the graph.

    `hand_on` is told what an LLM says, as it says it: LangGraph would put each node into a thread of its own for that.
    """

    raise_error = True
    run_inline = True

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.hand_on: Callable[[str], None] = lambda words: None

    def ask(self) -> None:
        """Ask the turn to end."""
        self._asked.set()

    def check(self, *_: Any, **__: Any) -> None:
        """Raise KeyboardInterrupt if the turn is to end: it is nobody's failure, so nobody reports or retries it."""
        if self._asked.is_set():
            raise KeyboardInterrupt

    on_chat_model_start = on_llm_end = check

    def on_llm_new_token(
        self,
        token: Any,
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        tags: list[str] | None = None,
        **_: Any,
    ) -> None:
        """Hand on what was said, unless it is not for the user."""
        self.check()
        words = chunk.message.text if isinstance(chunk, ChatGenerationChunk) else ""
        if words and TAG_NOSTREAM not in (tags or ()):
            self.hand_on(words)


class Interruptible:
    """Runs turns one after the other; one that is stopped while it waits for a silent server is left behind."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._stop_waiting: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """End the turn under way from another thread: who listens to it gets KeyboardInterrupt, as from Ctrl-C."""
        self._stop_waiting()

    @property
    def left_behind(self) -> bool:
        """Return whether a stopped turn still waits for somebody, which would keep the process from ending."""
        return any(thread.is_alive() for thread in self._threads)

    def run(
        self, events: Callable[[], Generator[Event, None, None]], stop: Stop, aloud: bool = False
    ) -> Generator[Event, None, None]:
        """Yield what `events` yields, as it comes; closing this generator stops it.

        Args:
            events: begins the turn; called, and iterated, in the turn's own thread.
            stop: what the turn's LLMs look at.
            aloud: also yield what these LLMs say, piece by piece, as strings.

        Raises:
            Exception: what the turn raised.
        """
        heard: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._stop_waiting = lambda: heard.put((None, KeyboardInterrupt()))
        if aloud:
            stop.hand_on = lambda words: heard.put((words, None))

        def work() -> None:
            try:
                with closing(events()) as coming:
                    for event in coming:
                        stop.check()
                        heard.put((event, None))
                heard.put((END, None))
            except BaseException as error:  # carried over to the listener's thread
                heard.put((None, error))

        thread = threading.Thread(target=copy_context().run, args=(work,), daemon=True)
        thread.start()
        try:
            while True:
                event, error = heard.get()
                if error is not None:
                    raise error
                if event is END:
                    return
                yield event
        finally:
            stop.ask()
            thread.join(GRACE)
            self._threads = [*(known for known in self._threads if known.is_alive()), thread]
