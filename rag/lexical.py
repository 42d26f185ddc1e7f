"""Lexical search over passages: BM25, which finds the same rare words where embeddings find the same meaning."""

from collections.abc import Sequence

from rag.passages import Evidence, Passage


class Lexical:
    """A BM25 index in memory (Robertson and Zaragoza 2009; the library bm25s, with its defaults)."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        import bm25s

        self._passages = passages
        self._index = bm25s.BM25()
        self._index.index(_words([passage.text for passage in passages]), show_progress=False)

    def search(self, queries: Sequence[str], k: int) -> list[list[Evidence]]:
        """Return for each query at most `k` passages that share a word with it, the best first; scores are BM25's."""
        if not queries:
            return []
        rows, scores = self._index.retrieve(_words(queries), k=min(k, len(self._passages)), show_progress=False)
        return [
            [_evidence(self._passages[row], float(score)) for row, score in zip(*pair, strict=True) if score > 0]
            for pair in zip(rows, scores, strict=True)
        ]


def _words(texts: Sequence[str]) -> list[list[str]]:
    """Return each text's words; no stop words are dropped, for "not" is one of them."""
    import bm25s

    words: list[list[str]] = bm25s.tokenize(list(texts), stopwords=[], return_ids=False, show_progress=False)
    return words


def _evidence(passage: Passage, score: float) -> Evidence:
    return Evidence(passage.text, passage.source, passage.span, score, passage.label)
