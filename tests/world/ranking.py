"""How the world's search engines rank: by the words that question and document share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def words(text: str) -> set[str]:
    """The words of a text, in lower case."""
    return set(re.findall(r"\w+", text.lower()))


def overlap(question: str, text: str) -> float:
    """The share of the question's words that the text has, from 0 to 1."""
    asked = words(question)
    return len(asked & words(text)) / len(asked) if asked else 0.0


def rank(documents: Iterable[T], score: Callable[[T], float]) -> list[T]:
    """The documents that score at all, the best first."""
    return sorted(filter(score, documents), key=score, reverse=True)
