"""Passages with their vectors in a Chroma collection: kept true to what they shall be, searched by meaning."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lab.embeddings import Embedder
from lab.errors import BakeoffError
from lab.settings import settings
from lab.workspace import fingerprint
from rag.passages import Evidence, Passage, Within, numbered
from rag.ranking import ranked
from rag.rows import PAGE, Held, held_of, moved_since, passage_of, row_of, rows
from rag.store import Store

if TYPE_CHECKING:
    from chromadb.api.collection_configuration import CreateCollectionConfiguration
    from chromadb.api.models.Collection import Collection as ChromaCollection

Answer = TypeVar("Answer")
BATCH = 512  # passages embedded and stored at a time: sorted by length, larger ones gain nothing
SOURCES = 2_000  # sources asked for at a time
NEIGHBOURS = 10 * PAGE  # asked for at a time, over all queries
# HNSW is approximate; with these it found 99.8 % of the true neighbours among 2,939 tweets, in half a millisecond.
THOROUGH: "CreateCollectionConfiguration" = {
    "hnsw": {"space": "cosine", "ef_search": 400, "ef_construction": 400, "max_neighbors": 32}
}


@dataclass(frozen=True)
class Sync:
    """What one synchronisation did, in passages and seconds; those that moved kept their vectors."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0
    seconds: float = 0.0
    moved: int = 0


