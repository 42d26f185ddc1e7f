"""A Chroma collection kept true to its passages: explicit embeddings, content hashes, evidence out."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lab.console import progress
from lab.embeddings import Embedder
from lab.workspace import Workspace, fingerprint, lock
from rag.documents import document_files, load_passages
from rag.passages import Evidence, Passage, Within, numbered

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.collection_configuration import CreateCollectionConfiguration

BATCH = 256
# HNSW is approximate; with these it found 99.8 % of the true neighbours among 2,939 tweets, in half a millisecond.
THOROUGH: "CreateCollectionConfiguration" = {
    "hnsw": {"space": "cosine", "ef_search": 400, "ef_construction": 400, "max_neighbors": 32}
}


@dataclass(frozen=True)
class Sync:
    """What one synchronisation did, in passages and seconds."""

    added: int
    removed: int
    unchanged: int
    seconds: float


class Index:
    """Passages with their vectors, on disk; one embedding model per index, so that dimensions never mix."""

    def __init__(self, name: str, embedder: Embedder) -> None:
        """Open the index called `name`, empty if it is new; each embedding model has its own."""
        self.name = name
        self.embedder = embedder
        self._client = _client(Workspace.current().indexes.resolve())
        self._collection = self._client.get_or_create_collection(
            f"{name}-{fingerprint(embedder.name)[:8]}",
            metadata={"index": name, "embeddings": embedder.name, "built_seconds": 0.0, "synced_at": 0.0},
            configuration=THOROUGH,
            embedding_function=None,  # Chroma's own would download a model
        )

    def __len__(self) -> int:
        return self._collection.count()

    @property
    def built_seconds(self) -> float:
        """Return how long the passages in the index took to embed and store, over all its syncs."""
        return float(cast(float, (self._collection.metadata or {}).get("built_seconds", 0.0)))

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
        with lock(Workspace.current().home / "chroma.lock", "the index", wait_seconds=600):
            known = self._ids(sources)
            new = [passage for identifier, passage in wanted.items() if identifier not in known]
            gone = list(known - wanted.keys())
            spent = self.built_seconds if known & wanted.keys() else 0.0  # nothing kept: built anew
            for first in range(0, len(new), BATCH):
                self._store(new[first : first + BATCH])
                self._note_sync(spent + time.perf_counter() - start)
                advance(len(new[first : first + BATCH]))
            for first in range(0, len(gone), BATCH):
                self._collection.delete(ids=gone[first : first + BATCH])
                self._note_sync(spent + time.perf_counter() - start)
        return Sync(len(new), len(gone), len(known) - len(gone), time.perf_counter() - start)

    def search(self, queries: Sequence[str], k: int, within: Within | None = None) -> list[list[Evidence]]:
        """Return for each query its `k` nearest passages, of those that `within` admits, nearest first."""
        if not queries or not len(self):
            return [[] for _ in queries]
        return self.nearest(self.embedder.embed(queries), k, within)

    def nearest(self, vectors: NDArray[np.float32], k: int, within: Within | None = None) -> list[list[Evidence]]:
        """Return for each vector, shape (queries, dimension), its `k` nearest passages, nearest first."""
        if not len(self):
            return [[] for _ in vectors]
        where = cast(Any, self._where(within))
        found = self._collection.query(query_embeddings=cast(Any, vectors), n_results=min(k, len(self)), where=where)
        rows = zip(*(found[part] or [] for part in ("ids", "documents", "metadatas", "distances")), strict=True)
        return [
            [_evidence(identifier, text, m, 1 - distance) for identifier, text, m, distance in zip(*row, strict=True)]
            for row in rows
        ]

    def passages(self) -> list[Passage]:
        """Return all passages of the index, without an order."""
        rows = self._collection.get(include=["documents", "metadatas"])
        pairs = zip(rows["documents"] or [], rows["metadatas"] or [], strict=True)
        return [_passage(text, metadata) for text, metadata in pairs]

    @property
    def stamp(self) -> str:
        """Return what changes with each change of the index, so that what was made from it can be known as old."""
        return fingerprint(len(self), (self._collection.metadata or {}).get("synced_at"))

    def vectors(self, ids: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vector of each passage that is in the index, by the passage's id."""
        rows = self._collection.get(ids=sorted(ids), include=["embeddings"]) if ids else None
        return dict(zip(rows["ids"], cast(Any, rows["embeddings"]), strict=True)) if rows else {}

    def copy(self, name: str) -> "Index":
        """Return an index called `name` that starts with this one's passages; none is embedded again.

        A copy that was synchronised since keeps what it holds now.
        """
        copy = Index(name, self.embedder)
        with lock(Workspace.current().home / "chroma.lock", "the index", wait_seconds=600):
            if not (copy._collection.metadata or {}).get("synced_at"):
                ids = sorted(self._ids(None))
                for first in range(0, len(ids), BATCH):
                    rows = self._collection.get(
                        ids=ids[first : first + BATCH], include=["embeddings", "documents", "metadatas"]
                    )
                    copy._collection.upsert(
                        ids=rows["ids"],
                        embeddings=cast(Any, rows["embeddings"]),
                        documents=rows["documents"],
                        metadatas=rows["metadatas"],
                    )
        return copy

    def sources(self) -> set[str]:
        """Return where the passages in the index come from."""
        rows = self._collection.get(include=["metadatas"])["metadatas"] or []
        return {str(row["source"]) for row in rows}

    def _where(self, within: Within | None) -> dict[str, Any] | None:
        """Return the filter in Chroma's words, which have no globs: the sources are named one by one."""
        within = within or Within()
        parts: list[dict[str, Any]] = [{"label": within.label}] if within.label else []
        if within.source:
            parts.append({"source": {"$in": sorted(filter(within.admits_source, self.sources()))}})
        return {"$and": parts} if len(parts) > 1 else parts[0] if parts else None

    def _ids(self, sources: Collection[str] | None) -> set[str]:
        where = cast(Any, {"source": {"$in": sorted(sources)}}) if sources is not None else None
        return set(self._collection.get(where=where, include=[])["ids"])

    def _store(self, passages: Sequence[Passage]) -> None:
        self._collection.upsert(
            ids=[passage.id for passage in passages],
            embeddings=cast(Any, self.embedder.embed([passage.text for passage in passages])),
            documents=[passage.text for passage in passages],
            metadatas=[_metadata(passage) for passage in passages],
        )

    def _note_sync(self, built_seconds: float) -> None:
        metadata = dict(self._collection.metadata or {})
        metadata |= {"built_seconds": built_seconds, "synced_at": time.time()}
        self._collection.modify(metadata=metadata)


