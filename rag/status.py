"""What the index of documents holds, and what seems wrong with it, as far as that is told without reading anything."""

from typing import Any

from rag.generations import NAME, active, index_of
from rag.index import index_status
from rag.ledger import Ledger
from rag.store import Store


def status() -> dict[str, Any]:
    """Return counts, embedding model, size, times, unfinished work and contradictions; all of it is cheap to tell."""
    store = Store.current()
    with Ledger.open(store.folder) as ledger:
        generation = active(ledger)
        index, rows = index_of(store, generation), ledger.sources(generation.collection)
        unclaimed = ledger.unclaimed(generation.collection)
        left_out = [row for row in rows.values() if row.is_left_out]
        pending = sorted({*unclaimed, *(row.source for row in rows.values() if row.status == "pending")})
        held, noted = len(index), sum(row.passages for row in rows.values())
        return {
            "targets": ledger.counts(generation.collection),
            "sources": sum(row.status == "done" for row in rows.values()),
            "passages": held,
            "skipped": [
                {"source": row.source, "reason": row.reason, "fault": row.status == "skipped"} for row in left_out
            ],
            "embeddings": generation.embeddings,
            "dimension": index.dimension,
            "place": store.url or str(store.folder),
            "bytes": store.bytes,
            "synced_at": generation.synced,
            "pending": pending,
            "inconsistent": _contradictions(held, noted, bool(pending)),
            "generations": [
                {
                    "index": one.collection,
                    "embeddings": one.embeddings,
                    "state": one.state,
                    "passages": len(index_of(store, one)),
                    "made_at": one.made,
                    "synced_at": one.synced,
                }
                for one in ledger.generations()
            ],
            "examples": [row for row in index_status() if row["index"] != NAME],
        }


def _contradictions(held: int, noted: int, is_unfinished: bool) -> list[str]:
    if is_unfinished:
        return ["a sync was interrupted; run: bakeoff index sync"]
    if held != noted:
        return [f"Chroma holds {held} passages, the ledger knows of {noted}; run: bakeoff index sync --repair"]
    return []
