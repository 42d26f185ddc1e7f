"""Freshness: the data changes. New kinds of text arrive, labels change, examples are withdrawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from evals.costs import product, total
from evals.records import Record
from evals.scenarios.scenario import Finding, Plan, PricedFits, Scenario, Step, change_usd, facts
from evals.scenarios.static import load_parts
from evals.suite import Suite
from lab.datasets import Dataset, Example, Split
from lab.statistics import clustered_interval
from lab.workspace import fingerprint

CHANGED, MISTAKEN, WITHDRAWN = "changed labels", "wrong labels", "withdrawn"
FAULTY = 100  # examples that arrive with wrong labels


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return for each repeat: the first dataset, each arrival, a change of labels, a faulty batch, its withdrawal."""
    names = (suite.dataset, *suite.arrivals)
    splits = {name: load_parts(suite, name, limit) for name in names}
    first = splits[suite.dataset]
    stories = [tuple(_steps(splits, np.random.default_rng((suite.seed, repeat)))) for repeat in range(suite.repeats)]
    scenarios = tuple(
        Scenario("", suite.seed + repeat, repeat, first.validation, story) for repeat, story in enumerate(stories)
    )
    train, test = (sum(map(len, parts)) for parts in zip(*((s.train, s.test) for s in splits.values()), strict=True))
    whole = fingerprint([split.fingerprint for split in splits.values()])
    data = facts(" → ".join(names), whole, train, len(first.validation), test, labels=first.train.labels)
    return Plan(scenarios, data)


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: all tests, once the last kind of text has arrived."""
    return record.step == suite.arrivals[-1] and record.test != CHANGED


def findings(suite: Suite, records: Sequence[Record], fits: PricedFits) -> list[Finding]:
    """Return how each arm took each change, what it cost, and whether it still says what was withdrawn."""
    rights = _rights(records)
    return [_changes(suite, rights, fits), _withdrawal(suite, rights)]


def _steps(splits: Mapping[str, Split], random: np.random.Generator) -> list[Step]:
    """Return the story of one repeat; each test begins one step before its data, so that before and after are known."""
    names = list(splits)
    arriving, held = _held_back(splits[names[-1]].train)
    faulty = _mistaken(held, splits[names[0]].train.labels, random)
    training = [splits[name].train for name in names[:-1]] + [arriving]
    arrivals = [
        Step(name, train, {known: splits[known].test for known in names[: number + 2]})
        for number, (name, train) in enumerate(zip(names, training, strict=True))
    ]
    tests = arrivals[-1].tests
    changed = _named_by_source(_changed(tests.values()))
    kept = {name: _without(test, changed) for name, test in tests.items()}
    arrivals[-1] = replace(arrivals[-1], tests={**tests, CHANGED: changed})
    relabelled = Step(CHANGED, _changed(training), {**kept, CHANGED: changed, WITHDRAWN: faulty})
    mistake = Step(MISTAKEN, faulty, {WITHDRAWN: faulty})
    return [*arrivals, relabelled, mistake, Step(WITHDRAWN, faulty.subset(()), {WITHDRAWN: faulty}, gone=faulty)]


def _changed(parts: Iterable[Dataset]) -> Dataset:
    """Return the slice whose label changes, with the new one: praise with an exclamation mark is neutral now."""
    parts = list(parts)
    known = [e for part in parts for e in part.examples if e.label == "positive" and "!" in e.text]
    return replace(parts[0], examples=tuple(replace(example, label="neutral") for example in known))


def _named_by_source(data: Dataset) -> Dataset:
    """Return the examples under their sources, for ids are numbered anew in every file."""
    return replace(data, examples=tuple(replace(example, id=example.source) for example in data.examples))


def _without(test: Dataset, changed: Dataset) -> Dataset:
    sources = {example.source for example in changed.examples}
    return replace(test, examples=tuple(example for example in test.examples if example.source not in sources))


def _held_back(data: Dataset) -> tuple[Dataset, Dataset]:
    """Return the data in two parts: what arrives, and up to a hundred examples that arrive later with wrong labels."""
    size = min(FAULTY, len(data) // 4)
    return data.subset(range(len(data) - size)), data.subset(range(len(data) - size, len(data)))


def _mistaken(data: Dataset, labels: Sequence[str], random: np.random.Generator) -> Dataset:
    """Give each example a label that is wrong."""

    def wrong(example: Example) -> Example:
        return replace(example, label=str(random.choice([label for label in labels if label != example.label])))

    return replace(data, examples=tuple(map(wrong, data.examples)))


Answered = dict[str, list[bool]]  # example -> was each repeat right?
Rights = dict[tuple[str, str, str], Answered]  # by arm, step and test


def _rights(records: Sequence[Record]) -> Rights:
    rights: Rights = {}
    for record in records:
        if record.correct is not None:
            own = rights.setdefault((record.arm, record.step, record.test), {})
            own.setdefault(record.example, []).append(record.correct)
    return rights


def _changes(suite: Suite, rights: Rights, fits: PricedFits) -> Finding:
    """Return a row per arm and change: accuracy on what changed before and after, forgetting, and what it took."""
    names = [suite.dataset, *suite.arrivals]
    rows = []
    for arm in suite.arms:
        for before, now in pairwise([*names, CHANGED]):
            new = _both(rights, arm.key, now, before, now)
            older = names[: names.index(now)] if now in names else names
            old = [_both(rights, arm.key, name, before, now) for name in older]
            took = [fit for key, fit in fits.items() if (key.arm, key.step) == (arm.key, now)]
            seconds, paid = _mean(fit.seconds for fit in took), total(*(fit.tokens_usd for fit in took))
            tokens_usd = product(paid, 1 / max(1, len(took)))
            rows.append(
                {
                    "arm": arm.key,
                    "change": now,
                    "before": new[0],
                    "after": new[1],
                    "old_before": _mean(pair[0] for pair in old),
                    "old_after": _mean(pair[1] for pair in old),
                    "seconds": seconds,
                    "tokens": _mean(fit.tokens for fit in took),
                    "tokens_usd": tokens_usd,
                    "usd": change_usd(seconds, tokens_usd),
                    **_intervals(rights, arm.key, now, before, older),
                }
            )
    return Finding(
        "What each change does to accuracy, and what taking it in costs",
        ["arm", "change", "before", "after", "old data before", "old data after", "seconds", "tokens", "$"],
        [_cells(row) for row in rows],
        "Before and after: accuracy on the texts of the change. Old data: mean accuracy on the tests of what came"
        " earlier; its fall is forgetting. Dollars are seconds at your hourly price,"
        " and a remote LLM's tokens at its own.",
        {"changes": rows, "timeline": _timeline(suite, rights)},
    )


def _timeline(suite: Suite, rights: Rights) -> list[dict[str, Any]]:
    """Return the accuracy of each arm on each test after each step at which it was asked."""
    return [
        {
            "arm": arm.key,
            "step": step,
            "test": test,
            "n": len(own),
            "accuracy": _mean(right for one in own.values() for right in one),
            "ci": list(clustered_interval(own)),
        }
        for test in (suite.dataset, *suite.arrivals, CHANGED)
        for arm in suite.arms
        for step in (suite.dataset, *suite.arrivals, CHANGED)
        if (own := rights.get((arm.key, step, test)))
    ]


def _both(rights: Rights, arm: str, test: str, before: str, after: str) -> tuple[float | None, float | None]:
    """Return the accuracy on a test at two steps, over the examples that were answered at both."""
    first, second = _answered_twice(rights, arm, test, before, after)
    return _accuracy(first), _accuracy(second)


def _answered_twice(rights: Rights, arm: str, test: str, before: str, after: str) -> tuple[Answered, Answered]:
    """Return what was answered of a test at two steps, of the examples that were answered at both."""
    first, second = (rights.get((arm, step, test), {}) for step in (before, after))
    shared = sorted(first.keys() & second.keys())
    return {example: first[example] for example in shared}, {example: second[example] for example in shared}


def _accuracy(answered: Answered) -> float | None:
    return _mean(right for own in answered.values() for right in own)


def _intervals(rights: Rights, arm: str, now: str, before: str, older: Sequence[str]) -> dict[str, Any]:
    """Return how many texts of a change were asked both before and after it, and the intervals of both accuracies.

    The accuracy on older data has one where it is that on one test, and not a mean over several.
    """
    moments = dict(zip(("before", "after"), _answered_twice(rights, arm, now, before, now), strict=True))
    if len(older) == 1:
        moments["old_before"], _ = _answered_twice(rights, arm, older[0], before, now)
    return {"n": len(moments["before"])} | {f"{name}_ci": _interval(own) for name, own in moments.items()}


def _interval(answered: Mapping[str, Sequence[bool]]) -> list[float] | None:
    return list(clustered_interval(answered)) if answered else None


def _cells(row: Mapping[str, Any]) -> list[str]:
    seconds, tokens, usd = row["seconds"], row["tokens"], row["usd"]
    return [
        row["arm"],
        row["change"],
        *(_share(row[name]) for name in ("before", "after", "old_before", "old_after")),
        "-" if seconds is None else f"{seconds:.1f}",
        "-" if tokens is None else f"{tokens:,.0f}",
        "unknown" if usd is None else f"{usd:.4f}",
    ]


def _withdrawal(suite: Suite, rights: Rights) -> Finding:
    """Return how often each arm says a wrong label before it arrived, while it stands, and after its withdrawal."""
    steps, moments = (CHANGED, MISTAKEN, WITHDRAWN), ("before", "standing", "after")
    said = {arm.key: [rights.get((arm.key, step, WITHDRAWN), {}) for step in steps] for arm in suite.arms}
    rows = [[_accuracy(answered) for answered in own] for own in said.values()]
    return Finding(
        "Does it still say what was withdrawn?",
        ["arm", "says it before", "while it stands", "after the withdrawal"],
        [[arm.key, *map(_share, row)] for arm, row in zip(suite.arms, rows, strict=True)],
        "A batch of examples arrives with wrong labels and is withdrawn again: the share of its texts that get the"
        " wrong label. What an approach says before it ever saw the batch is its own error.",
        {
            "withdrawal": [
                {"arm": arm, "n": max(map(len, own))}
                | dict(zip(moments, map(_accuracy, own), strict=True))
                | dict(zip((f"{moment}_ci" for moment in moments), map(_interval, own), strict=True))
                for arm, own in said.items()
            ]
        },
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
