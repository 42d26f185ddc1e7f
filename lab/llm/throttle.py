"""How many requests to a provider may be under way at once: fewer when it asks for that, more while it answers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from lab.console import Console
from lab.llm.failures import is_passing, is_rate_limit, retry_after

ATTEMPTS = 6
LONGEST_WAIT = 300.0  # seconds; a provider that asks for more is a failure that may be retried later

Result = TypeVar("Result")
_pause = wait_exponential_jitter(initial=0.5, max=30)


class Throttle:
    """Additive increase, multiplicative decrease (Chiu & Jain 1989, as in TCP), shared by all threads that ask.

    A rate limit halves the requests that may be under way, and nobody asks before the provider's Retry-After is over;
    each answer then adds 1/limit, one more for every round of answers, up to the user's own limit.
    """

    def __init__(self, name: str, most: int) -> None:
        """Begin with all of `most` at once; `name` is what the user is told is slowed down."""
        self._name, self._most, self._limit = name, most, float(most)
        self._running, self._opens = 0, 0.0
        self._turn = threading.Condition()

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return int(self._limit)

    def ask(self, request: Callable[[], Result]) -> Result:
        """Return what `request` returns, waiting for a turn, and asking again after failures that pass.

        Raises:
            Exception: the client's own, when it will not pass, or has not after six attempts.
        """
        patience = Retrying(stop=_has_no_use, retry=retry_if_exception(is_passing), wait=_wait, reraise=True)
        answer: Result = patience(self._once, request)
        return answer

    def _once(self, request: Callable[[], Result]) -> Result:
        with self._my_turn():
            try:
                answer = request()
            except Exception as error:
                if is_rate_limit(error):
                    self._slow_down(min(retry_after(error) or 0.0, LONGEST_WAIT))
                raise
        with self._turn:
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._turn.notify_all()
        return answer

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        with self._turn:
            while (early := self._opens - time.monotonic()) > 0 or self._running >= self.limit:
                self._turn.wait(max(early, 0.01) if early > 0 else None)
            self._running += 1
        try:
            yield
        finally:
            with self._turn:
                self._running -= 1
                self._turn.notify_all()

    def _slow_down(self, seconds: float) -> None:
        """Halve the limit, but once for all requests that were under way together."""
        with self._turn:
            now = time.monotonic()
            if now >= self._opens:
                self._limit = max(1.0, self._limit / 2)
                wait = f", none for {seconds:.0f} s" if seconds >= 1 else ""
                Console().note(f"{self._name} limits its rate: {self.limit} requests at once from now{wait}")
            self._opens = max(self._opens, now + seconds)


def _wait(state: RetryCallState) -> float:
    """Return the seconds to wait: what the provider asks for, else longer each time."""
    asked = retry_after(_error(state))
    return _pause(state) if asked is None else asked


def _has_no_use(state: RetryCallState) -> bool:
    return state.attempt_number >= ATTEMPTS or (retry_after(_error(state)) or 0.0) > LONGEST_WAIT


def _error(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None, "asked only after a failure"
    return error
