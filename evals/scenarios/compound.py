"""Compound questions, each in several parts: who answers all of them, and what does it cost?

A record keeps the answer as it was given and as its target the accepted answers of each part; `graded` makes classes of
both: all parts answered, some, or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from evals.documents import ACCEPTED, sources_of
from evals.grading import states
from evals.metrics import outcomes
from evals.records import Record
from evals.scenarios import knowledge
from evals.scenarios.scenario import Finding, Fits, Plan
from evals.suite import Suite
from lab.errors import BakeoffError
from lab.statistics import compare, mean_interval

PART = "&&"  # between the parts' answers in a cell
ALL, SOME, NONE = "all parts", "some parts", "no part"


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return one scenario for each repeat: the passages are indexed, and each kind of question is a test.

    Raises:
        BakeoffError: the questions or the documents cannot be used, or a question has one part alone.
    """
    drawn = knowledge.plan(suite, limit)
    scenario = drawn.scenarios[0]
    asked = [example for _, _, test in scenario.tests() for example in test.examples]
    for example in (*asked, *scenario.validation.examples):
        if len(parts_of(example.label)) < 2:
            got, fix = f"'{example.label}' in {example.source}", f"write: answer {PART} answer"
            raise BakeoffError("answers for two parts of a question, or more", got, fix)
    return drawn


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: all do."""
    return True


def graded(record: Record) -> Record:
    """Return a record with classes in place of words: all parts answered, some or none; a failure stays one."""
    if record.label is None:
        return replace(record, target=ALL)
    share = covered(record)
    return replace(record, target=ALL, label=ALL if share == 1 else SOME if share else NONE)


def parts_of(target: str) -> list[list[str]]:
    """Return the accepted answers of each part of a question."""
    parts = [[one.strip() for one in part.split(ACCEPTED.strip()) if one.strip()] for part in target.split(PART)]
    return [part for part in parts if part]


def covered(record: Record) -> float:
    """Return the share of a question's parts that are answered, in [0, 1]: of which an accepted answer is stated.

    The agent writes as much as in a chat; how many words it takes is a cost, and no fault as in the suite `knowledge`.
    """
    return fmean(any(states(record.label or "", answer) for answer in part) for part in parts_of(record.target))


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return what each arm covers of each kind of question, what the reference gains, and what an answer costs."""
    answered = {arm.key: [r for r in records if r.arm == arm.key and r.label is not None] for arm in suite.arms}
    own = {arm: rows for arm, rows in answered.items() if rows}
    return [_coverage(own), _gains(suite, own), _costs(suite, own)]


def _coverage(own: Mapping[str, Sequence[Record]]) -> Finding:
    measures = {
        "all_parts": lambda record: covered(record) == 1,
        "parts": covered,
        "documents_found": _found,
    }
    rows: list[dict[str, Any]] = []
    for arm, records in own.items():
        for kind in dict.fromkeys(record.test for record in records):
            asked = [record for record in records if record.test == kind]
            figures = {name: _mean(asked, measure) for name, measure in measures.items()}
            rows.append({"arm": arm, "questions": kind, "n": len({record.item for record in asked}), **figures})
    return Finding(
        "Parts of the questions that are answered",
        ["arm", "questions", "n", "all parts", "parts", "documents found"],
        [[row["arm"], row["questions"], row["n"], *(_percent(row[name]) for name in measures)] for row in rows],
        "In per cent, with bootstrap intervals over questions. A part is answered where an accepted answer is stated,"
        " among whatever else. Documents found: the share of those named for a question that are among its evidence.",
        {"coverage": rows},
    )


def _gains(suite: Suite, own: Mapping[str, Sequence[Record]]) -> Finding:
    """Return the reference beside each other arm, on all questions and kind by kind, paired."""
    first = suite.reference_key
    kinds = list(dict.fromkeys(record.test for records in own.values() for record in records))
    handled = {
        f"{arm}\0{kind}": outcomes([graded(record) for record in records if record.test == kind])
        for arm, records in own.items()
        for kind in kinds
    }
    pairs = [(f"{first}\0{kind}", f"{arm}\0{kind}") for arm in own for kind in kinds if first in own and arm != first]
    rows = [
        {"a": first, "b": arm, "questions": kind, "n": found.n, "p_adjusted": found.p_adjusted}
        | {"difference": found.difference, "ci": list(found.ci)}
        for found in compare(pairs, handled, suite.seed)
        for arm, kind in [found.b.split("\0")]
    ]
    return Finding(
        f"{first} beside the others, in points of questions of which all parts are answered",
        ["beside", "questions", "n", "points (95 % interval)", "p, Holm"],
        [[row["b"], row["questions"], row["n"], knowledge.points(row), f"{row['p_adjusted']:.2g}"] for row in rows],
        "Paired on the same questions, p-values adjusted over this table.",
        {"gains": rows},
    )


def _costs(suite: Suite, own: Mapping[str, Sequence[Record]]) -> Finding:
    """Return what a question costs each arm, and how many times as much it costs the reference."""
    first = suite.reference_key
    measures = {"tokens": lambda r: r.tokens, "seconds": lambda r: r.seconds, "words": lambda r: len(r.label.split())}
    rows: list[dict[str, Any]] = []
    for arm, records in own.items():
        means = {name: fmean(map(measure, records)) for name, measure in measures.items()}
        rows.append({"arm": arm, **means, **{f"{name}_ratio": None for name in means}})
    reference = next((row for row in rows if row["arm"] == first), None)
    for row in rows:
        if reference and row is not reference:
            row |= {f"{name}_ratio": reference[name] / row[name] if row[name] else None for name in measures}
    return Finding(
        f"What a question costs, and how many times as much it costs {first}",
        ["arm", "tokens", "times", "seconds", "times", "words of the answer", "times"],
        [[row["arm"], *(cell for name in measures for cell in _cost(row, name))] for row in rows],
        "Means over the questions. Tokens are those that the base LLM reads and writes.",
        {"costs": rows},
    )


def _cost(row: Mapping[str, Any], name: str) -> list[str]:
    ratio = row[f"{name}_ratio"]
    return [f"{row[name]:,.3g}" if row[name] < 100 else f"{row[name]:,.0f}", "-" if ratio is None else f"{ratio:.1f}"]


def _found(record: Record) -> float:
    """Return the share of the documents named for a question that are among its evidence."""
    held = sources_of(record.example)
    return fmean(any(s == one or s.endswith(f"/{one}") for s in record.evidence) for one in held) if held else 0.0


def _mean(records: Sequence[Record], measure: Any) -> dict[str, Any]:
    """Return the mean of a measure over questions, with its 95 % interval."""
    values: dict[str, list[float]] = {}
    for record in records:
        values.setdefault(record.item, []).append(float(measure(record)))
    means = [fmean(own) for own in values.values()]
    low, high = mean_interval(means)
    return {"value": fmean(means), "ci": [low, high]}


def _percent(figure: Mapping[str, Any]) -> str:
    value, low, high = (100 * one for one in (figure["value"], *figure["ci"]))
    return f"{value:.0f} ({low:.0f}-{high:.0f})"
