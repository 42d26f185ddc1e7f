"""What `bakeoff watch` would report, as a tool: alerts about training runs and about predictions in production."""

import threading
import time
from collections import deque
from functools import cache
from pathlib import Path

from finetune import Alert, Watch
from lab.workspace import Workspace
from rag import Evidence

MOST = 6
KEPT = 200


def alerts(query: str) -> list[Evidence]:
    """Return the workspace's alerts as evidence: those whose kind or subject `query` names first, then the newest.

    Without an alert, the evidence says so, and what was looked at.
    """
    watcher = _watcher(Workspace.current().home.resolve())
    found = watcher.look()
    if not found:
        seen = watcher.seen
        trainings, predictions = f"{seen['trainings']} training runs", f"{seen['predictions']} logged predictions"
        words = f"There is no alert: in {trainings} and {predictions} nothing stands out."
        return [Evidence(words, "alerts", (0, len(words)), 1.0)]
    ranked = sorted(found, key=lambda alert: (_is_named(alert, query), alert.when), reverse=True)
    return [_evidence(alert) for alert in ranked[:MOST]]


def _is_named(alert: Alert, query: str) -> bool:
    names = [*alert.kind.split(), alert.subject.lower()]
    return any(name in query.lower() for name in names)


def _evidence(alert: Alert) -> Evidence:
    stamp = time.strftime("%Y-%m-%d %H:%M", time.localtime(alert.when))
    words = f"Alert of {stamp}: {alert.words}."
    return Evidence(words, f"alert:{alert.subject}", (0, len(words)), 1.0)


class _Watcher:
    """A watch that goes on from question to question, so that a long log is read only once."""

    def __init__(self) -> None:
        self._watch, self._lock = Watch(), threading.Lock()
        self._alerts: deque[Alert] = deque(maxlen=KEPT)

    def look(self) -> list[Alert]:
        """Return the alerts so far, the oldest first."""
        with self._lock:  # the graph may run two calls at a time
            self._alerts.extend(self._watch.poll())
            return list(self._alerts)

    @property
    def seen(self) -> dict[str, int]:
        return self._watch.seen


@cache
def _watcher(home: Path) -> _Watcher:
    return _Watcher()
