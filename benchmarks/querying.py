"""Querying: embed and search, one question at a time, against LangChain's retriever over the same passages.

`python -m benchmarks.querying` puts the same vectors of the same passages, summaries of Wikipedia articles, into
Bakeoff's index, made as that of documents is, and into LangChain's Chroma, and asks both the same questions by turns,
on the CPU. LangChain's side is `as_retriever().invoke` with `HuggingFaceEmbeddings`, at their defaults. Both hold the
same metadata, are warm, and return four passages. Both search by meaning; what `bakeoff index search` and the agent do,
by meaning and by words, is timed beside them. It also tells how many of the true nearest neighbours each side finds,
and what of Bakeoff's time is the embedding and what Chroma's search.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_chroma import Chroma
from langchain_huggingface import HuggingFaceEmbeddings
from numpy.typing import NDArray

from benchmarks.passages import articles, wikipedia_passages
from benchmarks.side_by_side import Comparison, by_turns, comparison_table, markdown, present, warn_if_busy
from benchmarks.workspace import empty_workspace
from lab.command_app import Json, command_app
from lab.console import Console
from lab.embeddings import Embedder, model_folder
from rag import Index, Passage
from rag.generations import SWIFT
from rag.retrieve import Retriever
from rag.rows import row_of

MODEL, K = "embedded:minilm", 4
GOAL = 2.0  # times as fast: at most half the time
BAKEOFF, FUSED, LANGCHAIN = "Bakeoff", "Bakeoff, fused", "LangChain"
ROWS = 2000  # that Chroma takes at once

Search = Callable[[str], Sequence[str]]

app = command_app()


@app.command()
def main(
    passages: Annotated[int, typer.Option(min=100, max=10_900, help="How many passages are searched.")] = 10_000,
    queries: Annotated[int, typer.Option(min=20, max=2000, help="Questions of a round.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 5,
    json: Json = False,
) -> None:
    """Time a question to Bakeoff's index against LangChain's retriever, by turns."""
    warn_if_busy()
    titles = [title for title, _ in articles()]
    questions = [f"What is {title}?" for title in titles[:: max(1, passages // queries)][:queries]]
    with empty_workspace():
        stored = _stored(wikipedia_passages(passages))
        sides = {BAKEOFF: _bakeoff(stored.index), FUSED: _fused(stored.index), LANGCHAIN: _langchain(stored)}
        for search in sides.values():
            _laps(search, questions[:20])  # warm
        laps = by_turns({name: _turn(search, questions) for name, search in sides.items()}, rounds)
        parts = _parts(stored.index, questions)
        true = stored.nearest(questions)
        del sides[FUSED]  # which looks for more than the nearest
        found = {name: _share(true, [search(question) for question in questions]) for name, search in sides.items()}
    asked = ((BAKEOFF, 50, GOAL), (BAKEOFF, 95, None), (FUSED, 50, None), (FUSED, 95, None))
    comparisons = [_comparison(laps, f"{passages:,} passages", *one) for one in asked]
    document: dict[str, Any] = {"passages": passages, "queries": len(questions), "rounds": rounds}
    document |= {"comparisons": [comparison.document() for comparison in comparisons]}
    document |= {"neighbours_found": found, "parts_ms": parts}
    told = [[name, f"{share:.1%}"] for name, share in found.items()]
    split = [[name, f"{milliseconds:.2f}"] for name, milliseconds in parts.items()]
    tables = [markdown(["true neighbours found", ""], told), markdown(["Bakeoff's parts, p50", "ms"], split)]
    present("querying", document, [comparison_table(comparisons, LANGCHAIN), *tables], json)


@dataclass(frozen=True)
class Stored:
    """Passages with their vectors, one row each, in Bakeoff's index."""

    index: Index
    passages: Sequence[Passage]
    vectors: NDArray[np.float32]

    def nearest(self, questions: Sequence[str]) -> list[list[str]]:
        """Return the texts of the true nearest neighbours of each question, by comparing with every vector."""
        likeness = self.index.embedder.embed(questions) @ self.vectors.T
        return [[self.passages[place].text for place in np.argsort(-row)[:K]] for row in likeness]


def _stored(passages: Sequence[Passage]) -> Stored:
    Console().note(f"indexing {len(passages):,} passages …")
    index = Index("querying", Embedder(MODEL), configuration=SWIFT)
    index.sync(passages)
    vectors = index.vectors({passage.id for passage in passages})
    return Stored(index, passages, np.stack([vectors[passage.id] for passage in passages]))


def _bakeoff(index: Index) -> Search:
    return lambda question: [item.text for item in index.search([question], K)[0]]


def _fused(index: Index) -> Search:
    return lambda question: [item.text for item in Retriever.over(index).search([question], K)[0]]


def _langchain(stored: Stored) -> Search:
    """Put the same rows into LangChain's Chroma, and return what searches them."""
    embeddings = HuggingFaceEmbeddings(model=model_folder(MODEL))
    theirs = Chroma(embedding_function=embeddings, persist_directory=tempfile.mkdtemp(dir=Path.cwd()))
    for first in range(0, len(stored.passages), ROWS):
        part = stored.passages[first : first + ROWS]
        theirs._collection.upsert(
            ids=[passage.id for passage in part],
            embeddings=stored.vectors[first : first + ROWS],
            documents=[passage.text for passage in part],
            metadatas=[row_of(passage) for passage in part],
        )
    retriever = theirs.as_retriever()
    return lambda question: [document.page_content for document in retriever.invoke(question)]


def _turn(search: Search, questions: Sequence[str]) -> Callable[[int], list[float]]:
    return lambda _: _laps(search, questions)


def _laps(search: Search, questions: Sequence[str]) -> list[float]:
    """Return the milliseconds of each question."""
    taken = []
    for question in questions:
        start = time.perf_counter()
        search(question)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def _parts(index: Index, questions: Sequence[str]) -> dict[str, float]:
    """Return the median milliseconds of the two steps of a search, done one after the other as it does them."""
    embedding, searching = [], []
    for question in questions:
        start = time.perf_counter()
        vector = index.embedder.embed([question])
        middle = time.perf_counter()
        index.nearest(vector, K)
        embedding.append((middle - start) * 1000)
        searching.append((time.perf_counter() - middle) * 1000)
    return {"embedding": float(np.median(embedding)), "Chroma's search": float(np.median(searching))}


def _comparison(
    laps: dict[str, list[list[float]]], what: str, side: str, percent: int, goal: float | None
) -> Comparison:
    ours, theirs = ([float(np.percentile(lap, percent)) for lap in laps[name]] for name in (side, LANGCHAIN))
    how = "by meaning and words" if side == FUSED else "by meaning"
    return Comparison(f"{what}, {how}, p{percent}", "ms", ours, theirs, goal, less_is_faster=True)


def _share(true: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> float:
    """Return how many of the true neighbours were found."""
    pairs = ((set(wanted), set(own)) for wanted, own in zip(true, found, strict=True))
    return float(np.mean([len(wanted & own) / len(wanted) for wanted, own in pairs]))


if __name__ == "__main__":
    app()
