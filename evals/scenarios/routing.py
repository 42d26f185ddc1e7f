"""Routing: which tools does an utterance need? By part, by tool, by trait; and what becomes of the unsure.

Arms are compared by their likeliest label. What an arm does when it is unsure follows from its scores, for all by the
router's own rule: it acts, uses two tools, or asks.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.routing.costs import act
from agents.routing.utterances import AND, NO_TOOL, TOOLS
from evals.metrics import accuracy_interval, details, outcomes
from evals.records import Record
from evals.scenarios.scenario import Finding, Fits, Plan, Scenario, Step, facts, joined, limited
from evals.suite import Suite
from evals.utterances import VALIDATION, lessons, load_asked, trait_of
from lab.datasets import Dataset
from lab.statistics import compare
from lab.workspace import fingerprint

ASKED_BACK = "asks back"
WEB, SEVERAL = "web", "several"
_Own = Mapping[str, Sequence[Record]]


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return one scenario for each repeat: Bakeoff's utterances are learned, and each part is a test.

    Raises:
        BakeoffError: the utterances cannot be read, or name no tools.
    """
    import numpy as np

    train, parts = lessons(), load_asked(suite)
    validation = parts.pop(VALIDATION)
    random = np.random.default_rng(suite.seed)
    cut = {part: _some(test, suite.test_limit, random) for part, test in parts.items()}
    tests = limited(cut, limit, random)
    asked = joined(list(tests.values()))
    repeats = range(suite.repeats)
    step = Step("", train, tests)
    scenarios = (Scenario("", suite.seed + repeat, repeat, validation, (step,)) for repeat in repeats)
    whole = fingerprint(train.fingerprint, validation.fingerprint, asked.fingerprint)
    told = {"labels": train.labels, "utterances": {part: len(test) for part, test in tests.items()}}
    return Plan(tuple(scenarios), facts(asked.name, whole, len(train), len(validation), len(asked), **told))


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: all do."""
    return True


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return how each arm does on each part, tool and trait, and what it does when it is unsure."""
    answered = {arm.key: [r for r in records if r.arm == arm.key and r.label is not None] for arm in suite.arms}
    own = {arm: rows for arm, rows in answered.items() if rows}
    shown = suite.reference_key if suite.reference_key in own else next(iter(own), "")
    return [
        _by("part", own, lambda record: record.test, "The right tools and no other, by part"),
        *_parts(suite, own),
        _unsure(own),
        _tools(own),
        _by("trait", own, lambda record: trait_of(record.example), "The right tools and no other, by trait"),
        *([_matrix(shown, own[shown])] if shown else []),
    ]


def acted(record: Record) -> str:
    """Return the label that an arm would act on, two tools together where it is unsure between them, or ASKED_BACK."""
    if record.label not in record.scores:  # it has no scores, as an LLM's calls have none
        return str(record.label)
    return act(record.scores) or ASKED_BACK


def _by(what: str, own: _Own, key: Callable[[Record], str], title: str) -> Finding:
    """Return the accuracy of each arm on each group of records."""
    groups = list(dict.fromkeys(key(record) for records in own.values() for record in records))
    rows: list[dict[str, Any]] = [
        {what: group, "arm": arm, "n": len(chosen), "accuracy": _share(chosen), "ci": list(accuracy_interval(chosen))}
        for group in groups
        for arm, records in own.items()
        if (chosen := [record for record in records if key(record) == group])
    ]
    cells = {(row[what], row["arm"]): f"{row['accuracy']:.1%} ({_span(row['ci'])})" for row in rows}
    sizes = {row[what]: row["n"] for row in rows}
    return Finding(
        title,
        [what, "n", *own],
        [[group, sizes[group], *(cells.get((group, arm), "-") for arm in own)] for group in groups],
        "With 95 % intervals (Wilson). Several tools in one question are right only if all of them are named.",
        {f"by_{what}": rows},
    )


def _parts(suite: Suite, own: _Own) -> list[Finding]:
    """Return the reference beside each other arm on each part, paired; nothing where there is nothing to compare."""
    first = suite.reference_key
    parts = list(dict.fromkeys(record.test for records in own.values() for record in records))
    right = {
        f"{arm}\0{part}": outcomes([record for record in records if record.test == part])
        for arm, records in own.items()
        for part in parts
    }
    pairs = [(f"{first}\0{part}", f"{arm}\0{part}") for arm in own for part in parts if first in own and arm != first]
    if not pairs:
        return []
    rows: list[dict[str, Any]] = [
        {"a": first, "b": arm, "part": part, "n": found.n, "difference": found.difference, "ci": list(found.ci)}
        | {"p_adjusted": found.p_adjusted}
        for found in compare(pairs, right, suite.seed)
        for arm, part in [found.b.split("\0")]
    ]
    shown = [
        [row["b"], row["part"], row["n"], f"{row['difference'] * 100:+.1f}", f"{row['p_adjusted']:.2g}"] for row in rows
    ]
    note = "Paired on the same utterances, p-values adjusted over this table (Holm)."
    columns = ["beside", "part", "n", "points", "p, Holm"]
    return [Finding(f"{first} beside the others, in points", columns, shown, note, {"paired": rows})]


