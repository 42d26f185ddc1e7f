"""What the index of documents was told to hold and how far it is: targets, sources, and generations, in SQLite.

A source is marked as pending before anything of it changes in Chroma and as done after, so that whatever ends a sync,
the next one knows what to do again; and doing it again changes nothing.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["done", "pending", "skipped", "passed over"]
State = Literal["active", "kept", "building"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS targets (
    target TEXT PRIMARY KEY, text_column TEXT NOT NULL, label_column TEXT NOT NULL, added REAL NOT NULL, synced REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
    target TEXT REFERENCES targets ON DELETE CASCADE, source TEXT, PRIMARY KEY (target, source)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claimed ON claims (source);
CREATE TABLE IF NOT EXISTS generations (
    collection TEXT PRIMARY KEY, embeddings TEXT NOT NULL, made REAL NOT NULL, synced REAL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS only_one_is_active ON generations (state) WHERE state = 'active';
CREATE TABLE IF NOT EXISTS sources (
    collection TEXT REFERENCES generations ON DELETE CASCADE, source TEXT, stamp TEXT NOT NULL, content TEXT NOT NULL,
    passages INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (collection, source)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Target:
    """Something that was added: a file, a folder or an address, with the columns of its tables.

    Attributes:
        target: the absolute path or the address.
        text_column: where the text of an example stands.
        label_column: where its label stands.
        synced: when it was last read through (epoch), or None.
    """

    target: str
    text_column: str = "text"
    label_column: str = "label"
    synced: float | None = None


@dataclass(frozen=True)
class Source:
    """How far the index is with one source.

    Attributes:
        source: the absolute path or the address.
        status: "done"; "pending", when a sync has begun with it and not ended; "skipped", when it should be readable
            and is not; "passed over", when it need not be.
        stamp: of what was read, "" where it is not to be relied upon.
        content: a hash of what was read.
        passages: how many the index holds of it; of one that was not read, those of the last time it was.
        reason: why it was not read.
    """

    source: str
    status: Status
    stamp: str = ""
    content: str = ""
    passages: int = 0
    reason: str = ""

    @property
    def is_left_out(self) -> bool:
        """Tell whether it was not read."""
        return self.status in ("skipped", "passed over")


@dataclass(frozen=True)
class Generation:
    """One making of the index of documents, with one embedding model.

    Attributes:
        collection: its name in Chroma.
        embeddings: the model.
        made: when it was begun (epoch).
        synced: when a sync last ended (epoch), or None.
        state: "active", the one that answers; "kept", an earlier one; "building".
    """

    collection: str
    embeddings: str
    made: float
    synced: float | None
    state: State


class Ledger:
    """The ledger in one folder; every method is a transaction."""

    def __init__(self, folder: Path) -> None:
        """Open it, empty if it is new."""
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "ledger.sqlite3", timeout=30, check_same_thread=False)
        # A write-ahead log survives the death of a process without waiting for the disk at each of many commits.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(SCHEMA)

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator["Ledger"]:
        """Yield the ledger in `folder`, closed after the block."""
        ledger = cls(folder)
        try:
            yield ledger
        finally:
            ledger._database.close()

    # Targets, and the sources they lay claim to.

    def targets(self) -> list[Target]:
        """Return all targets, the first added first."""
        rows = self._database.execute(
            "SELECT target, text_column, label_column, synced FROM targets ORDER BY added, target"
        )
        return [Target(*row) for row in rows]

    def add_target(self, target: Target) -> None:
        """Note a target; one that is known takes the new columns."""
        with self._database:
            self._database.execute(
                "INSERT INTO targets VALUES (?, ?, ?, ?, NULL) ON CONFLICT (target)"
                " DO UPDATE SET text_column = excluded.text_column, label_column = excluded.label_column",
                (target.target, target.text_column, target.label_column, time.time()),
            )

    def forget_target(self, target: str) -> None:
        """Forget a target; sources that no other lays claim to are then unclaimed."""
        with self._database:
            self._database.execute("DELETE FROM targets WHERE target = ?", (target,))

    def claim(self, target: str, sources: Iterable[str]) -> None:
        """Note that a target was read through, and which sources it has now."""
        with self._database:
            self._database.execute("DELETE FROM claims WHERE target = ?", (target,))
            self._database.executemany("INSERT OR IGNORE INTO claims VALUES (?, ?)", ((target, one) for one in sources))
            self._database.execute("UPDATE targets SET synced = ? WHERE target = ?", (time.time(), target))

    def claimed(self, target: str) -> set[str]:
        """Return the sources that a target had when it was last read through."""
        return {row[0] for row in self._database.execute("SELECT source FROM claims WHERE target = ?", (target,))}

    def unclaimed(self, collection: str) -> list[str]:
        """Return the sources that a generation holds and no target has any more."""
        return [
            row[0]
            for row in self._database.execute(
                "SELECT source FROM sources WHERE collection = ? AND source NOT IN (SELECT source FROM claims)",
                (collection,),
            )
        ]

    def counts(self, collection: str) -> list[dict[str, Any]]:
        """Return for each target how much a generation holds of it, and when it was last synced."""
        rows = self._database.execute(
            "SELECT target, count(status), coalesce(sum(passages), 0), synced FROM targets LEFT JOIN"
            " (claims JOIN sources ON claims.source = sources.source AND collection = ? AND status = 'done')"
            " USING (target) GROUP BY target ORDER BY added, target",
            (collection,),
        )
        names = ("target", "sources", "passages", "synced_at")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def columns(self, source: str) -> tuple[str, str] | None:
        """Return the names of the text's and the label's column with which a source is read."""
        row: tuple[str, str] | None = self._database.execute(
            "SELECT text_column, label_column FROM targets JOIN claims USING (target) WHERE source = ?"
            " ORDER BY added, target LIMIT 1",
            (source,),
        ).fetchone()
        return row

    def claimants(self, collection: str, status: Status) -> set[str]:
        """Return the targets that have a source of this status."""
        rows = self._database.execute(
            "SELECT DISTINCT target FROM claims JOIN sources USING (source) WHERE collection = ? AND status = ?",
            (collection, status),
        )
        return {row[0] for row in rows}

    # Sources, in each generation.

    def sources(self, collection: str) -> dict[str, Source]:
        """Return all sources that a generation knows of, by their names."""
        rows = self._database.execute(
            "SELECT source, status, stamp, content, passages, reason FROM sources WHERE collection = ?", (collection,)
        )
        return {row[0]: Source(*row) for row in rows}

    def note(self, collection: str, sources: Iterable[Source]) -> None:
        """Note how far a generation is with sources."""
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((collection, s.source, s.stamp, s.content, s.passages, s.status, s.reason) for s in sources),
            )

    def forget(self, collection: str, sources: Iterable[str]) -> None:
        """Forget sources whose passages are gone."""
        with self._database:
            self._database.executemany(
                "DELETE FROM sources WHERE collection = ? AND source = ?", ((collection, one) for one in sources)
            )

    # Generations.

    def generations(self) -> list[Generation]:
        """Return all generations, the newest first."""
        rows = self._database.execute(
            "SELECT collection, embeddings, made, synced, state FROM generations ORDER BY made DESC, collection"
        )
        return [Generation(*row) for row in rows]

    def begin(self, generation: Generation) -> None:
        """Note a new generation, unless another process was faster to make the active one."""
        with self._database:
            self._database.execute(
                "INSERT OR IGNORE INTO generations VALUES (?, ?, ?, ?, ?)",
                (generation.collection, generation.embeddings, generation.made, None, generation.state),
            )

    def inherit(self, collection: str, parent: str) -> None:
        """Note that a generation is as far with all sources as its parent."""
        with self._database:
            self._database.execute("DELETE FROM sources WHERE collection = ?", (collection,))
            self._database.execute(
                "INSERT INTO sources SELECT ?, source, stamp, content, passages, status, reason FROM sources"
                " WHERE collection = ?",
                (collection, parent),
            )

    def activate(self, collection: str) -> None:
        """Let a generation answer from now on; the one before is kept. Both or neither."""
        with self._database:
            self._database.execute("UPDATE generations SET state = 'kept' WHERE state = 'active'")
            self._database.execute("UPDATE generations SET state = 'active' WHERE collection = ?", (collection,))

    def ended(self, collection: str) -> None:
        """Note that a sync of a generation has come to its end."""
        with self._database:
            self._database.execute("UPDATE generations SET synced = ? WHERE collection = ?", (time.time(), collection))

    def drop(self, collection: str) -> None:
        """Forget a generation."""
        with self._database:
            self._database.execute("DELETE FROM generations WHERE collection = ?", (collection,))
