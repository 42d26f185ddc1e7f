"""A text as numbers: its sentence embedding, and beside it its letters, which survive typos and other languages."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from lab.embeddings import Embedder

QUOTED = re.compile(r"[\"“”«»„]([^\"“”«»„]+)[\"“”«»„]|(?<!\w)['‘’](.+?)['‘’](?!\w)", re.DOTALL)
BLANK = "' … '"
LETTERS = 1 << 14  # columns that letter n-grams are hashed into


def without_quotes(text: str) -> str:
    """Return the text with what stands in quotes blanked out: its words are about something, they ask for nothing."""
    return QUOTED.sub(BLANK, text)


def features(texts: Sequence[str], embedder: Embedder) -> Any:
    """Return a sparse float matrix, one row per text: the embedding, then hashed n-grams of 2 to 4 letters.

    Both parts have length 1. Letter n-grams after Joulin et al. 2017 (arXiv 1607.01759), scikit-learn's hashing.
    """
    from scipy.sparse import csr_array, hstack

    bare = [without_quotes(text) for text in texts]
    return hstack([csr_array(embedder.embed(bare)), _letters().transform(bare)], format="csr", dtype="float32")


@cache
def _letters() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=LETTERS, alternate_sign=False)
