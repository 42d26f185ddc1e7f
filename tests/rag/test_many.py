"""More passages than SQLite takes values in a query, 32,766: whoever asks for all of them gets all."""

from typing import Any, cast

import numpy as np
import pytest

from rag import Index, Passage
from rag.store import Store

MANY, AT_ONCE = 33_000, 5_000  # the second: of the rows that Chroma takes, 5,461
QUICK: Any = {"hnsw": {"space": "cosine", "ef_construction": 2, "max_neighbors": 2}}


@pytest.fixture
def index() -> Index:
    """An index of a long table, each row with the least that an index keeps of a passage; its text is left out."""
    store, vectors = Store.current(), np.random.default_rng(0).standard_normal((MANY, 2), dtype=np.float32)
    with store.writing("test"):
        store.create("many", {"index": "many"}, QUICK)
        for first in range(0, MANY, AT_ONCE):
            some = vectors[first : first + AT_ONCE]
            numbers = range(first, first + len(some))
            metadatas = [{"source": "table.csv", "start": number, "end": number + 1, "label": ""} for number in numbers]
            with store.change("many") as collection:
                collection.add(list(map(str, numbers)), cast(Any, some), cast(Any, metadatas))
    return Index("many", "none", "many")


def test_an_index_of_many_passages_tells_all_of_them(index: Index) -> None:
    held = index.held({"table.csv"})
    assert {int(identifier): row.span[0] for identifier, row in held.items()} == dict(enumerate(range(MANY)))
    assert index.held() == held
    assert index.vectors(held.keys()).keys() == held.keys()


def test_neighbours_of_many_texts_are_found(tiny: str) -> None:
    index = Index("two", tiny)
    index.sync([Passage("tea", "a", (0, 3)), Passage("coffee", "a", (3, 9))])
    asked = np.repeat(index.embedder.embed(["tea", "coffee"]), MANY // 3, axis=0)
    found = index.nearest(asked, 2)
    assert [row[0].text for row in found] == ["tea"] * (MANY // 3) + ["coffee"] * (MANY // 3)
