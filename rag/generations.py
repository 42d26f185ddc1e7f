"""The index of documents: one generation of it answers, others with other embedding models stand beside."""

import os
import time
from functools import cache
from typing import TYPE_CHECKING

from lab.settings import settings
from rag.index import Index
from rag.ledger import Generation, Ledger, State
from rag.store import Store

if TYPE_CHECKING:
    from chromadb.api.collection_configuration import CreateCollectionConfiguration

NAME = "documents"
# Over 4,000 article summaries this found all true neighbours, as THOROUGH did in 1.3 times the CPU time of building;
# Chroma's defaults missed 1 in 400.
SWIFT: "CreateCollectionConfiguration" = {
    "hnsw": {"space": "cosine", "ef_search": 200, "ef_construction": 200, "max_neighbors": 16}
}


def document_index() -> Index:
    """Return the index of documents, the one the agent's knowledge tool reads.

    It uses the embedding model that it was built with, whatever the settings say by now: they are for a new one.
    """
    store = Store.current()
    with Ledger.open(store.folder) as ledger:
        return index_of(store, active(ledger))


def active(ledger: Ledger) -> Generation:
    """Return the generation that answers; the first is made with the settings' embedding model."""
    while True:
        for generation in ledger.generations():
            if generation.state == "active":
                return generation
        ledger.begin(new_generation(settings().embeddings, "active"))


def new_generation(embeddings: str, state: State) -> Generation:
    """Return a generation that is not yet noted anywhere, under a name that none has."""
    return Generation(f"{NAME}-{os.urandom(4).hex()}", embeddings, time.time(), None, state)


def index_of(store: Store, generation: Generation) -> Index:
    """Return the index of a generation; the same object each time, so that what it has loaded stays."""
    return _index(store, generation.collection, generation.embeddings)


@cache
def _index(store: Store, collection: str, embeddings: str) -> Index:
    return Index(NAME, embeddings, collection, SWIFT)
