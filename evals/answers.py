"""Answers of base LLMs, kept by content: what was asked before, word for word, is not asked again."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from importlib.metadata import version

from evals.manifest import deciding_settings, model_fingerprint
from lab.devices import choose_device
from lab.llm import BaseLLM, LabelPrompt, LabelScores
from lab.workspace import Workspace, fingerprint

FILE = "answers.sqlite"
WAIT = 60.0  # seconds for another process to finish its writing

_anew: ContextVar[bool] = ContextVar("anew", default=False)


@contextmanager
def asked_anew() -> Iterator[None]:
    """Ask for everything within the block, and keep what comes: for fresh runs, and to time an answer."""
    token = _anew.set(True)
    try:
        yield
    finally:
        _anew.reset(token)


class Answers:
    """Label scores by all that decides them: LLM and its surroundings, approach, repeat, prompt and labels.

    Each repeat has answers of its own, so that one answer is never counted as several. Failures are not kept.
    """

    def __init__(self, approach: str, repeat: int) -> None:
        """Keep the answers of one approach in one repeat, known by its seed."""
        self._asker = (approach, repeat)

    def ask(self, llm: BaseLLM, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Return the LLM's scores in the order of the prompts, asking only for those it has not given before."""
        keys = self._keys(llm, prompts, labels)
        with closing(_open()) as table:
            known = {} if _anew.get() else _read(table, keys)
            missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in known}
            start = time.perf_counter()
            asked = llm.score_labels(list(missing.values()), labels)
            share = (time.perf_counter() - start) / max(1, len(missing))
            given = dict(zip(missing, asked, strict=True))
            _write(table, {key: replace(scores, saved_seconds=share) for key, scores in given.items()})
        return [given[key] if key in given else known[key] for key in keys]

    def _keys(self, llm: BaseLLM, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[str]:
        versions = [version(name) for name in ("bakeoff", "torch", "transformers")] if llm.embedded else []
        decided_by = (model_fingerprint(llm.name), deciding_settings(), choose_device(), versions, labels)
        return [
            fingerprint(*self._asker, *decided_by, prompt.instruction, prompt.text, prompt.shots) for prompt in prompts
        ]


def _open() -> sqlite3.Connection:
    path = Workspace.current().home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    table = sqlite3.connect(path, timeout=WAIT)
    table.execute("PRAGMA journal_mode=WAL")  # many may read while one writes
    table.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
    return table


def _read(table: sqlite3.Connection, keys: Sequence[str]) -> dict[str, LabelScores]:
    """Return what is kept under the keys, with the seconds that it once took as those saved now."""
    query = "SELECT key, answer FROM answers WHERE key IN (SELECT value FROM json_each(?))"
    rows = ((key, json.loads(answer)) for key, answer in table.execute(query, [json.dumps(keys)]))
    return {
        key: LabelScores(scores, tokens, saved_seconds=seconds, output_tokens=sum(written))  # old answers have no such
        for key, (scores, tokens, seconds, *written) in rows
    }


def _write(table: sqlite3.Connection, given: Mapping[str, LabelScores]) -> None:
    rows = [
        (key, json.dumps([answer.scores, answer.tokens, answer.saved_seconds, answer.output_tokens]))
        for key, answer in given.items()
        if answer.failure is None
    ]
    with table:
        table.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
