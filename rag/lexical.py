"""Lexical search over passages: BM25, which finds the same rare words where embeddings find the same meaning."""

import json
import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lab.workspace import Workspace, lock, new_folder, read_json
from rag.passages import Evidence, Passage, Within

if TYPE_CHECKING:
    from rag.index import Index

WORD = re.compile(r"\w+")
OPEN = 4  # indexes that a process keeps open
BUILDER_WAITS = 600.0  # seconds, for another process to build the same
ORIGINS = "origins.npy"


class Lexical:
    """A BM25 index (Robertson and Zaragoza 2009; the library bm25s, with its defaults), in memory or on disk.

    A word is a run of letters, digits and underscores, whatever its case and accents. None is dropped or stemmed:
    neither helped on the validation questions of the suite `retrieval`, and "not" is a stop word.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Index `passages` in memory."""
        import bm25s

        self._rows: Any = [asdict(passage) for passage in passages]
        self._reading = Lock()  # rows on disk are found by a seek and read by another call
        self._origins = Origins.of(passages)
        self._index = bm25s.BM25()
        if passages:
            self._index.index([words(passage.text) for passage in passages], show_progress=False)

    @classmethod
    def of(cls, index: "Index") -> "Lexical":
        """Return the BM25 index of an index's passages, built anew only after these have changed.

        It lies beside the vectors, in the workspace's folder `bm25`, under the stamp of the index, without pickle; its
        arrays and passages are memory-mapped, and a process opens it once. One process at a time builds or opens it.

        Raises:
            BakeoffError: another process has been building it for ten minutes.
        """
        if not len(index):
            return cls([])
        folder = Workspace.current().home.resolve() / "bm25" / index.name / index.stamp
        with _guard:
            if folder not in _open:
                with lock(folder.parent.with_name(f"{index.name}.lock"), "the index of words", BUILDER_WAITS):
                    if not (folder / ORIGINS).exists():
                        cls._build(folder, index)
                    _open[folder] = cls._opened(folder)
            while len(_open) > OPEN:
                del _open[next(iter(_open))]
            return _open[folder]

    @classmethod
    def _build(cls, folder: Path, index: "Index") -> None:
        with new_folder(folder) as draft:
            cls(index.passages())._save(draft)
        for other in folder.parent.iterdir():  # older ones, and what a killed builder left
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)

    @classmethod
    def _opened(cls, folder: Path) -> "Lexical":
        from bm25s import BM25

        opened = cls([])
        opened._index = BM25.load(folder, load_corpus=True, mmap=True, show_progress=False)
        opened._rows, opened._index.corpus = opened._index.corpus, None
        opened._origins = Origins.load(folder)
        return opened

    def search(
        self, queries: Sequence[str], k: int, within: Within | None = None, least_share: float = 0.0
    ) -> list[list[Evidence]]:
        """Return for each query at most `k` passages that share a word with it, the best first; scores are BM25's.

        Args:
            queries: what to look for.
            k: how many passages at most.
            within: which passages may be returned; None admits all.
            least_share: of the score that a passage would have if it held all words of the query ever so often; from 0
                to 1. A passage below it has but common words of the query.
        """
        if not len(self._rows):
            return [[] for _ in queries]
        mask = None if within is None else self._origins.admitted(within)
        return [list(self._found(words(query), k, mask, least_share)) for query in queries]

    def _found(self, query: list[str], k: int, mask: Any, least_share: float) -> Iterator[Evidence]:
        """Yield the best passages; of equals, the one that comes first in the index."""
        scores = self._index.get_scores_from_ids(self._index.get_tokens_ids(query), weight_mask=mask)
        some = np.flatnonzero(scores > max(0.0, least_share * self._most(query)))
        for row in some[np.argsort(-scores[some], kind="stable")[:k]].tolist():
            found = self._passage(row)
            score = float(scores[row])
            yield Evidence(found.text, found.source, found.span, score, found.label, found.place, found.id)

    def _most(self, query: list[str]) -> float:
        """Return the score that no passage exceeds: the query's inverse document frequencies, as Lucene has them."""
        starts, vocabulary = self._index.scores["indptr"], self._index.vocab_dict
        known = (vocabulary.get(word) for word in query)
        held = np.array([0 if row is None else starts[row + 1] - starts[row] for row in known], dtype=float)
        return float(np.log1p((len(self._rows) - held + 0.5) / (held + 0.5)).sum())

    def _passage(self, row: int) -> Passage:
        with self._reading:
            stored = self._rows[row]
        return Passage(**stored | {"span": tuple(stored["span"])})

    def _save(self, folder: Path) -> None:
        self._index.save(folder, corpus=self._rows, show_progress=False, raise_on_serialization_error=True)
        self._origins.save(folder)


@dataclass(frozen=True)
class Origins:
    """Where each passage comes from and its label, so that a filter need not read the passages.

    Attributes:
        sources: all that there are.
        labels: likewise.
        places: of each passage's source in `sources` and of its label in `labels`, shape (2, passages).
    """

    sources: list[str]
    labels: list[str]
    places: NDArray[np.int32]

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Self:
        """Return the origins of passages."""
        sources: dict[str, int] = {}
        labels: dict[str, int] = {}
        places = [
            (sources.setdefault(one.source, len(sources)), labels.setdefault(one.label, len(labels)))
            for one in passages
        ]
        return cls(list(sources), list(labels), np.array(places, dtype=np.int32).reshape(-1, 2).T)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what was saved in a folder."""
        names = read_json(folder / "origins.json")
        return cls(names["sources"], names["labels"], np.load(folder / ORIGINS, mmap_mode="r"))

    def save(self, folder: Path) -> None:
        """Save them in a folder."""
        names = {"sources": self.sources, "labels": self.labels}
        (folder / "origins.json").write_text(json.dumps(names), encoding="utf-8")
        np.save(folder / ORIGINS, self.places)

    def admitted(self, within: Within) -> NDArray[np.bool_]:
        """Tell of each passage whether it may be returned."""
        sources = np.array([within.admits_source(source) for source in self.sources])
        labels = np.array([within.label in ("", label) for label in self.labels])
        return np.asarray(sources[self.places[0]] & labels[self.places[1]])


def words(text: str) -> list[str]:
    """Return the words of a text as they are compared: in small letters, without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


_guard = Lock()
_open: dict[Path, Lexical] = {}
