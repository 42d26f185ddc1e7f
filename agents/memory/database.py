"""Where conversations are kept: a table of titles and a table of turns, in SQLite or in PostgreSQL."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from lab.errors import BakeoffError
from lab.redact import reason
from lab.settings import settings
from lab.workspace import lock, room_on_disk

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import DictRow

WAIT = 60.0  # seconds for another process to finish its writing
TURN = 600.0  # seconds for another chat to finish its turn in the same conversation
POLL = 0.05
CONNECTIONS = 4

TABLES = (
    """
CREATE TABLE IF NOT EXISTS bakeoff_conversations (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    questions INTEGER NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
)""",
    """
CREATE TABLE IF NOT EXISTS bakeoff_turns (
    conversation TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state BYTEA NOT NULL,
    PRIMARY KEY (conversation, number)
)""",
)


class Database(Protocol):
    """What the memory needs of a database; both kinds speak the same SQL, with `?` for values."""

    def run(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement, which is kept or fails as a whole, and return its rows."""

    def tables(self) -> set[str]:
        """Return the names of its tables."""

    def one_turn(self, conversation: str) -> AbstractContextManager[None]:
        """Keep everybody else out of a conversation for the block, on whatever machine they are."""

    def close(self) -> None:
        """Let go of the database."""


class SqliteDatabase:
    """One file, readable by its owner alone; processes take turns at writing."""

    def __init__(self, path: Path) -> None:
        self._path, self._threads = path, Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with room_on_disk(path), lock(self._lock("new"), "the memory", WAIT):
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, timeout=WAIT, check_same_thread=False, isolation_level=None)
            # With the write-ahead log a commit survives the end of the process, though not that of the power.
            self.run("PRAGMA journal_mode=WAL")
            self.run("PRAGMA synchronous=NORMAL")
            self.run("PRAGMA secure_delete=ON")  # what is deleted is overwritten
            for table in TABLES:
                self.run(table)

    def run(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement, which is kept or fails as a whole, and return its rows."""
        with self._threads:
            cursor = self._connection.execute(sql, values)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def tables(self) -> set[str]:
        """Return the names of its tables."""
        return {row["name"] for row in self.run("SELECT name FROM sqlite_master WHERE type = 'table'")}

    @contextmanager
    def one_turn(self, conversation: str) -> Iterator[None]:
        """Keep everybody else out of a conversation for the block; the lock of a killed process is no lock."""
        with lock(self._lock(conversation), f"the conversation {conversation}", TURN):
            yield

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _lock(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}.locks") / name


class PostgresDatabase:
    """A PostgreSQL server that several machines may share."""

    def __init__(self, url: str) -> None:
        """Connect, and make the tables if they are not there.

        Raises:
            BakeoffError: the packages are missing, or the server cannot be reached.
        """
        try:
            import psycopg
            from psycopg.rows import dict_row
            from psycopg_pool import ConnectionPool
        except ImportError as error:
            fix = "pip install 'bakeoff[postgres]'"
            raise BakeoffError("the packages for PostgreSQL", f"no {error.name}", fix) from error
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells every try; the last is an error of ours
        wait = settings().timeout_seconds
        options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        with unreachable_explained():
            with (
                psycopg.connect(url, connect_timeout=max(2, int(wait)), **options) as connection,
                _advisory_lock(connection, "bakeoff_conversations", WAIT),
            ):
                for table in TABLES:
                    connection.execute(table.encode())
            check = ConnectionPool[psycopg.Connection["DictRow"]].check_connection
            self._pool = ConnectionPool[psycopg.Connection["DictRow"]](
                url, kwargs=options, min_size=1, max_size=CONNECTIONS, timeout=wait, check=check, open=True
            )

    def run(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement, which is kept or fails as a whole, and return its rows."""
        with self._pool.connection() as connection:
            cursor = connection.execute(sql.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> set[str]:
        """Return the names of its tables."""
        visible = "SELECT tablename AS name FROM pg_tables WHERE schemaname = ANY(current_schemas(false))"
        return {row["name"] for row in self.run(visible)}

    @contextmanager
    def one_turn(self, conversation: str) -> Iterator[None]:
        """Keep everybody else out of a conversation for the block; the server frees the lock of a lost client."""
        with self._pool.connection() as connection, _advisory_lock(connection, conversation, TURN):
            yield

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


@contextmanager
def _advisory_lock(connection: "Connection[DictRow]", name: str, seconds: float) -> Iterator[None]:
    """Hold a lock of the server's for the block, asking for it again and again until it is free."""
    until = time.monotonic() + seconds
    while not _asked(connection, "pg_try_advisory_lock", name):
        if time.monotonic() > until:
            raise BakeoffError(f"{name} to be free", "another Bakeoff working on it", "wait for it to end, or stop it")
        time.sleep(POLL)
    try:
        yield
    finally:
        _asked(connection, "pg_advisory_unlock", name)


def _asked(connection: "Connection[DictRow]", function: str, name: str) -> bool:
    row = connection.execute(f"SELECT {function}(hashtextextended(%s, 0)) AS done".encode(), [name]).fetchone()
    return bool(row and row["done"])


@contextmanager
def unreachable_explained() -> Iterator[None]:
    """Turn what the two databases raise into one error the user can act on, without the password.

    Raises:
        BakeoffError: the database is broken, full, locked or out of reach.
    """
    try:
        yield
    except BakeoffError:
        raise
    except Exception as error:
        if not isinstance(error, sqlite3.Error) and type(error).__module__.partition(".")[0] not in (
            "psycopg",
            "psycopg_pool",
        ):
            raise
        fix = "check BAKEOFF_DATABASE_URL and its server, or the disk that holds the workspace"
        raise BakeoffError("a memory for conversations", f"{type(error).__name__}: {reason(error)}", fix) from error