def document_index(embedder: Embedder | None = None) -> Index:
    """Return the index of documents, the one the agent's knowledge tool reads."""
    return Index("documents", embedder or Embedder.load())


def example_index(dataset_fingerprint: str, embedder: Embedder | None = None) -> Index:
    """Return the index of one training set's labelled examples; approaches that retrieve share it."""
    return Index(f"examples-{dataset_fingerprint}", embedder or Embedder.load())


def add_documents(path: Path) -> Sync:
    """Bring the documents at `path`, a file or a folder, into the document index as they are now.

    Passages of files that are gone from the folder go too.

    Raises:
        BakeoffError: nothing readable is there, or a file is not text.
    """
    files = document_files(path.resolve())
    passages = [passage for file in files for passage in load_passages(file)]
    index = document_index()
    before = {source for source in index.sources() if Path(source).is_relative_to(path.resolve())}
    with progress(f"index of {path}", total=len(passages)) as bar:
        return index.sync(passages, before | {str(file) for file in files}, bar.advance)


def index_status() -> list[dict[str, Any]]:
    """Return for each index its name, passages, embedding model, seconds spent building and last sync (epoch)."""
    folder = Workspace.current().indexes
    if not folder.exists():
        return []
    return [
        {
            "index": (collection.metadata or {}).get("index", collection.name),
            "passages": collection.count(),
            "embeddings": (collection.metadata or {}).get("embeddings"),
            "built_seconds": round(float(cast(float, (collection.metadata or {}).get("built_seconds", 0.0))), 2),
            "synced_at": (collection.metadata or {}).get("synced_at"),
        }
        for collection in _client(folder.resolve()).list_collections()
    ]


def as_documents(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Return evidence as the JSON of DESIGN: numbered from 1."""
    return [{"n": n, **asdict(item)} for n, item in enumerate(evidence, 1)]


def _metadata(passage: Passage) -> dict[str, str | int]:
    start, end = passage.span
    return {"source": passage.source, "start": start, "end": end, "label": passage.label, "place": passage.place} | (
        {"occurrence": passage.occurrence} if passage.occurrence else {}
    )


def _passage(text: str, row: Any) -> Passage:
    """Return a passage from its text and metadata in Chroma."""
    span = int(row["start"]), int(row["end"])
    return Passage(text, row["source"], span, row["label"], row.get("place", ""), int(row.get("occurrence", 0)))


def _evidence(identifier: str, text: str, row: Any, score: float) -> Evidence:
    found = _passage(text, row)
    return Evidence(text, found.source, found.span, score, found.label, found.place, identifier)


@cache
def _client(folder: Path) -> "ClientAPI":
    import chromadb
    from chromadb.config import Settings

    folder.mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
