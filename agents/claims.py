"""Which sentences of an answer stand in the evidence, and which stand nowhere in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    meaning: the mean of the share of words and of the cosine similarity is at least 0.6. Of a passage, the sentence (or
    two in a row) that shares most words is compared, and only where the words alone do not decide. What it cannot see
    is a word that turns the meaning round, such as "not", or facts of the passage joined in a wrong way.
    """
    said = [(text, span) for text, span in sentences(answer) if _claims_something(text)]
    passages = [_Passage.of(item) for item in evidence]
    near = [[passage.nearest(text) for passage in passages] for text, _ in said]
    likeness = _likeness([text for text, _ in said], near)
    return [_claim(text, span, passages, row) for (text, span), row in zip(said, likeness, strict=True)]


def missing_sources(answer: str, evidence: Sequence[Evidence]) -> str:
    """Return a note on citations of sources that do not exist; "" where all do."""
    cited = sorted({int(number) for number in _NUMBER.findall(answer)} - set(range(1, len(evidence) + 1)))
    named = ", ".join(f"[{number}]" for number in cited)
    return f"the answer cites {named}: of {len(evidence)} sources none has that number" if cited else ""


@dataclass(frozen=True)
class _Passage:
    """An evidence as stems of words: of all of it, its place and source besides, and of each window of its text."""

    stems: frozenset[str]
    windows: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, item: Evidence) -> "_Passage":
        windows = {text: _stems(text) for text in _windows(item.text)}
        return cls(_stems(f"{item.text} {item.place} {item.source}"), windows)

    def share(self, sentence: str) -> float:
        """Return the share of a sentence's telling words that stand here; 0 if one of its numbers or names does not."""
        words = _words(sentence)
        if any(_stem(word) not in self.stems for word in _exact_words(words)):
            return 0.0
        telling = _telling(words)
        return sum(_stem(word) in self.stems for word in telling) / len(telling)

    def nearest(self, sentence: str) -> str:
        """Return the shortest window that shares most words with a sentence; "" where no likeness would be enough."""
        if (self.share(sentence) + 1) / 2 < ENOUGH:
            return ""
        stems = {_stem(word) for word in _telling(_words(sentence))}
        return min(self.windows, key=lambda window: (-len(stems & self.windows[window]), len(window)), default="")


def _likeness(said: Sequence[str], near: Sequence[Sequence[str]]) -> list[list[float]]:
    """Return the cosine similarity of each sentence and each passage's nearest window; 0 where it has none."""
    windows = [window for own in near for window in own if window]
    texts = list(dict.fromkeys([*said, *windows])) if windows else []
    vectors = dict(zip(texts, Embedder.load().embed(texts), strict=True)) if texts else {}
    return [
        [float(vectors[text] @ vectors[window]) if window else 0.0 for window in own]
        for text, own in zip(said, near, strict=True)
    ]


def _claim(text: str, span: tuple[int, int], passages: Sequence[_Passage], likeness: Sequence[float]) -> Claim:
    """Return a sentence with the evidence that says most of it."""
    shares = [passage.share(text) for passage in passages]
    scores = [(share + max(cosine, 0.0)) / 2 if share else 0.0 for share, cosine in zip(shares, likeness, strict=True)]
    best = max(range(len(scores)), key=scores.__getitem__, default=0)
    score = scores[best] if scores else 0.0
    return Claim(text, span, best + 1 if score >= ENOUGH else None, round(score, 3))


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


def _stems(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _WORD.findall(text))


def _words(sentence: str) -> list[str]:
    return _WORD.findall(_CITATION.sub("", sentence))


def _claims_something(sentence: str) -> bool:
    telling = _telling(_words(sentence))
    return len(telling) >= LEAST_WORDS and not sentence.endswith("?") and not _NO_CLAIM.match(sentence)


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
    """Return the passage's sentences, and each two that follow one another."""
    single = [text for text, _ in sentences(passage)]
    return [*single, *(f"{first} {second}" for first, second in pairwise(single))]
