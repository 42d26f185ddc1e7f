"""Conversations that outlive the process: list, find, rename, delete, and take one turn in safety."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from agents.memory.database import Database, PostgresDatabase, SqliteDatabase, unreachable_explained
from agents.memory.former import adopt_checkpoints
from agents.memory.serializer import PlainSerializer
from lab.console import printable
from lab.errors import BakeoffError
from lab.redact import redacted
from lab.settings import settings
from lab.workspace import Workspace

FILE = "conversations.sqlite"
TITLE = 60  # characters
LEAST_OF_ID = 4


@dataclass(frozen=True)
class Remembered:
    """What is known of a conversation without opening it; times are in seconds since 1970."""

    id: str
    title: str
    questions: int
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class Place:
    """Where a turn stands: in which conversation, begun when, and as which of its questions, the first being 1."""

    conversation: str
    number: int
    created_at: float

    @property
    def next(self) -> "Place":
        """Return the place after this one."""
        return replace(self, number=self.number + 1)


class Memory:
    """The conversations of one database; several processes may use it at once."""

    def __init__(self, database: Database) -> None:
        self._database, self._serializer = database, PlainSerializer()

    @contextmanager
    def turn(self, conversation: str, question: str) -> Iterator[Place]:
        """Let one question be asked in a conversation while nobody else asks there; yields the place of the turn.

        The conversation is listed from its first question on, whatever becomes of the answer.

        Raises:
            BakeoffError: the database failed, or another chat held the conversation for ten minutes.
        """
        with unreachable_explained(), self._database.one_turn(conversation):
            now = time.time()
            (known,) = self._database.run(
                "INSERT INTO bakeoff_conversations (id, title, questions, created_at, updated_at)"
                " VALUES (?, ?, 1, ?, ?) ON CONFLICT (id) DO UPDATE"
                " SET questions = bakeoff_conversations.questions + 1, updated_at = excluded.updated_at"
                " RETURNING questions, created_at",
                *(conversation, title_of(question), now, now),
            )
            yield Place(conversation, known["questions"], known["created_at"])

    def keep(self, place: Place, turn: Mapping[str, Any]) -> dict[str, Any]:
        """Write down what there is of the turn at a place, over what was written of it before; return what is kept.

        That has no keys in it any more, which nobody is to be told again.

        Args:
            place: as `turn` yielded it, within its block.
            turn: its own messages, and the rest of the state as it is after it.
        """
        kind, data = self._serializer.dumps_typed(turn)
        self._database.run(
            "INSERT INTO bakeoff_turns (conversation, number, kind, state) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (conversation, number) DO UPDATE SET kind = excluded.kind, state = excluded.state",
            *(place.conversation, place.number, kind, data),
        )
        kept: dict[str, Any] = self._serializer.loads_typed((kind, data))
        return kept

    def turns(self, conversation: str) -> "list[dict[str, Any]]":
        """Return each turn of a conversation as it was kept, the oldest first.

        Raises:
            BakeoffError: the database failed, or another wrote what is there.
        """
        sql = "SELECT kind, state FROM bakeoff_turns WHERE conversation = ? ORDER BY number"
        with unreachable_explained():
            rows = self._database.run(sql, conversation)
        return [self._serializer.loads_typed((row["kind"], bytes(row["state"]))) for row in rows]

    def list(self) -> list[Remembered]:
        """Return all conversations, the last used first."""
        with unreachable_explained():
            rows = self._database.run("SELECT * FROM bakeoff_conversations ORDER BY updated_at DESC, id")
        return [Remembered(**row) for row in rows]

    def find(self, which: str | None = None) -> Remembered:
        """Return a conversation by its id, the beginning of it, its title or part of it; by default the last used.

        Raises:
            BakeoffError: there is none, or more than one.
        """
        known = self.list()
        found = known[:1] if which is None else _matching(known, which)
        if len(found) == 1:
            return found[0]
        if not known:
            raise BakeoffError("a conversation to go on with", "none yet", "begin one: bakeoff chat")
        got = "; ".join(f"{one.id} '{one.title}'" for one in found[:4]) or "none such"
        raise BakeoffError(f"one conversation '{which}'", got, "see: bakeoff conversations list")

    def rename(self, conversation: str, title: str) -> Remembered:
        """Give a conversation another title and return it.

        Raises:
            BakeoffError: the title is empty.
        """
        if not (title := title_of(title)):
            raise BakeoffError("a title", "none", "give it a few words")
        with unreachable_explained():
            self._database.run("UPDATE bakeoff_conversations SET title = ? WHERE id = ?", title, conversation)
        return self.find(conversation)

    def delete(self, conversation: str) -> None:
        """Forget a conversation, once nobody takes a turn in it."""
        with unreachable_explained(), self._database.one_turn(conversation):
            self._database.run("DELETE FROM bakeoff_turns WHERE conversation = ?", conversation)
            self._database.run("DELETE FROM bakeoff_conversations WHERE id = ?", conversation)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


@contextmanager
def open_memory() -> Iterator[Memory]:
    """Open the memory that the settings name for the block: PostgreSQL by `database_url`, else SQLite here.

    Raises:
        BakeoffError: it cannot be opened, or the address is not PostgreSQL's.
    """
    with unreachable_explained():
        memory = Memory(database := _database())
    try:
        with unreachable_explained():
            adopt_checkpoints(database)
        yield memory
    finally:
        memory.close()


def _database() -> Database:
    url = settings().database_url
    if url is None:
        return SqliteDatabase(Workspace.current().home.resolve() / FILE)
    scheme, _, rest = url.get_secret_value().partition("://")
    if scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
        fix = "set BAKEOFF_DATABASE_URL, or unset it for SQLite in the workspace"
        raise BakeoffError("a database_url like postgresql://user:password@host/name", f"'{scheme}'", fix)
    return PostgresDatabase(f"postgresql://{rest}")


def new_id() -> str:
    """Return an id for a new conversation: eight hexadecimal digits."""
    return secrets.token_hex(4)


def title_of(question: str) -> str:
    """Return the title that a conversation's first question gives it, without keys and control characters."""
    words = printable(redacted(" ".join(question.split()))).replace("\x00", "")
    if len(words) <= TITLE:
        return words
    cut = words[:TITLE]
    return (cut.rpartition(" ")[0] or cut) + " …"


def _matching(known: Sequence[Remembered], which: str) -> list[Remembered]:
    """Return the conversations meant by `which`: the strictest reading that fits any."""
    wanted = which.strip().casefold()
    if not wanted:
        return []
    readings = (
        [one for one in known if one.id == wanted],
        [one for one in known if one.title.casefold() == wanted],
        [one for one in known if len(wanted) >= LEAST_OF_ID and one.id.startswith(wanted)],
        [one for one in known if wanted in one.title.casefold()],
    )
    return next((found for found in readings if found), [])
