"""A text as numbers: its sentence embedding; its letters, which survive typos and other languages; and its words."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from agents.quoting import without_quotes
from lab.embeddings import Embedder

COLUMNS = 1 << 14  # that n-grams are hashed into
WORD = r"(?u)\b\w+\b|…|[?!]"


def features(texts: Sequence[str], embedder: Embedder) -> Any:
    """Return a sparse float matrix, one row per text: the embedding, hashed n-grams of 2 to 4 letters, and of words.

    Each of the three parts has length 1. Hashed n-grams are those of Joulin et al. 2017 (arXiv 1607.01759), made by
    scikit-learn.
    """
    from scipy.sparse import csr_array, hstack

    bare = [without_quotes(text) for text in texts]
    parts = [csr_array(embedder.embed(bare)), *(hashing.transform(bare) for hashing in _n_grams())]
    return hstack(parts, format="csr", dtype="float32")


@cache
def _n_grams() -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer

    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=COLUMNS, alternate_sign=False)
    words = HashingVectorizer(token_pattern=WORD, ngram_range=(1, 2), n_features=COLUMNS, alternate_sign=False)
    return letters, words
