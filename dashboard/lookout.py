"""The process's one watch over its workspace: it reads whole logs, so all share it, and nobody waits for it."""

import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass

from finetune import Alert, Watch
from lab.redact import reason

EVERY = 2.0  # seconds between two looks, however many visitors there are
PATIENCE = 0.8  # seconds that a page waits for a look to end
KEPT = 1000  # alerts


@dataclass(frozen=True)
class Sight:
    """What a lookout has seen by now.

    Attributes:
        alerts: the newest first.
        told: how many there were in all.
        trainings: how many were looked at.
        predictions: likewise.
        reading: whether it still reads what is there.
        trouble: what it could not judge, in words.
    """

    alerts: tuple[Alert, ...]
    told: int
    trainings: int
    predictions: int
    reading: bool
    trouble: tuple[str, ...]


class Lookout:
    """Polls a `Watch` when somebody looks, in a thread of its own and not more often than every two seconds."""

    def __init__(self) -> None:
        self._trouble: list[str] = []
        self._watch = Watch(note=self._trouble.append)
        self._alerts: deque[Alert] = deque(maxlen=KEPT)
        self._told, self._seen = 0, self._watch.seen
        self._next = 0.0
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    def look(self) -> Sight:
        """Return what has been seen; what is new is read meanwhile, for which a page waits a moment."""
        with self._lock:
            if self._reader is None and time.monotonic() >= self._next:
                self._reader = threading.Thread(target=self._read, daemon=True)
                self._reader.start()
            reader = self._reader
        if reader:
            reader.join(PATIENCE)
        with self._lock:
            return Sight(
                alerts=tuple(sorted(self._alerts, key=lambda alert: alert.when)[::-1]),  # of one moment, the last first
                told=self._told,
                trainings=self._seen["trainings"],
                predictions=self._seen["predictions"],
                reading=self._reader is not None,
                trouble=tuple(self._trouble),
            )

    def _read(self) -> None:
        fresh: list[Alert] = []
        try:
            fresh = self._watch.poll()
        except Exception as error:
            traceback.print_exc()
            self._trouble.append(f"{type(error).__name__}: {reason(error)}")
        with self._lock:
            self._alerts.extend(fresh)
            self._told, self._seen = self._told + len(fresh), self._watch.seen
            self._reader, self._next = None, time.monotonic() + EVERY
