"""The store of all indexes: one Chroma database, written by one process at a time, read by any number.

A process with an embedded Chroma open does not see what others write: its vectors stay in memory as they were, and were
it to write then, it would lose theirs. So each change is counted in a file beside the database, the count being odd
while a change is made, as in a sequence lock: who finds another count than his own opens the database anew, and an
answer counts only if nothing has changed meanwhile.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lab.console import Console
from lab.errors import BakeoffError
from lab.settings import settings
from lab.workspace import Workspace, fingerprint, lock, room_on_disk
from rag.chroma import clear_failures, open_embedded, open_server

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.collection_configuration import CreateCollectionConfiguration
    from chromadb.api.models.Collection import Collection

Answer = TypeVar("Answer")
READER_WAITS, WRITER_WAITS = 30.0, 600.0  # seconds, for a change to end and for a writer to end


class Store:
    """One Chroma database, embedded or on a server.

    Attributes:
        folder: what of it is on this machine: the embedded database, or the ledger beside a server.
        url: the server's address; None where Chroma is embedded.
    """

    def __init__(self, folder: Path, url: str | None) -> None:
        self.folder, self.url = folder, url
        self._lock = folder.with_name(f"{folder.name}.lock")
        self._guard = RLock()  # the agent's tools run in threads
        self._writer: int | None = None  # the thread of this process that holds the store
        self._client: ClientAPI | None = None
        self._collections: dict[str, Collection] = {}
        self._seen: object = None  # the changes when the client was opened, or when it made one itself

    @classmethod
    def current(cls) -> "Store":
        """Return the store that the settings name; a process has one object for it."""
        return _store(Workspace.current().indexes.resolve(), settings().chroma_url)

    @property
    def bytes(self) -> int | None:
        """Return what an embedded database takes on disk; None of a server, which does not tell."""
        return None if self.url else sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was ever stored in an embedded database; asking must not make one."""
        return self.url is None and not (self.folder / "chroma.sqlite3").exists()

    def close(self) -> None:
        """Let go of the database's files; whoever asks next opens them again."""
        with self._guard:
            self._collections.clear()
            if self._client is not None:
                cast(Any, self._client).close()
            self._client = None

    def names(self) -> dict[str, dict[str, Any]]:
        """Return the names of all collections, each with its metadata."""
        if self.is_empty:
            return {}
        with self._guard, self._clearly():
            return {one.name: dict(one.metadata or {}) for one in self._opened().list_collections()}

    def ask(self, name: str, question: Callable[["Collection"], Answer]) -> Answer:
        """Return what `question` finds in a collection, at one moment between the changes of other processes.

        Raises:
            LookupError: there is no such collection.
            BakeoffError: another process is making changes without end, or Chroma cannot be used.
        """
        until = time.monotonic() + READER_WAITS
        while True:
            before = self._settled(until)
            try:
                with self._clearly():
                    answer = question(self._collection(name))
            except Exception:
                if self._changes()["count"] == before or self._writer or time.monotonic() > until:
                    raise
                continue
            if self._changes()["count"] == before or self._writer:
                return answer

    def last_change(self, name: str) -> str:
        """Return what is another after each change of a collection."""
        changes = self._changes()
        return f"{changes['born']} {changes['last'].get(name, 0)}"

    @contextmanager
    def writing(self, doing: str) -> Iterator[None]:
        """Hold the store for the block, alone among all processes; `doing` is what the others are told.

        Raises:
            BakeoffError: another process holds it for more than ten minutes; says which, and since when. Or the disk
                is full.
        """
        if self._writer == get_ident():  # a part of something larger
            yield
            return
        with room_on_disk(self.folder), self._held():
            self._writer = get_ident()
            self._write(writer=f"'{doing}' (process {os.getpid()}, since {time.strftime('%H:%M:%S')})")
            try:
                yield
            finally:
                with suppress(OSError):  # a full disk has been told already
                    self._write(writer="")
                self._writer = None

    @contextmanager
    def change(self, name: str) -> Iterator["Collection"]:
        """Yield a collection to be changed, and count the change; the store must be held."""
        with self._counted(name), self._clearly():
            yield self._collection(name)

    def create(self, name: str, metadata: dict[str, Any], configuration: "CreateCollectionConfiguration") -> None:
        """Make a collection unless it is there; the store must be held."""
        with self._counted(name), self._clearly():
            self._opened().get_or_create_collection(
                name,
                metadata=metadata,
                configuration=configuration,
                embedding_function=None,  # Chroma's own would download a model
            )

    def delete(self, name: str) -> None:
        """Delete a collection; the store must be held."""
        with self._counted(name), self._clearly():
            self._opened().delete_collection(name)
            self._collections.pop(name, None)

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        assert self._writer == get_ident(), "hold the store first"
        with self._guard:
            self._opened()
            count = self._changes()["count"] // 2 * 2 + 1
            self._note_change(name, count)
            try:
                yield
            finally:  # after a failure too: something may have been written
                self._note_change(name, count + 1)

    def _note_change(self, name: str, count: int) -> None:
        self._write(count=count, last=self._changes()["last"] | {name: count})
        self._seen = self._stamp()

    @contextmanager
    def _held(self) -> Iterator[None]:
        with ExitStack() as held:
            try:
                held.enter_context(lock(self._lock, "the index"))
            except BakeoffError:
                Console().note(f"waiting for {self._changes()['writer'] or 'another process'} …")
                try:
                    held.enter_context(lock(self._lock, "the index", WRITER_WAITS))
                except BakeoffError as error:
                    raise BakeoffError(error.expected, self._changes()["writer"] or error.got, error.fix) from None
            yield

    def _settled(self, until: float) -> int:
        """Return the count of changes when no other process is making one."""
        while True:
            count = int(self._changes()["count"])
            if count % 2 == 0 or self._writer:
                return count
            if time.monotonic() > until:
                raise BakeoffError("the index to be at rest", f"{self._changes()['writer']} at work", "try again later")
            self._end_of_the_killed()
            time.sleep(0.01)

    def _end_of_the_killed(self) -> None:
        """Where the count is odd and nobody writes, its process was killed: end its change."""
        with suppress(BakeoffError), lock(self._lock, "the index"):
            count = self._changes()["count"]
            self._write(count=count + count % 2, writer="")

    def _opened(self) -> "ClientAPI":
        """Return the client, opened anew if others have made changes."""
        stamp = self._stamp()
        if self._client is None or (self.url is None and stamp != self._seen):
            self.close()
            self._client = open_server(self.url) if self.url else open_embedded(self.folder)
            self._seen = stamp
        return self._client

    def _collection(self, name: str) -> "Collection":
        if self.is_empty:
            raise LookupError(name)
        with self._guard:
            client = self._opened()
            if name not in self._collections:
                self._collections[name] = client.get_collection(name, embedding_function=None)
            return self._collections[name]

    @contextmanager
    def _clearly(self) -> Iterator[None]:
        try:
            with clear_failures(self.url or self.folder):
                yield
        except LookupError:
            self._collections.clear()  # of a server, where another may have deleted it
            raise

    def _stamp(self) -> tuple[str, int]:
        changes = self._changes()
        return changes["born"], changes["count"]

    def _changes(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "changes.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none yet, or power was lost
            found = {}
        return {"born": "", "count": 0, "last": {}, "writer": ""} | found

    def _write(self, **news: object) -> None:
        """Replace the file of changes; without waiting for the disk, as only running processes read it."""
        changes = self._changes() | news
        changes["born"] = changes["born"] or os.urandom(8).hex()
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self.folder, prefix=".changes.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(changes, file)
            Path(draft).replace(self.folder / "changes.json")
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


@cache
def _store(folder: Path, url: str | None) -> Store:
    return Store(folder / "servers" / fingerprint(url) if url else folder, url)
