"""Retrieval: questions with marked passages. Which way of searching finds them, how high, and who says "nothing"?

A mark is a phrase quoted from a document, so that it holds however documents are cut. A record keeps as its target the
passages that hold a marked phrase, "" where none answers, and as its evidence the passages found, the best first; its
label is the best one, "" where the arm says that nothing relevant was found. `graded` makes classes of both.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from evals.documents import ACCEPTED, sources_of
from evals.records import Record
from evals.scenarios import knowledge
from evals.scenarios.knowledge import NO_ANSWER, RIGHT, SHOWN, WRONG
from evals.scenarios.scenario import Finding, Fits, Plan
from evals.suite import Suite
from lab.datasets import Dataset, Example
from lab.errors import BakeoffError
from lab.statistics import Comparison, compare, mean_interval, wilson

ALL = "all"
CUTOFFS = (1, 5, 10)


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return one scenario for each repeat: the passages are indexed, and each kind of question is a test.

    Raises:
        BakeoffError: the questions or the documents cannot be used, or a marked phrase stands in no passage.
    """
    drawn = knowledge.plan(suite, limit)
    step = drawn.scenarios[0].steps[0]
    passages = _numbered(step.new, f"{' and '.join(suite.documents)}, {suite.train_limit or ALL}")
    held: dict[str, list[Example]] = {}
    for passage in passages.examples:
        held.setdefault(passage.source.rpartition("#")[0], []).append(passage)
    step = replace(step, new=passages, tests={kind: _marked(test, held) for kind, test in step.tests.items()})
    scenarios = (replace(one, validation=_marked(one.validation, held), steps=(step,)) for one in drawn.scenarios)
    return Plan(tuple(scenarios), drawn.data)


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: all do."""
    return True


def graded(record: Record) -> Record:
    """Return a record with classes: right if the best passage is a marked one, or if nothing is found of nothing."""
    label = record.label and (RIGHT if rank(record) == 1 else WRONG)
    return replace(record, target=RIGHT if record.target else NO_ANSWER, label=NO_ANSWER if label == "" else label)


def rank(record: Record) -> float:
    """Return the place, from 1, of the first marked passage among those found; infinite where none is."""
    marked = set(record.target.split(ACCEPTED))
    return next((place for place, found in enumerate(record.evidence, 1) if found in marked), np.inf)


def is_within(k: int, record: Record) -> bool:
    """Tell whether a marked passage is among the first k."""
    return rank(record) <= k


def ndcg(record: Record) -> float:
    """Return nDCG@10 (Järvelin and Kekäläinen 2002) with one relevant passage.

    Passages that hold the same phrase, for they overlap, count as one: as the first of them found.
    """
    return float(1 / np.log2(1 + rank(record))) if rank(record) <= CUTOFFS[-1] else 0.0


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return how high each arm finds the marked passages, how the arms compare, and when they say "nothing"."""
    answered = {arm.key: [r for r in records if r.arm == arm.key and r.label is not None] for arm in suite.arms}
    own = {arm: rows for arm, rows in answered.items() if rows}
    told = dict.fromkeys(kind for record in records if record.target for kind in record.test.split(", "))
    kinds = [ALL, *(told if len(told) > 1 else ())]
    return [_found(own, kinds, suite.seed), *_compared(suite, own, kinds), _silence(own)]


def _found(own: Mapping[str, Sequence[Record]], kinds: Sequence[str], seed: int) -> Finding:
    """Return a row per kind of question and arm."""
    measures: dict[str, Callable[[Record], float]] = {f"recall@{k}": partial(is_within, k) for k in CUTOFFS}
    measures |= {"mrr": lambda record: 1 / rank(record), "ndcg@10": ndcg}
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        for arm, records in own.items():
            asked = [record for record in records if record.target and kind in _kinds(record)]
            figures = {
                name: {"value": float(np.mean(values)), "ci": list(_interval(values, seed))}
                for name, measure in measures.items()
                if (values := [measure(record) for record in asked])
            }
            rows.append({"questions": kind, "arm": arm, "n": len(asked), **figures})
    return Finding(
        "Where the marked passage stands among those found",
        ["questions", "arm", "n", *(f"recall@{k}" for k in CUTOFFS), "MRR", "nDCG@10"],
        [[_shown(row["questions"]), row["arm"], row["n"], *(_cell(row[name]) for name in measures)] for row in rows],
        "Recall@k: share of the questions with a marked passage among the first k. MRR: mean of 1 / place. In per cent,"
        " with 95 % intervals over questions, Wilson's for shares, else bootstrap; ten passages are asked for, and no"
        " threshold is applied.",
        {"found": rows},
    )


def _interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a mean: Wilson's of a share, else by bootstrap."""
    if all(value in (0, 1) for value in values):
        return wilson(sum(values), len(values))
    return mean_interval(values, seed)


def _compared(suite: Suite, own: Mapping[str, Sequence[Record]], kinds: Sequence[str]) -> list[Finding]:
    """Return the reference beside each other arm by nDCG@10: on all questions, and kind by kind."""
    first = suite.reference_key
    if first not in own or len(own) < 2:
        return []
    parts = {"on all questions": kinds[:1], "kind by kind": kinds[1:]}
    return [
        _duels(f"{first} beside the others, {title}, in points of nDCG@10", str(first), own, some, suite.seed)
        for title, some in parts.items()
        if some
    ]


