"""Is an answer in words right? Normalised, compared and overlapped as SQuAD's own evaluation script does it.

The measures of Rajpurkar et al. 2016 (SQuAD, arXiv 1606.05250): exact match and token F1. An answer that states an
accepted one among other words counts as right after Mallen et al. 2023 (PopQA, arXiv 2212.10511).
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

CITED = " [cited]"  # behind a source, in the evidence of a prediction, that the answer rests on
SHORT = 30  # words: who recites a whole passage has stated everything and answered nothing
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Return a text in small letters, without punctuation, articles and extra spaces."""
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def states(text: str, answer: str) -> bool:
    """Tell whether `answer` stands in `text`, as whole words."""
    wanted = normalised(answer)
    return bool(wanted) and f" {wanted} " in f" {normalised(text)} "


def is_right(given: str, accepted: Sequence[str]) -> bool:
    """Tell whether an answer of at most SHORT words states an accepted one."""
    return len(given.split()) <= SHORT and any(states(given, answer) for answer in accepted)


def is_exact(given: str, accepted: Sequence[str]) -> bool:
    """Tell whether an answer is an accepted one, no more and no less."""
    return normalised(given) in {normalised(answer) for answer in accepted}


def token_f1(given: str, accepted: Sequence[str]) -> float:
    """Return the harmonic mean of precision and recall over words, in [0, 1], with the accepted answer it fits best."""
    return max((_overlap(normalised(given).split(), normalised(answer).split()) for answer in accepted), default=0.0)


def _overlap(given: Sequence[str], wanted: Sequence[str]) -> float:
    shared = (Counter(given) & Counter(wanted)).total()
    return 2 * shared / (len(given) + len(wanted)) if shared else 0.0
