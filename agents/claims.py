"""Which sentences of an answer stand in the evidence, and which stand nowhere in it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lab.embeddings import Embedder
from rag import Evidence

# Chosen on half of tests/agents/claims.jsonl; tests/agents/test_claims.py says how well it does on the other half.
ENOUGH = 0.6
STEM = 5  # letters by which two words are taken for one
LEAST_WORDS = 2  # that say something, below which a sentence claims nothing

_NO_END = "".join(rf"(?<!\b{short}\.)" for short in ("St", "Dr", "Mr", "Mrs", "No", "vs", "cf", "[A-Z]"))
_SENTENCE_END = re.compile(rf"(?<=[.!?]){_NO_END}(?:[\"')\]]|\s*\[\d+\])*\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
_CITATION = re.compile(r"\[\d+\]")
_NUMBER = re.compile(r"(?<!\w)\[(\d{1,6})\]")
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_NO_CLAIM = re.compile(
    r"(i('m| am| do| don't|'ve| have| can|'d| can't| cannot| could| couldn't| did| didn't)"
    r"|sorry|the (evidence|passages?|text|tools?) (do|did|failed)|there (is|was|are|were) no"
    r"|no (answer|evidence|passages?|results?)|nothing (relevant|that|was)|what was found|the team stopped early)\b",
    re.IGNORECASE,
)
_WRITTEN = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {word: str(number) for number, word in enumerate(_WRITTEN, 2)}


@dataclass(frozen=True)
class Claim:
    """A sentence of an answer.

    Attributes:
        text: the sentence.
        span: where it stands in the answer, in characters.
        n: the number of the evidence it stands in, counted from 1; None if it stands in none.
        score: how much of it the best evidence says, from 0 to 1.
    """

    text: str
    span: tuple[int, int]
    n: int | None
    score: float


def check_claims(answer: str, evidence: Sequence[Evidence]) -> list[Claim]:
    """Return each sentence of `answer` that claims something, with the evidence it stands in.

    A sentence stands in a passage that has all its numbers and names, most of its other words, and a sentence of like
    meaning: the mean of the share of words and of the cosine similarity is at least 0.6. What it cannot see is a word
    that turns the meaning round, such as "not", or facts of the passage joined in a wrong way.
    """
    said = [(text, span) for text, span in sentences(answer) if _claims_something(text)]
    if not said:
        return []
    if not evidence:
        return [Claim(text, span, None, 0.0) for text, span in said]
    windows = [_windows(item.text) for item in evidence]
    vectors = Embedder.load().embed([text for text, _ in said] + [window for own in windows for window in own])
    claims, rest = vectors[: len(said)], vectors[len(said) :]
    likeness = np.stack([(claims @ part.T).max(axis=1) for part in _parts(rest, windows)], axis=1)
    return [_claim(text, span, evidence, row.tolist()) for (text, span), row in zip(said, likeness, strict=True)]


def missing_sources(answer: str, evidence: Sequence[Evidence]) -> str:
    """Return a note on citations of sources that do not exist; "" where all do."""
    cited = sorted({int(number) for number in _NUMBER.findall(answer)} - set(range(1, len(evidence) + 1)))
    named = ", ".join(f"[{number}]" for number in cited)
    return f"the answer cites {named}: of {len(evidence)} sources none has that number" if cited else ""


def _claim(text: str, span: tuple[int, int], evidence: Sequence[Evidence], likeness: Sequence[float]) -> Claim:
    """Return a sentence with the evidence that says most of it."""
    scores = [_score(text, item, cosine) for item, cosine in zip(evidence, likeness, strict=True)]
    best = max(range(len(scores)), key=scores.__getitem__)
    return Claim(text, span, best + 1 if scores[best] >= ENOUGH else None, round(scores[best], 3))


def _score(text: str, item: Evidence, cosine: float) -> float:
    """Return how much of a sentence an evidence says; 0 if it lacks one of its numbers or names."""
    found = {_stem(word) for word in _WORD.findall(f"{item.text} {item.place} {item.source}")}
    words = _WORD.findall(_CITATION.sub("", text))
    if any(_stem(word) not in found for word in _exact_words(words)):
        return 0.0
    telling = _telling(words)
    share = sum(_stem(word) in found for word in telling) / len(telling)
    return (share + max(cosine, 0.0)) / 2


def _exact_words(words: Sequence[str]) -> list[str]:
    """Return the numbers and the names, which no other word can stand for."""
    return [
        word
        for place, word in enumerate(words)
        if word[0].isdigit() or word.lower() in _NUMBERS or (place and word[0].isupper() and word != "I")
    ]


def _telling(words: Sequence[str]) -> list[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return [word for word in words if word.lower() not in ENGLISH_STOP_WORDS]


def _stem(word: str) -> str:
    word = word.lower()
    return word if word[0].isdigit() else _NUMBERS.get(word, word[:STEM])


def _claims_something(sentence: str) -> bool:
    words = _WORD.findall(_CITATION.sub("", sentence))
    return len(_telling(words)) >= LEAST_WORDS and not sentence.endswith("?") and not _NO_CLAIM.match(sentence)


def sentences(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each sentence with where it stands; a citation after the full stop belongs to it."""
    start = 0
    for end in [*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]:
        sentence = text[start:end].strip()
        if sentence:
            first = text.index(sentence, start)
            yield sentence, (first, first + len(sentence))
        start = end


def _windows(passage: str) -> list[str]:
    """Return the passage's sentences, each two that follow one another, and the whole."""
    single = [text for text, _ in sentences(passage)]
    pairs = [f"{first} {second}" for first, second in pairwise(single)]
    return [*single, *pairs, passage]


def _parts(vectors: NDArray[np.float32], windows: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
    """Return the vectors passage by passage."""
    ends = np.cumsum([len(own) for own in windows])
    return np.split(vectors, ends[:-1])
