"""Robustness: the same test texts with typos, other casing or emoji; and training data with noise in it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evals.records import Record
from evals.scenarios.scenario import Finding, Fits, Plan, Scenario, Step
from evals.scenarios.static import load_parts, split_facts
from evals.suite import Suite
from evals.verdict import SIGNIFICANT
from lab.datasets import Dataset, Example
from lab.statistics import compare

CLEAN = "clean"
Perturb = Callable[[str, np.random.Generator], str]


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return a scenario on clean training data, tested on each perturbation, and one for each kind of noise in it."""
    split = load_parts(suite, suite.dataset, limit)
    tests = {CLEAN: split.test} | {name: _perturbed(split.test, name, suite.seed) for name in PERTURBATIONS}
    scenarios = []
    for repeat in range(suite.repeats):
        random = np.random.default_rng((suite.seed, repeat))
        worlds = {
            CLEAN: (split.train, tests),
            **{
                f"label noise {share:g}": (
                    _mislabelled(split.train, split.test.labels, share, random),
                    {CLEAN: split.test},
                )
                for share in suite.added_noise
            },
            "near-duplicates": (_duplicated(split.train, random), {CLEAN: split.test}),
        }
        scenarios += [
            Scenario(name, suite.seed + repeat, repeat, split.validation, (Step("", train, asked),))
            for name, (train, asked) in worlds.items()
        ]
    return Plan(tuple(scenarios), split_facts(split))


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: clean texts after clean training do."""
    return record.scenario == record.test == CLEAN


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return what each perturbation costs each arm, in points, paired on the same texts."""
    rights: dict[tuple[str, str], dict[str, list[float]]] = {}
    for record in records:
        if record.correct is not None:
            world = record.test if record.scenario == CLEAN else record.scenario
            own = rights.setdefault((record.arm, world), {})
            own.setdefault(record.example, []).append(float(record.correct))
    arms = [arm.key for arm in suite.arms if (arm.key, CLEAN) in rights]
    troubles = list(dict.fromkeys(world for _, world in rights if world != CLEAN))
    drops = _drops(rights, [(arm, trouble) for arm in arms for trouble in troubles if (arm, trouble) in rights])
    told = {
        (row["arm"], row["trouble"]): f"{row['difference'] * 100:+.1f}{'*' if row['p_adjusted'] < SIGNIFICANT else ''}"
        for row in drops
    }
    return [
        Finding(
            "What it costs when the texts or the labels get worse, in points of accuracy",
            ["arm", *troubles],
            [[arm, *(told.get((arm, trouble), "-") for trouble in troubles)] for arm in arms],
            "Accuracy minus that on clean texts after clean training, paired on the same texts; * marks p < 0.05,"
            " Holm-adjusted over the whole table.",
            {"drops": drops},
        )
    ]


def _drops(
    rights: Mapping[tuple[str, str], Mapping[str, Sequence[float]]], cells: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return for each arm and trouble the accuracy that it costs, in [-1, 1], paired on the same texts."""
    outcomes = {
        "\0".join(cell): {example: float(np.mean(own)) for example, own in answers.items()}
        for cell, answers in rights.items()
    }
    compared = compare([(f"{arm}\0{trouble}", f"{arm}\0{CLEAN}") for arm, trouble in cells], outcomes)
    return [
        {"arm": arm, "trouble": trouble, "difference": found.difference, "ci": list(found.ci)}
        | {"p_adjusted": found.p_adjusted}
        for found in compared
        for arm, trouble in [found.a.split("\0")]
    ]


def typos(text: str, random: np.random.Generator) -> str:
    """Swap two neighbouring letters inside one word of four (after Belinkov and Bisk 2018, arXiv 1711.02173)."""

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        if random.random() >= 0.25:
            return word
        at = int(random.integers(1, len(word) - 2))
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return re.sub(r"[^\W\d_]{4,}", swap, text)


def emoji(text: str, random: np.random.Generator) -> str:
    """Add two emoji that say nothing about a sentiment."""
    return f"{text} {''.join(random.choice(['📌', '🔁', '📷', '🕒', '🧵', '📎'], size=2))}"


PERTURBATIONS: dict[str, Perturb] = {
    "typos": typos,
    "upper case": lambda text, _: text.upper(),
    "lower case": lambda text, _: text.lower(),
    "emoji": emoji,
    "no punctuation": lambda text, _: re.sub(r"[^\w\s@#]", "", text),
}


def _perturbed(test: Dataset, name: str, seed: int) -> Dataset:
    random = np.random.default_rng((seed, list(PERTURBATIONS).index(name)))
    changed = tuple(replace(example, text=PERTURBATIONS[name](example.text, random)) for example in test.examples)
    return replace(test, examples=changed)


def _mislabelled(train: Dataset, labels: Sequence[str], share: float, random: np.random.Generator) -> Dataset:
    """Give `share` of the examples another label, drawn evenly from the others."""
    wrong = {int(number) for number in random.permutation(len(train))[: round(share * len(train))]}

    def other(example: Example) -> Example:
        return replace(example, label=str(random.choice([label for label in labels if label != example.label])))

    return replace(train, examples=tuple(other(e) if n in wrong else e for n, e in enumerate(train.examples)))


def _duplicated(train: Dataset, random: np.random.Generator) -> Dataset:
    """Add three near copies of one example in ten: what a crawl of retweets looks like."""
    chosen = train.subset(map(int, random.permutation(len(train))[: len(train) // 10]))
    copies = [
        replace(example, id=f"{example.id}-{number}", source=f"{example.source}#{number}", text=text)
        for example in chosen.examples
        for number, text in enumerate((f"RT {example.text}", f"{example.text} !!", example.text.lower()))
    ]
    return replace(train, examples=(*train.examples, *copies))