def _unsure(own: _Own) -> Finding:
    """Return what each arm does by its scores: calls what is needed, and more; asks; or misses; and touches the web."""
    rows: list[dict[str, Any]] = []
    for arm, records in own.items():
        done = Counter(_outcome(record) for record in records)
        sure = [record for record in records if acted(record) == record.label]
        offline = [record for record in records if WEB not in record.target.split(AND)]
        leaked = sum(WEB in acted(record).split(AND) for record in offline)
        rows.append(
            {"arm": arm, "n": len(records), **{name: done[name] / len(records) for name in OUTCOMES}}
            | {"right_when_sure": _share(sure) if sure else None, "sure": len(sure) / len(records)}
            | {
                "ece": (details(records)["reliability"] or {}).get("ece"),
                "touches_the_web": leaked / max(1, len(offline)),
            }
        )
    names = [*OUTCOMES, "sure", "right_when_sure", "touches_the_web"]
    return Finding(
        "What becomes of it: acting, using two tools, asking",
        ["arm", *OUTCOMES, "sure", "right when sure", "web without need", "ECE"],
        [[row["arm"], *(_percent(row[name]) for name in names), _number(row["ece"])] for row in rows],
        "By each arm's own scores and one rule for all: a second tool where its probability is at least 0.3, a question"
        " back where the right tool would still be missed with more than 0.5. ECE: expected calibration error.",
        {"unsure": rows},
    )


OUTCOMES = ("right", "right and another", ASKED_BACK, "wrong")


def _outcome(record: Record) -> str:
    label = acted(record)
    if label == ASKED_BACK:
        return ASKED_BACK
    got, needed = set(label.split(AND)) - {NO_TOOL}, set(record.target.split(AND)) - {NO_TOOL}
    return "right" if got == needed else "right and another" if needed and needed < got else "wrong"


def _tools(own: _Own) -> Finding:
    """Return precision and recall of each tool, for every arm; a tool counts wherever it is needed or called."""
    rows: list[dict[str, Any]] = []
    for tool in (*TOOLS, NO_TOOL):
        for arm, records in own.items():
            pairs = [(tool in record.target.split(AND), tool in str(record.label).split(AND)) for record in records]
            hits, needed, called = (sum(map(pick, pairs)) for pick in (all, lambda p: p[0], lambda p: p[1]))
            precision, recall = hits / called if called else None, hits / needed if needed else None
            rows.append({"tool": tool, "arm": arm, "n": needed, "precision": precision, "recall": recall})
    cells = {(row["tool"], row["arm"]): f"{_percent(row['precision'])} / {_percent(row['recall'])}" for row in rows}
    sizes = {row["tool"]: row["n"] for row in rows}
    return Finding(
        "Each tool: precision / recall",
        ["tool", "needed", *own],
        [[tool, sizes[tool], *(cells[tool, arm] for arm in own)] for tool in sizes],
        "In per cent. Precision: of its calls, those needed. Recall: of the needs of it, those met.",
        {"by_tool": rows},
    )


def _matrix(arm: str, records: Sequence[Record]) -> Finding:
    """Return how often an arm acts in which way on what, with a column for questions back."""
    counts = Counter((record.target, acted(record)) for record in records)
    folded = Counter((_folded(record.target), _folded(acted(record))) for record in records)
    lines = [*TOOLS, NO_TOOL, SEVERAL]
    columns = [*lines, ASKED_BACK]
    return Finding(
        f"What {arm} does (columns) with what is needed (rows)",
        ["needed", *columns],
        [[line, *(folded[line, column] or "." for column in columns)] for line in lines],
        "Several: more than one tool, because the question needs them or because the router is unsure between two.",
        {"acted": [[target, label, count] for (target, label), count in sorted(counts.items())]},
    )


def _folded(label: str) -> str:
    return SEVERAL if AND in label else label


def _some(test: Dataset, size: int | None, random: Any) -> Dataset:
    order = [int(index) for index in random.permutation(len(test))]
    return test.subset(sorted(order[:size])) if size else test


def _share(records: Sequence[Record]) -> float:
    return sum(record.label == record.target for record in records) / len(records)


def _span(interval: Sequence[float]) -> str:
    return "-".join(f"{100 * bound:.0f}" for bound in interval)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
