"""Querying: embed and search, one question at a time, against LangChain's retriever over the same passages.

`python -m benchmarks.querying` puts the same vectors of the same passages, summaries of Wikipedia articles, into
Bakeoff's index and into LangChain's Chroma, and asks both the same questions by turns, on the CPU. LangChain's side is
`as_retriever().invoke` with `HuggingFaceEmbeddings`, at their defaults. Both are warm; both return four passages.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_chroma import Chroma
from langchain_huggingface import HuggingFaceEmbeddings

from benchmarks.passages import articles, wikipedia_passages
from benchmarks.side_by_side import Comparison, by_turns, comparison_table, present, warn_if_busy
from benchmarks.workspace import empty_workspace
from lab.command_app import Json, command_app
from lab.console import Console
from lab.embeddings import Embedder, model_folder
from rag import Index, Passage

MODEL, K = "embedded:minilm", 4
GOAL = 2.0  # times as fast: at most half the time
LANGCHAIN = "LangChain"
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
        sides = _sides(wikipedia_passages(passages))
        for search in sides.values():
            _laps(search, questions[:20])  # warm
        laps = by_turns({name: _turn(search, questions) for name, search in sides.items()}, rounds)
        same = statistics.mean(_overlap(*(search(question) for search in sides.values())) for question in questions)
    comparisons = [
        Comparison(
            f"{passages:,} passages, p{percent}",
            "ms",
            _quantiles(laps["Bakeoff"], percent),
            _quantiles(laps[LANGCHAIN], percent),
            goal,
            less_is_faster=True,
        )
        for percent, goal in ((50, GOAL), (95, None))
    ]
    document: dict[str, Any] = {"passages": passages, "queries": len(questions), "rounds": rounds}
    document |= {"comparisons": [comparison.document() for comparison in comparisons], "same_passages": same}
    words = (
        f"{same:.1%} of the passages found are the same on both sides (each side's nearest neighbours are near ones)."
    )
    present("querying", document, [comparison_table(comparisons, LANGCHAIN), words], json)


def _sides(passages: Sequence[Passage]) -> dict[str, Search]:
    """Fill both indexes with the same vectors and return what searches them."""
    Console().note(f"indexing {len(passages):,} passages …")
    index = Index("querying", Embedder(MODEL))
    index.sync(passages)
    vectors = index.vectors({passage.id for passage in passages})
    embeddings = HuggingFaceEmbeddings(model=model_folder(MODEL))
    theirs = Chroma(embedding_function=embeddings, persist_directory=tempfile.mkdtemp(dir=Path.cwd()))
    for first in range(0, len(passages), ROWS):
        part = passages[first : first + ROWS]
        theirs._collection.upsert(
            ids=[passage.id for passage in part],
            embeddings=np.stack([vectors[passage.id] for passage in part]),
            documents=[passage.text for passage in part],
            metadatas=[{"source": passage.source} for passage in part],
        )
    retriever = theirs.as_retriever()
    return {
        "Bakeoff": lambda question: [item.text for item in index.search([question], K)[0]],
        LANGCHAIN: lambda question: [document.page_content for document in retriever.invoke(question)],
    }


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


def _quantiles(laps: Sequence[Sequence[float]], percent: int) -> list[float]:
    return [float(np.percentile(lap, percent)) for lap in laps]


def _overlap(ours: Sequence[str], theirs: Sequence[str]) -> float:
    return len(set(ours) & set(theirs)) / max(len(set(theirs)), 1)


if __name__ == "__main__":
    app()
