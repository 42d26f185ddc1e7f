"""Leaks: ways in which a test text, or its label, is known before it is asked; and results too good to be true."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.datasets import Dataset, Example
from lab.datasets.splits import duplicate_groups
from lab.statistics import holm

LeakKind = Literal["duplicate", "indexed", "label_in_text"]

SIGNIFICANT, SUSPICIOUS = 0.001, 0.05
PRECISION = 0.9  # of the texts that state a label, so many have it: less gives no label away
WORD_SHARE, MARK_SHARE = 0.1, 0.02  # of a label's texts: people do write "positive", but few of them, and unmarked
RUN = 8  # words: a run this long that a passage has from its first to its last word is no chance
SHOWN = 3
# How often another panel of as many raters would have given another label: raters drawn anew, with replacement.
LABEL_NOISE = {"tweets": 0.048, "amazon": 0.037, "films": 0.029, "news": 0.085}
FEWER = "drop the copies from one side: keep the split of `bakeoff eval`, or remove duplicate rows and split again"


@dataclass(frozen=True)
class Leak:
    """One kind of leak: what was found, in how many examples, up to three of their ids, and what to do about it."""

    kind: LeakKind
    what: str
    count: int
    examples: tuple[str, ...]
    fix: str


@dataclass(frozen=True)
class Suspicion:
    """An accuracy better than the labels allow: `ceiling` is 1 - label noise, `p_value` that of the binomial test."""

    accuracy: float
    ceiling: float
    n: int
    p_value: float
    statement: str


def find_leaks(
    train: Dataset, validation: Dataset, test: Dataset, index: Sequence[str] = (), stated: bool = True
) -> list[Leak]:
    """Return the leaks between the parts of a split, out of the texts themselves, and from an index of passages.

    Found are near-duplicates on two sides (as `split_dataset` knows them), test texts that stand in the index, whole or
    nearly (eight words or more anywhere in a passage, after the n-gram overlap of Brown et al. 2020, arXiv
    2005.14165), and texts that state their label. Paraphrases are not found.

    Args:
        train: what approaches learn from.
        validation: what choices are made on; may be empty, as train may.
        test: what they are judged on.
        index: texts of passages that an approach retrieves, beside `train`, where the index has been filled.
        stated: whether a text that states its label gives it away; who names a tool asks for it.
    """
    return [
        *_shared({"training": train, "validation": validation, "test": test}),
        *_indexed(test, index),
        *_stated([*train.examples, *validation.examples, *test.examples] if stated else []),
    ]


def suspicious(accuracy: float, n: int, label_noise: float) -> Suspicion | None:
    """Return why a result is suspicious: significantly better than the label noise allows; None where it is not.

    If a share of `label_noise` of the labels is wrong, even one who knows the truth is told to be wrong there: the
    accuracy cannot exceed 1 - label_noise but by luck. The test is the exact one-sided binomial one (scipy) of
    accuracy x n right answers against that ceiling, at 5 %.

    Args:
        accuracy: in [0, 1], over `n` answers, each of another example.
        n: how many answers.
        label_noise: share of test labels that are wrong, in [0, 1]; LABEL_NOISE has it for Hutto & Gilbert's texts.
    """
    from scipy.stats import binomtest

    if not n:
        return None
    ceiling = 1 - label_noise
    p_value = float(binomtest(round(accuracy * n), n, ceiling, alternative="greater").pvalue)
    if p_value >= SUSPICIOUS:
        return None
    statement = (
        f"Suspicious: {accuracy:.1%} on {n} texts is more than the {ceiling:.1%} that labels with"
        f" {label_noise:.1%} noise allow (exact binomial, p = {p_value:.2g}): look for leaks before believing it"
    )
    return Suspicion(accuracy, ceiling, n, p_value, statement)


def _shared(parts: dict[str, Dataset]) -> list[Leak]:
    """Return the near-duplicates of each two parts; those of the test part are counted in it."""
    owned = [(name, example) for name, part in parts.items() for example in part.examples]
    groups = duplicate_groups([example.text for _, example in owned])
    held: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for group, (name, example) in zip(groups, owned, strict=True):
        held[int(group)][name].append(example.id)
    leaks = []
    for first, second in (("training", "test"), ("validation", "test"), ("training", "validation")):
        ids = [example for sides in held.values() if first in sides for example in sides.get(second, ())]
        leaks += _leak("duplicate", f"{second} texts with a near-duplicate among the {first} texts", ids, FEWER)
    return leaks


def _indexed(test: Dataset, index: Sequence[str]) -> list[Leak]:
    """Return the test texts that the index knows: near-duplicates of a passage, or standing whole within one."""
    if not index or not len(test):
        return []
    groups = duplicate_groups([*test.texts, *index])
    known = set(groups[len(test) :].tolist())
    nearly = {e.id for group, e in zip(groups, test.examples, strict=False) if int(group) in known}
    within = _within(test.examples, index)
    ids = [example.id for example in test.examples if example.id in nearly | within]
    fix = "index the training part only, or leave the documents that quote these texts out of `bakeoff index add`"
    return _leak("indexed", "test texts that stand in the index", ids, fix)


def _within(examples: Iterable[Example], passages: Sequence[str]) -> set[str]:
    """Return the ids of the examples of at least RUN words whose words stand in a row in a passage."""
    by_start: dict[tuple[str, ...], list[tuple[list[str], str]]] = defaultdict(list)
    for example in examples:
        words = _words(example.text)
        if len(words) >= RUN:
            by_start[tuple(words[:RUN])].append((words, example.id))
    found = set()
    for passage in passages:
        words = _words(passage)
        for start in range(len(words) - RUN + 1):
            for own, identifier in by_start.get(tuple(words[start : start + RUN]), ()):
                if words[start : start + len(own)] == own:
                    found.add(identifier)
    return found


def _stated(examples: Sequence[Example]) -> list[Leak]:
    """Return the labels that texts state far more often than chance: as a word, or marked as a label.

    Each label and form is tested with Fisher's exact test (stating a label against having it), Holm-adjusted.
    """
    labels = sorted({example.label for example in examples} - {""})  # questions and documents have none
    forms: tuple[tuple[str, Callable[[str], str], float], ...] = (
        ("is marked as such in", _marked, MARK_SHARE),
        ("stands as a word in", _spelled, WORD_SHARE),
    )
    drafts = []
    for label in labels:
        for told, pattern, share in forms:
            stating = re.compile(pattern(label), re.IGNORECASE)
            hits = [example for example in examples if stating.search(example.text)]
            drafts.append((label, told, share, hits))
    adjusted = holm([_fisher(label, hits, examples) for label, _, _, hits in drafts])
    leaks: dict[str, Leak] = {}
    for (label, told, share, hits), p_value in zip(drafts, adjusted, strict=True):
        own = [example.id for example in hits if example.label == label]
        size = sum(example.label == label for example in examples)
        if p_value < SIGNIFICANT and len(own) >= max(PRECISION * len(hits), share * size) and label not in leaks:
            what = f"texts that state their label: '{label}' {told} {len(own)} of its {size} texts"
            fix = f"take '{label}' out of the text column, if it was written there as a label"
            leaks[label] = Leak("label_in_text", what, len(own), tuple(own[:SHOWN]), fix)
    return list(leaks.values())


def _fisher(label: str, hits: Sequence[Example], examples: Sequence[Example]) -> float:
    """Return the one-sided p-value of Fisher's exact test (scipy): is `label` stated in its own texts more often?"""
    import numpy as np
    from scipy.stats import fisher_exact

    own = sum(example.label == label for example in hits)
    size = sum(example.label == label for example in examples)
    others = len(examples) - size
    table = np.array([[own, size - own], [len(hits) - own, others - (len(hits) - own)]])
    return float(fisher_exact(table, alternative="greater").pvalue)


def _spelled(label: str) -> str:
    return rf"(?<!\w){_core(label)}(?!\w)"


def _marked(label: str) -> str:
    """Return the pattern of a label that is marked as one: "label: x", "__label__x", "[x]", "#x", "x:" or ": x"."""
    names = "label|class|category|target|answer|sentiment|topic|intent|rating"
    before = rf"\b(?:{names})\s*(?:[:=]|\bis\b)\s*[\"']?|__label__|[\[(<{{]\s*|#"
    word = _core(label)
    return rf"(?:{before}){word}(?!\w)|^\W*{word}\s*[:|=\t]|[:|=\t]\s*{word}\W*$"


def _core(label: str) -> str:
    """Return the pattern of a label's words; what joins them may differ ("very_bad", "very bad")."""
    parts = [re.escape(part) for part in re.split(r"[\W_]+", label) if part]
    return r"[\W_]+".join(parts) or re.escape(label)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _leak(kind: LeakKind, what: str, ids: Sequence[str], fix: str) -> list[Leak]:
    return [Leak(kind, what, len(ids), tuple(ids[:SHOWN]), fix)] if ids else []
