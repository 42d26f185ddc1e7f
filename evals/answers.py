"""Answers of base LLMs, kept by content: what was asked before, word for word, is not asked again."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from evals.manifest import deciding_settings, model_fingerprint
from lab.devices import choose_device
from lab.errors import BakeoffError
from lab.llm import BaseLLM, LabelPrompt, LabelScores
from lab.workspace import Workspace, fingerprint

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

FILE = "answers.sqlite"
WAIT = 60.0  # seconds for another process to finish its writing

Asked = TypeVar("Asked")
Answer = TypeVar("Answer", LabelScores, "Words")
Ask = Callable[[list[Asked]], Sequence[Answer]]

_anew: ContextVar[bool] = ContextVar("anew", default=False)


@contextmanager
def asked_anew() -> Iterator[None]:
    """Ask for everything within the block, and keep what comes: for fresh runs, and to time an answer."""
    token = _anew.set(True)
    try:
        yield
    finally:
        _anew.reset(token)


@dataclass(frozen=True)
class Words:
    """What a base LLM wrote, or the error that came instead."""

    text: str = ""
    tokens: int = 0
    failure: Exception | None = None
    saved_seconds: float = 0.0
    output_tokens: int = 0


class Answers:
    """Label scores and words by all that decides them: LLM and its surroundings, approach, repeat and prompt.

    Each repeat has answers of its own, so that one answer is never counted as several. Failures are not kept.
    """

    def __init__(self, approach: str, repeat: int) -> None:
        """Keep the answers of one approach in one repeat, known by its seed."""
        self._asker = (approach, repeat)

    def scores(self, llm: BaseLLM, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Return the LLM's scores in the order of the prompts, asking only for those it has not given before.

        What an embedded LLM says of a prompt moves a little with the others that it reads at the same time, so its
        answers are those to the whole call.
        """
        parts = [(prompt.instruction, prompt.text, prompt.shots) for prompt in prompts]
        call = [fingerprint(*dict.fromkeys(parts))] if llm.embedded else []
        keys = self._keys(llm, [(labels, *call, *part) for part in parts])
        return _answers(keys, prompts, lambda some: llm.score_labels(some, labels), LabelScores)

    def words(
        self,
        llm: BaseLLM,
        prompts: "Sequence[list[BaseMessage]]",
        ask: "Ask[list[BaseMessage], Words]",
        options: Mapping[str, float],
    ) -> list[Words]:
        """Return what the LLM writes to each prompt, in order, asking only for what it has not written before.

        Args:
            llm: that is asked.
            prompts: the conversations that it goes on with.
            ask: lets it write, to each prompt as if there were no other.
            options: with which it writes.
        """
        keys = self._keys(llm, [(options, [(turn.type, turn.text) for turn in prompt]) for prompt in prompts])
        return _answers(keys, prompts, ask, Words)

    def _keys(self, llm: BaseLLM, asked: Sequence[tuple[object, ...]]) -> list[str]:
        versions = [version(name) for name in ("bakeoff", "torch", "transformers")] if llm.embedded else []
        decided_by = (model_fingerprint(llm.name), deciding_settings(), choose_device(), versions)
        return [fingerprint(*self._asker, *decided_by, *one) for one in asked]


def _answers(
    keys: Sequence[str], prompts: Sequence[Asked], ask: Ask[Asked, Answer], kind: type[Answer]
) -> list[Answer]:
    """Return what is kept under each key, or what comes when its prompt is asked now."""
    with closing(_open()) as table:
        known = {} if _anew.get() else _read(table, keys, kind)
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in known}
        start = time.perf_counter()
        given = dict(zip(missing, ask(list(missing.values())), strict=True))
        _write(table, given, (time.perf_counter() - start) / max(1, len(missing)))
    return [given[key] if key in given else known[key] for key in keys]


def _open() -> sqlite3.Connection:
    path = Workspace.current().home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    table = sqlite3.connect(path, timeout=WAIT)
    try:
        table.execute("PRAGMA journal_mode=WAL")  # many may read while one writes
        table.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # busy, or no room: the file is none the worse
            raise
        table.close()
        fix = f"remove {path}: what is kept there is asked again"
        raise BakeoffError("the answers of base LLMs in SQLite", str(error), fix) from error
    return table


def _read(table: sqlite3.Connection, keys: Sequence[str], kind: type[Answer]) -> dict[str, Answer]:
    """Return what is kept under the keys, with the seconds that it once took as those saved now."""
    query = "SELECT key, answer FROM answers WHERE key IN (SELECT value FROM json_each(?))"
    rows = ((key, json.loads(answer)) for key, answer in table.execute(query, [json.dumps(keys)]))
    return {
        key: kind(said, tokens, saved_seconds=seconds, output_tokens=sum(written))  # old answers have no such
        for key, (said, tokens, seconds, *written) in rows
    }


def _write(table: sqlite3.Connection, given: Mapping[str, Answer], seconds: float) -> None:
    """Keep all of them or, if this is killed, none; each has taken so many seconds."""
    rows = [
        (key, json.dumps([_said(answer), answer.tokens, seconds, answer.output_tokens]))
        for key, answer in given.items()
        if answer.failure is None
    ]
    with table:
        table.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)


def _said(answer: LabelScores | Words) -> Any:
    return answer.scores if isinstance(answer, LabelScores) else answer.text
