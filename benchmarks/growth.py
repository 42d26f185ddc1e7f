"""How the index grows: time to fill, time to ask and memory at 1,000, 10,000 and 100,000 passages.

`python -m benchmarks.growth` fills an index of each size in a process of its own, and asks it in another, which tells
the memory. Embedding 100,000 passages would take longer than all the rest and grows linearly by itself, so the vectors
are synthetic, and this is said in the table: random directions around as many centres as an encyclopaedia has topics.
What is timed is Bakeoff's index with Chroma, made as that of documents is, without the embedding model.
"""

import math
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from numpy.typing import NDArray

from benchmarks.side_by_side import markdown, present, spoken, warn_if_busy
from benchmarks.workspace import empty_workspace
from lab.command_app import Json, command_app
from lab.console import Console
from lab.embeddings import Embedder
from rag import Index, Passage
from rag.generations import SWIFT

SIZES = (1_000, 10_000, 100_000)
DIMENSION, CENTRES, SPREAD = 384, 200, 0.7
QUERIES, K = 200, 4
LINEAR = 1.15  # the exponent that still counts as linear: 10 times the passages in at most 14 times the time
SUBLINEAR = 0.7  # the same for a query: 10 times the passages in at most 5 times the time

app = command_app()


@app.command()
def main(
    largest: Annotated[int, typer.Option(min=1_000, help="The largest index; each is ten times the last.")] = 100_000,
    json: Json = False,
) -> None:
    """Fill and ask indexes of synthetic vectors, ever larger."""
    warn_if_busy()
    points = []
    for size in [size for size in SIZES if size <= largest]:
        Console().note(f"{size:,} passages …")
        with empty_workspace():  # one for each, so that nothing of another size is counted
            points.append(Point(size, *_alone(_fill, size), *_alone(_ask, size)))
    exponents = {"ingest": _exponent(points, "ingest_seconds"), "query": _exponent(points, "query_ms")}
    document: dict[str, Any] = {"vectors": "synthetic", "dimension": DIMENSION}
    document |= {"points": [asdict(point) for point in points], "exponents": exponents}
    document |= {"met": {"ingest": exponents["ingest"] <= LINEAR, "query": exponents["query"] <= SUBLINEAR}}
    present("growth", document, _tables(points, document), json)


@dataclass(frozen=True)
class Point:
    """An index of `passages`: seconds to fill and to sync unchanged, ms of a query (median), bytes per passage."""

    passages: int
    ingest_seconds: float
    unchanged_seconds: float
    query_ms: float
    memory_bytes: float
    disk_bytes: float


class SyntheticEmbedder(Embedder):
    """Gives each text a random vector of its own, the same whenever it is asked."""

    def __init__(self) -> None:
        self.name = "synthetic"
        random = np.random.default_rng(0)
        self._centres = random.standard_normal((CENTRES, DIMENSION)) / math.sqrt(DIMENSION)

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return DIMENSION

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, shape (len(texts), dimension); the text's number is its seed."""
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for row, text in enumerate(texts):
            number = int(text.split()[1])
            around = np.random.default_rng(number).standard_normal(DIMENSION) / math.sqrt(DIMENSION)
            vectors[row] = self._centres[number % CENTRES] + SPREAD * around
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _fill(size: int) -> tuple[float, float]:
    """Return the seconds to fill an index of that size, and to sync it again with nothing changed."""
    passages = [Passage(f"passage {number} {'words ' * 60}", f"{number}.md", (0, 370)) for number in range(size)]
    index = Index(f"of-{size}", SyntheticEmbedder(), configuration=SWIFT)
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        index.sync(passages)
        taken.append(time.perf_counter() - start)
    return taken[0], taken[1]


def _ask(size: int) -> tuple[float, float, float]:
    """Return the median milliseconds of a query, the bytes of memory per passage, and those on disk."""
    process, embedder = psutil.Process(), SyntheticEmbedder()
    Index("of-none", embedder).search(["query 0"], K)  # loads Chroma
    before = process.memory_info().rss
    index = Index(f"of-{size}", embedder)
    taken = []
    for number in range(QUERIES):
        vector = embedder.embed([f"query {1_000_000 + number}"])
        start = time.perf_counter()
        index.nearest(vector, K)
        taken.append((time.perf_counter() - start) * 1000)
    from lab.workspace import Workspace

    stored = sum(path.stat().st_size for path in Workspace.current().indexes.rglob("*") if path.is_file())
    return statistics.median(taken), (process.memory_info().rss - before) / size, stored / size


def _alone(call: Any, size: int) -> Any:
    """Return what `call` says of a size, asked in a process of its own, so that nothing is warm or left over."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, (size,))


def _exponent(points: Sequence[Point], quantity: str) -> float:
    """Return the power of the size that a quantity grows with: the slope of a line through the logarithms."""
    sizes = np.log([point.passages for point in points])
    return float(np.polyfit(sizes, np.log([getattr(point, quantity) for point in points]), 1)[0])


def _tables(points: Sequence[Point], document: dict[str, Any]) -> list[str]:
    headers = ["passages (synthetic vectors)", "ingest, s", "ms per passage", "unchanged sync, s", "query p50, ms"]
    rows = [
        [
            f"{point.passages:,}",
            f"{point.ingest_seconds:.1f}",
            f"{point.ingest_seconds / point.passages * 1000:.2f}",
            f"{point.unchanged_seconds:.2f}",
            f"{point.query_ms:.2f}",
            f"{point.memory_bytes / 1000:.1f}",
            f"{point.disk_bytes / 1000:.1f}",
        ]
        for point in points
    ]
    exponents, met = document["exponents"], document["met"]
    growth = [
        ["ingest, linear", f"{exponents['ingest']:.2f}", f"{LINEAR:g}", spoken(met["ingest"])],
        ["query, sublinear", f"{exponents['query']:.2f}", f"{SUBLINEAR:g}", spoken(met["query"])],
    ]
    return [
        markdown([*headers, "memory, kB per passage", "disk, kB per passage"], rows),
        markdown(["grows with the passages to the power of", "", "at most", "verdict"], growth),
    ]


if __name__ == "__main__":
    app()