def _duels(title: str, first: str, own: Mapping[str, Sequence[Record]], kinds: Sequence[str], seed: int) -> Finding:
    gains = {
        f"{arm}\0{kind}": {record.item: ndcg(record) for record in records if record.target and kind in _kinds(record)}
        for arm, records in own.items()
        for kind in kinds
    }
    pairs = [(f"{first}\0{kind}", f"{arm}\0{kind}") for kind in kinds for arm in own if arm != first]
    found = [(*_parts(one.b), one) for one in compare(pairs, gains, seed)]
    return Finding(
        title,
        ["beside", "questions", "n", "points (95 % interval)", "p", "p, Holm"],
        [
            [arm, _shown(kind), one.n, _points(one), f"{one.p_value:.2g}", f"{one.p_adjusted:.2g}"]
            for arm, kind, one in found
        ],
        "Paired permutation test on the same questions, p-values adjusted over this table; bootstrap intervals.",
        {
            "duels": [
                {"a": first, "b": arm, "questions": kind, "n": one.n, "difference": one.difference, "ci": list(one.ci)}
                | {"p_value": one.p_value, "p_adjusted": one.p_adjusted}
                for arm, kind, one in found
            ]
        },
    )


def _parts(key: str) -> tuple[str, str]:
    """Return the arm and the kind of question of which one key was made."""
    arm, kind = key.split("\0")
    return arm, kind


def _silence(own: Mapping[str, Sequence[Record]]) -> Finding:
    """Return how often each arm says that nothing was found, rightly and falsely, and what of recall that costs."""
    rows: list[dict[str, Any]] = []
    for arm, records in own.items():
        nothing, something = [r for r in records if not r.target], [r for r in records if r.target]
        rows.append(
            {
                "arm": arm,
                "rightly": _share([not record.label for record in nothing]),
                "falsely": _share([not record.label for record in something]),
                "recall@10": _share([is_within(CUTOFFS[-1], record) for record in something]),
                "recall@10, not silent": _share(
                    [is_within(CUTOFFS[-1], record) and bool(record.label) for record in something]
                ),
            }
        )
    names = [name for name in rows[0] if name != "arm"] if rows else []
    return Finding(
        'When it says "nothing relevant was found"',
        ["arm", "silent, no passage answers", "silent, one does", "recall@10", "recall@10 with the threshold"],
        [[row["arm"], *(_cell(row[name]) for name in names)] for row in rows],
        "In per cent, with 95 % intervals (Wilson). The threshold is a cosine similarity, chosen on validation.",
        {"silence": rows},
    )


def _numbered(passages: Dataset, name: str) -> Dataset:
    """Return the passages with their place among those of their source as a source of their own: "faq.md#2"."""
    seen: Counter[str] = Counter()
    examples = []
    for passage in passages.examples:
        place = f"{passage.source}#{seen[passage.source]}"
        seen[passage.source] += 1
        examples.append(replace(passage, id=place, source=place))
    return replace(passages, name=name, examples=tuple(examples))


def _marked(questions: Dataset, held: Mapping[str, Sequence[Example]]) -> Dataset:
    """Return the questions with the marked passages as targets, in place of the phrases that mark them."""
    return replace(questions, examples=tuple(replace(one, label=_marks(one, held)) for one in questions.examples))


def _marks(question: Example, held: Mapping[str, Sequence[Example]]) -> str:
    if not question.label:
        return ""
    phrases = [" ".join(phrase.split()) for phrase in question.label.split(ACCEPTED)]
    wanted = sources_of(question.id)
    found = [
        passage.id
        for source, passages in held.items()
        if not wanted or any(source == one or source.endswith(f"/{one}") for one in wanted)
        for passage in passages
        if any(phrase in " ".join(passage.text.split()) for phrase in phrases)
    ]
    if not found:
        where = " or ".join(wanted) or "the documents"
        fix = f"quote words that stand together in one passage of it, for: {question.text}"
        raise BakeoffError(f"'{phrases[0]}' in {where}", "no passage with these words", fix)
    return ACCEPTED.join(found)


def _kinds(record: Record) -> list[str]:
    """Return the kinds that a question counts for: all, where its passage stands, and how it is worded."""
    return [ALL, *record.test.split(", ")]


def _share(holds: Sequence[bool]) -> dict[str, Any] | None:
    return {"value": float(np.mean(holds)), "ci": list(wilson(sum(holds), len(holds)))} if holds else None


def _shown(kind: str) -> str:
    return SHOWN.get(kind, {ALL: "all", "alike": "worded alike"}.get(kind, kind))


def _cell(figure: Mapping[str, Any] | None) -> str:
    """Return a figure with its interval, in per cent."""
    if figure is None:
        return "-"
    value, low, high = (100 * one for one in (figure["value"], *figure["ci"]))
    return f"{value:.1f} ({low:.0f}–{high:.0f})"


def _points(found: Comparison) -> str:
    difference, low, high = (100 * one for one in (found.difference, *found.ci))
    return f"{difference:+.1f} ({low:+.1f} to {high:+.1f})"
