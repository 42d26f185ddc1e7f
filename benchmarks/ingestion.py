"""Ingesting: passages per second of Bakeoff's index and of LangChain's Chroma with HuggingFaceEmbeddings.

`python -m benchmarks.ingestion` lets both sides fill an empty Chroma database on disk with the same passages, summaries
of Wikipedia articles, by turns on the CPU, with the same embedding model. LangChain's side is `Chroma.from_documents`
and `HuggingFaceEmbeddings` at their defaults. Loading the models is not timed. It also compares the vectors, tells
how the time is parted between embedding and Chroma, and syncs once more with nothing changed.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from numpy.typing import NDArray
from pydantic import Field

from benchmarks.passages import wikipedia_passages
from benchmarks.peak import torch_peak
from benchmarks.side_by_side import (
    Comparison,
    by_turns,
    comparison_table,
    markdown,
    present,
    spoken,
    warn_if_busy,
)
from benchmarks.workspace import empty_workspace
from lab.command_app import Json, command_app
from lab.embeddings import Embedder, model_folder
from rag import Index, Passage

MODEL = "embedded:minilm"
GOAL, GOAL_UNCHANGED, GOAL_COSINE = 1.6, 50.0, 0.999
FLOPS = 2  # per weight and token: a multiplication and an addition
LANGCHAIN = "LangChain"

app = command_app()


@app.command()
def main(
    passages: Annotated[int, typer.Option(min=64, max=10_000, help="How many passages are indexed.")] = 5_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 3,
    json: Json = False,
) -> None:
    """Time filling Bakeoff's index against LangChain's Chroma, by turns."""
    warn_if_busy()
    texts = wikipedia_passages(passages)
    with empty_workspace():
        ours, theirs = TimedEmbedder(MODEL), TimedEmbeddings(model=model_folder(MODEL))
        ours.embed([passage.text for passage in texts[:64]])
        theirs.embed_documents([passage.text for passage in texts[:64]])
        laps = by_turns(
            {"Bakeoff": lambda number: _bakeoff(ours, texts, number), LANGCHAIN: lambda _: _langchain(theirs, texts)},
            rounds,
        )
        cosine = float((ours.vectors * theirs.vectors).sum(axis=1).min())
        share = _share(ours, laps["Bakeoff"])
    document = _document(laps, cosine, share, passages)
    present("ingestion", document, _tables(laps, document), json)


@dataclass(frozen=True)
class Lap:
    """What filling an index took, in seconds: all of it, and the embedding alone; and a sync with nothing changed."""

    passages: int
    seconds: float
    embedding: float
    unchanged: float | None = None

    @property
    def rate(self) -> float:
        """Return passages per second."""
        return self.passages / self.seconds


class TimedEmbedder(Embedder):
    """Bakeoff's embedder, which keeps the vectors of a lap and notes its time."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begin()

    def begin(self) -> None:
        """Forget the last lap."""
        self.seconds, self._kept = 0.0, [np.empty((0, self.dimension), dtype=np.float32)]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector per text."""
        start = time.perf_counter()
        vectors = super().embed(texts)
        self.seconds += time.perf_counter() - start
        self._kept.append(vectors)
        return vectors

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return the vectors of the lap."""
        return np.concatenate(self._kept)