class Index:
    """Passages with their vectors; one embedding model per index, so that dimensions never mix."""

    def __init__(
        self,
        name: str,
        embedder: Embedder | str,
        collection: str | None = None,
        configuration: "CreateCollectionConfiguration" = THOROUGH,
    ) -> None:
        """Open the index called `name`, empty if it is new.

        Args:
            name: what the user calls it.
            embedder: the model, or its name: then it is loaded when it is first needed.
            collection: Chroma's name for it; by default each embedding model has its own.
            configuration: of its HNSW graph, if it is new.
        """
        self.name = name
        self.embeddings = embedder if isinstance(embedder, str) else embedder.name
        self.collection = collection or f"{name}-{fingerprint(self.embeddings)[:8]}"
        self.store = Store.current()
        self._embedder = None if isinstance(embedder, str) else embedder
        self._configuration = configuration
        self._dimension = 0  # not known yet
        self._sources: tuple[str, set[str]] = "", set()  # with the stamp at which they were right

    @property
    def embedder(self) -> Embedder:
        """Return the embedding model, loaded."""
        self._embedder = self._embedder or Embedder.load(self.embeddings)
        return self._embedder

    @property
    def dimension(self) -> int:
        """Return the length of its vectors; 0 as long as it never held any."""
        if not self._dimension:
            first = self._ask(lambda collection: collection.get(limit=1, include=["embeddings"])["embeddings"], None)
            self._dimension = 0 if first is None or not len(first) else len(first[0])
        return self._dimension

    def __len__(self) -> int:
        return self._ask(lambda collection: collection.count(), 0)

    @property
    def built_seconds(self) -> float:
        """Return how long the passages in the index took to embed and store, over all its syncs."""
        return float(self._metadata().get("built_seconds", 0.0))

    @property
    def stamp(self) -> str:
        """Return what changes with each change of the index, so that what was made from it can be known as old."""
        return fingerprint(self.collection, self.store.last_change(self.collection))

    def sync(
        self,
        passages: Iterable[Passage],
        sources: Collection[str] | None = None,
        advance: Callable[[int], None] = lambda count: None,
    ) -> Sync:
        """Make the index hold exactly `passages`: add the new, remove the gone, leave the same alone.

        Args:
            passages: what the index shall hold.
            sources: the sources they speak for; passages of others stay. None speaks for the whole index.
            advance: told of passages stored.
        """
        start = time.perf_counter()
        wanted = {passage.id: passage for passage in numbered(passages)}
        with self.store.writing(f"sync of {self.name}"):
            known = self.held(sources)
            new = [passage for identifier, passage in wanted.items() if identifier not in known]
            moved = moved_since(known, wanted)
            gone = list(known.keys() - wanted.keys())
            spent = self.built_seconds if known.keys() & wanted.keys() else 0.0  # nothing kept: built anew
            for first in range(0, len(new), BATCH):
                self.add(new[first : first + BATCH])
                self.note(spent + time.perf_counter() - start)
                advance(len(new[first : first + BATCH]))
            self.move(moved)
            self.remove(gone)
            if new or moved or gone:
                self.note(spent + time.perf_counter() - start)
        kept = len(known) - len(gone)
        return Sync(len(new), len(gone), kept, time.perf_counter() - start, len(moved))

    def search(self, queries: Sequence[str], k: int, within: Within | None = None) -> list[list[Evidence]]:
        """Return for each query its `k` nearest passages, of those that `within` admits, nearest first."""
        if not queries or not self.dimension:
            return [[] for _ in queries]
        return self.nearest(self.embedder.embed(queries), k, within)

    def nearest(self, vectors: NDArray[np.float32], k: int, within: Within | None = None) -> list[list[Evidence]]:
        """Return for each vector, shape (queries, dimension), its `k` nearest passages, nearest first.

        Raises:
            BakeoffError: the vectors are of another dimension than the index's.
        """
        where = cast(Any, self._where(within))
        self._check(vectors)
        size = max(1, NEIGHBOURS // k)

        def ask(collection: "ChromaCollection") -> list[list[Evidence]]:
            nearest: list[list[Evidence]] = []
            for first in range(0, len(vectors), size):
                nearest += ranked(collection, vectors[first : first + size], k, where)
            return nearest

        return self._ask(ask, [[] for _ in vectors])

    def passages(self) -> list[Passage]:
        """Return all passages of the index, without an order."""
        return list(self.stored().values())

    def stored(self, ids: Collection[str] | None = None) -> dict[str, Passage]:
        """Return the passages with these ids, or all, by the ids under which they are stored."""

        def ask(collection: "ChromaCollection") -> dict[str, Passage]:
            each = rows(collection, "documents", "metadatas", ids=ids)
            return {identifier: passage_of(text, row) for identifier, text, row in each}

        return self._ask(ask, {})

    def vectors(self, ids: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vector of each passage that is in the index, by the passage's id."""
        return self._ask(lambda collection: dict(rows(collection, "embeddings", ids=ids)), {})

    def held(self, sources: Collection[str] | None = None) -> dict[str, Held]:
        """Return where the passages of these sources, or all, are held to stand, by their ids."""
        named = None if sources is None else sorted(sources)

        def ask(collection: "ChromaCollection") -> dict[str, Held]:
            found: dict[str, Held] = {}
            for first in range(0, 1 if named is None else len(named), SOURCES):
                where = None if named is None else {"source": {"$in": named[first : first + SOURCES]}}
                found |= ((identifier, held_of(row)) for identifier, row in rows(collection, "metadatas", where=where))
            return found

        return self._ask(ask, {})

    def sources(self) -> set[str]:
        """Return where the passages in the index come from."""
        stamp = self.stamp
        if self._sources[0] != stamp:
            self._sources = stamp, {row.source for row in self.held().values()}
        return self._sources[1]

    def copy(self, name: str) -> "Index":
        """Return an index called `name` that starts with this one's passages; none is embedded again.

        A copy that was synchronised since keeps what it holds now.
        """
        copy = Index(name, self.embedder)
        with self.store.writing(f"copy of {self.name}"):
            if not copy._metadata().get("synced_at"):
                ids = sorted(self.held())
                for first in range(0, len(ids), PAGE):
                    stored = self.stored(ids[first : first + PAGE])
                    copy.add(list(stored.values()), self.vectors(stored.keys()))
        return copy

    def add(self, passages: Sequence[Passage], vectors: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        """Store passages, embedded unless their `vectors` are there; the store must be held."""
        if not passages:
            return
        known = vectors or {}
        rows = [known[p.id] for p in passages] if vectors else self.embedder.embed([p.text for p in passages])
        self._check(np.asarray(rows))
        self._create()
        with self.store.change(self.collection) as collection:
            collection.upsert(
                ids=[passage.id for passage in passages],
                embeddings=cast(Any, rows),
                documents=[passage.text for passage in passages],
                metadatas=[row_of(passage) for passage in passages],
            )

    def move(self, passages: Sequence[Passage]) -> None:
        """Store the new places of passages whose texts and vectors stay; the store must be held."""
        for first in range(0, len(passages), PAGE):
            some = passages[first : first + PAGE]
            with self.store.change(self.collection) as collection:
                # Without the embeddings: to set even the same ones, HNSW takes as long as to add them eightfold.
                collection.update(ids=[p.id for p in some], metadatas=[row_of(p) for p in some])

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages; the store must be held."""
        for first in range(0, len(ids), PAGE):
            with self.store.change(self.collection) as collection:
                collection.delete(ids=list(ids[first : first + PAGE]))

    def note(self, built_seconds: float) -> None:
        """Note that the index has just been changed, and how long it took to build; the store must be held."""
        self._create()
        news = {"built_seconds": built_seconds, "synced_at": time.time()}
        with self.store.change(self.collection) as collection:
            collection.modify(metadata={**(collection.metadata or {}), **news})

    def _check(self, vectors: NDArray[np.float32]) -> None:
        """Refuse vectors of another dimension: a small collection of Chroma's would take them for what they are not."""
        if len(vectors) and self.dimension not in (0, vectors.shape[1]):
            got = f"{vectors.shape[1]}, from {self.embeddings}"
            fix = "give the model its old weights, or run: bakeoff index rebuild --embeddings MODEL"
            raise BakeoffError(f"vectors of the index's {self.dimension} dimensions", got, fix)

    def _create(self) -> None:
        if not self._ask(lambda collection: True, False):
            metadata = {"index": self.name, "embeddings": self.embeddings, "built_seconds": 0.0, "synced_at": 0.0}
            self.store.create(self.collection, metadata, self._configuration)

    def _metadata(self) -> dict[str, Any]:
        return self.store.names().get(self.collection, {})

    def _ask(self, question: Callable[["ChromaCollection"], Answer], empty: Answer) -> Answer:
        try:
            return self.store.ask(self.collection, question)
        except LookupError:
            return empty

    def _where(self, within: Within | None) -> dict[str, Any] | None:
        """Return the filter in Chroma's words, which have no globs: the sources are named one by one.

        Raises:
            BakeoffError: the glob fits more sources than Chroma can be told.
        """
        within = within or Within()
        parts: list[dict[str, Any]] = [{"label": within.label}] if within.label else []
        if within.source:
            known = self.sources()
            sources = sorted(filter(within.admits_source, known))
            if len(sources) > 10 * SOURCES:
                got = f"{len(sources):,} that fit '{within.source}'"
                raise BakeoffError(f"at most {10 * SOURCES:,} sources to search in", got, "narrow it, or leave it out")
            if len(sources) < len(known):
                parts.append({"source": {"$in": sources or [""]}})  # Chroma refuses an empty list; no source is ""
        return {"$and": parts} if len(parts) > 1 else parts[0] if parts else None


def example_index(dataset_fingerprint: str, embedder: Embedder | None = None) -> Index:
    """Return the index of one training set's labelled examples; approaches that retrieve share it."""
    return Index(f"examples-{dataset_fingerprint}", embedder or settings().embeddings)


def index_status() -> list[dict[str, Any]]:
    """Return for each index its name, passages, embedding model, seconds spent building and last sync (epoch)."""
    store = Store.current()
    return [
        {
            "index": metadata.get("index", name),
            "passages": store.ask(name, lambda collection: collection.count()),
            "embeddings": metadata.get("embeddings"),
            "built_seconds": round(float(metadata.get("built_seconds", 0.0)), 2),
            "synced_at": metadata.get("synced_at"),
        }
        for name, metadata in store.names().items()
    ]


def as_documents(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Return evidence as the JSON of DESIGN: numbered from 1."""
    return [{"n": n, **asdict(item)} for n, item in enumerate(evidence, 1)]