class TimedEmbeddings(HuggingFaceEmbeddings):
    """LangChain's embeddings, which keep the vectors of a lap and note its time."""

    seconds: float = 0.0
    kept: list[Any] = Field(default_factory=list)

    def begin(self) -> None:
        """Forget the last lap."""
        self.seconds, self.kept = 0.0, []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        start = time.perf_counter()
        vectors = super().embed_documents(texts)
        self.seconds += time.perf_counter() - start
        self.kept.append(vectors)
        return vectors

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return the vectors of the lap."""
        return np.concatenate([np.asarray(vectors, dtype=np.float32) for vectors in self.kept])


def _bakeoff(embedder: TimedEmbedder, passages: Sequence[Passage], number: int) -> Lap:
    index = Index(f"lap-{number}", embedder)
    embedder.begin()
    start = time.perf_counter()
    index.sync(passages)
    seconds = time.perf_counter() - start
    embedding = embedder.seconds
    start = time.perf_counter()
    index.sync(passages)
    return Lap(len(passages), seconds, embedding, time.perf_counter() - start)


def _langchain(embeddings: TimedEmbeddings, passages: Sequence[Passage]) -> Lap:
    embeddings.begin()
    documents = [
        Document(passage.text, metadata={"source": passage.source, "start": passage.span[0], "end": passage.span[1]})
        for passage in passages
    ]
    folder = tempfile.mkdtemp(dir=Path.cwd())
    start = time.perf_counter()
    Chroma.from_documents(documents, embeddings, persist_directory=folder)
    return Lap(len(passages), time.perf_counter() - start, embeddings.seconds)


def _share(embedder: Embedder, laps: Sequence[Lap]) -> dict[str, Any]:
    """Return the share of the processor's peak in matrix products, of the type computed in, that embedding reached."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder(MODEL))
    texts = [passage.text for passage in wikipedia_passages(laps[0].passages)]
    tokens = sum(map(len, tokenizer(texts, truncation=True, max_length=256)["input_ids"]))
    model: torch.nn.Module = AutoModel.from_pretrained(model_folder(MODEL))
    weights = sum(weight.numel() for name, weight in model.named_parameters() if ".layer." in name)
    rate = tokens / statistics.median(lap.embedding for lap in laps)
    precision = embedder.kind.partition(" ")[2] or "float32"
    gflops, peak = FLOPS * weights * rate / 1e9, torch_peak(precision)
    shares = {"weights": weights, "tokens_per_second": rate, "precision": precision}
    return shares | {"gflops": gflops, "peak_gflops": peak, "share": gflops / peak}


def _document(laps: dict[str, list[Lap]], cosine: float, share: dict[str, Any], passages: int) -> dict[str, Any]:
    ours, theirs = laps["Bakeoff"], laps[LANGCHAIN]
    comparison = Comparison(
        f"{passages:,} passages", "passages/s", [lap.rate for lap in ours], [lap.rate for lap in theirs], GOAL
    )
    unchanged = statistics.median(lap.seconds / (lap.unchanged or lap.seconds) for lap in ours)
    return {
        "passages": passages,
        "comparison": comparison.document(),
        "table": comparison_table([comparison], LANGCHAIN),
        "cosine": {"smallest": cosine, "goal": GOAL_COSINE, "met": cosine >= GOAL_COSINE},
        "unchanged": {"times_as_fast": unchanged, "goal": GOAL_UNCHANGED, "met": unchanged >= GOAL_UNCHANGED},
        "peak": share,
    }


def _tables(laps: dict[str, list[Lap]], document: dict[str, Any]) -> list[str]:
    rows = []
    for name, own in laps.items():
        seconds = statistics.median(lap.seconds for lap in own)
        embedding = statistics.median(lap.embedding for lap in own)
        rows.append([name, f"{seconds:.1f}", f"{embedding:.1f}", f"{seconds - embedding:.1f}"])
    cosine, unchanged, peak = document["cosine"], document["unchanged"], document["peak"]
    goals = [
        ["smallest cosine similarity of the vectors", f"{cosine['smallest']:.6f}", f"{GOAL_COSINE:g}"],
        ["a sync with nothing changed, times as fast", f"{unchanged['times_as_fast']:.0f}", f"{GOAL_UNCHANGED:g}"],
    ]
    verdicts = [spoken(cosine["met"]), spoken(unchanged["met"])]
    return [
        document.pop("table"),
        markdown(["seconds, median", "in all", "embedding", "Chroma and the rest"], rows),
        markdown(["", "", "goal", "verdict"], [[*row, verdict] for row, verdict in zip(goals, verdicts, strict=True)]),
        f"Embedding: {peak['tokens_per_second']:.0f} tokens/s x {FLOPS} x {peak['weights']:,} weights of the layers"
        f" = {peak['gflops']:.0f} GFLOP/s,\n{peak['share']:.0%} of the {peak['peak_gflops']:.0f} GFLOP/s that matrix"
        f" products alone reach in {peak['precision']}.",
    ]


if __name__ == "__main__":
    app()
