"""Knowledge: questions over documents, some of which no document answers. Who knows, who finds, who keeps silent?

A record keeps the answer as it was given, "" for none, and as its target the accepted answers, "" where the documents
hold none; `graded` makes classes of both, so that accuracy, its tests and the confusion matrix hold as everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.documents import ACCEPTED, ANSWERABLE, UNANSWERABLE, load_documents, load_questions, sources_of
from evals.grading import CITED, is_exact, is_right, token_f1
from evals.metrics import outcomes
from evals.records import Record
from evals.scenarios.scenario import Finding, Fits, Plan, Scenario, Step, facts, joined, limited
from evals.suite import Suite
from lab.console import Console
from lab.datasets import Dataset
from lab.statistics import clustered_interval, compare, wilson
from lab.workspace import fingerprint

RIGHT, WRONG, NO_ANSWER = "right", "wrong", "no answer"
VALIDATION = 1 / 3  # of the questions of each kind; the rest is test
SHOWN = {"wikipedia": "Wikipedia", ANSWERABLE: "with an answer", UNANSWERABLE: "without an answer"}


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return one scenario for each repeat: the passages are learned, and each kind of question is a test.

    Raises:
        BakeoffError: the questions or the documents cannot be used.
    """
    import numpy as np

    questions = load_questions(suite)
    random = np.random.default_rng(suite.seed)
    parts: dict[str, tuple[Dataset, Dataset]] = {}
    for kind, own in questions.items():
        order = [int(index) for index in random.permutation(len(own))]
        size = round(VALIDATION * len(own))
        parts[kind] = own.subset(order[:size]), own.subset(order[size:][: suite.test_limit])
    validation = joined([chosen_on for chosen_on, _ in parts.values()])
    tests = limited({kind: test for kind, (_, test) in parts.items()}, limit, random)
    passages = load_documents(suite, joined(list(questions.values())))
    asked = joined(list(tests.values()))
    for line in asked.left_out:
        Console().warn(line)
    step = Step("", passages, tests)
    repeats = range(suite.repeats)
    scenarios = (Scenario("", suite.seed + repeat, repeat, validation, (step,)) for repeat in repeats)
    whole = fingerprint(passages.fingerprint, validation.fingerprint, asked.fingerprint)
    counts = {kind: len(test) for kind, test in tests.items()}
    told = {"labels": [NO_ANSWER, RIGHT], "questions": counts, "left_out": list(asked.left_out)}
    return Plan(tuple(scenarios), facts(asked.name, whole, len(passages), len(validation), len(asked), **told))


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: all do."""
    return True


def graded(record: Record) -> Record:
    """Return a record with classes in place of words: right, wrong or no answer; a failure stays one."""
    accepted = _accepted(record)
    label = record.label and (RIGHT if is_right(record.label, accepted) else WRONG)
    return replace(record, target=RIGHT if accepted else NO_ANSWER, label=NO_ANSWER if label == "" else label)


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return how each arm answers each kind of question, when it keeps silent, and what retrieval adds to the LLM."""
    answered = {arm.key: [r for r in records if r.arm == arm.key and r.label is not None] for arm in suite.arms}
    own = {arm: rows for arm, rows in answered.items() if rows}
    return [_answers(own), _silence(own), *(_gains(suite, own, first) for first in _with_rivals(suite, own))]


def _answers(own: Mapping[str, Sequence[Record]]) -> Finding:
    """Return a row per arm and kind of question that has an answer."""
    measures = {
        "right": _is_right,
        "exact_match": lambda record: is_exact(record.label or "", _accepted(record)),
        "token_f1": lambda record: token_f1(record.label or "", _accepted(record)),
    }
    rows: list[dict[str, Any]] = []
    for arm, records in own.items():
        for kind in dict.fromkeys(record.test for record in records if record.target):
            asked = [record for record in records if record.test == kind]
            traced = [r for r in asked if sources_of(r.example)] if any(r.evidence for r in asked) else []
            figures = {name: _figure(asked, measure) for name, measure in measures.items()}
            figures["cited_and_right"] = _figure(traced, lambda record: _cites(record) and _is_right(record))
            figures["retrieved"] = _figure(traced, _finds)
            rows.append({"arm": arm, "questions": kind, "n": len({record.item for record in asked}), **figures})
    shown = (*measures, "cited_and_right", "retrieved")
    return Finding(
        "Questions that have an answer, by where it stands",
        ["arm", "questions", "n", "right", "exact match", "token F1", "cited and right", "document found"],
        [[row["arm"], _shown(row), row["n"], *(_cell(row[name]) for name in shown)] for row in rows],
        "In per cent. Right: a short answer that states an accepted one. Exact match and token F1 as SQuAD's. Cited and"
        " right: it also rests on a document that holds the answer. Document found: that is among those retrieved. With"
        " 95 % intervals: Wilson's, or clustered by question.",
        {"answers": rows},
    )


def _silence(own: Mapping[str, Sequence[Record]]) -> Finding:
    """Return for each arm when it abstains, where it should and where it should not, and how far its answers hold."""
    rows: list[dict[str, Any]] = [
        {
            "arm": arm,
            "abstains_rightly": _figure([r for r in records if not r.target], _abstains),
            "abstains_falsely": _figure([r for r in records if r.target], _abstains),
            "right_when_answering": _figure([r for r in records if not _abstains(r)], _is_right),
        }
        for arm, records in own.items()
    ]
    shown = ("abstains_rightly", "abstains_falsely", "right_when_answering")
    return Finding(
        "When it keeps silent",
        ["arm", "abstains, no answer exists", "abstains, an answer exists", "right, where it answers"],
        [[row["arm"], *(_cell(row[name]) for name in shown)] for row in rows],
        "In per cent. Thresholds are chosen on validation questions, by the same rule for all. Right, where it answers:"
        " of all questions it did not abstain from, those without an answer among them.",
        {"abstention": rows},
    )


def _with_rivals(suite: Suite, own: Mapping[str, Sequence[Record]]) -> list[str]:
    """Return the reference, if it answered and is not alone."""
    first = suite.reference_key
    return [first] if first is not None and first in own and len(own) > 1 else []


def _gains(suite: Suite, own: Mapping[str, Sequence[Record]], first: str) -> Finding:
    """Return the reference beside each other arm on each kind of question, paired."""
    kinds = list(dict.fromkeys(record.test for records in own.values() for record in records))
    handled = {
        f"{arm}\0{kind}": outcomes([graded(record) for record in records if record.test == kind])
        for arm, records in own.items()
        for kind in kinds
    }
    pairs = [(f"{first}\0{kind}", f"{arm}\0{kind}") for arm in own for kind in kinds if arm != first]
    rows: list[dict[str, Any]] = [
        {"a": first, "b": arm, "questions": kind, "n": found.n, "p_adjusted": found.p_adjusted}
        | {"difference": found.difference, "ci": list(found.ci)}
        for found in compare(pairs, handled, suite.seed)
        for arm, kind in [found.b.split("\0")]
    ]
    return Finding(
        f"{first} beside the others, in points of questions handled rightly",
        ["beside", "questions", "n", "points (95 % interval)", "p, Holm"],
        [[row["b"], _shown(row), row["n"], points(row), f"{row['p_adjusted']:.2g}"] for row in rows],
        "Paired on the same questions, p-values adjusted over this table. Where the documents hold no answer, to"
        " abstain is to handle rightly.",
        {"gains": rows},
    )


def _accepted(record: Record) -> list[str]:
    return record.target.split(ACCEPTED) if record.target else []


def _is_right(record: Record) -> bool:
    return is_right(record.label or "", _accepted(record))


def _abstains(record: Record) -> bool:
    return record.label == ""


def _cites(record: Record) -> bool:
    """Tell whether the answer rests on a document that holds it."""
    return _holds(record, [source.removesuffix(CITED) for source in record.evidence if source.endswith(CITED)])


def _finds(record: Record) -> bool:
    """Tell whether a document that holds the answer was retrieved."""
    return _holds(record, [source.removesuffix(CITED) for source in record.evidence])


def _holds(record: Record, sources: Sequence[str]) -> bool:
    held = sources_of(record.example)
    return any(source == one or source.endswith(f"/{one}") for source in sources for one in held)


def _figure(records: Sequence[Record], measure: Callable[[Record], float]) -> dict[str, Any] | None:
    """Return the mean of a measure with its 95 % interval, and the number of questions; None over no records."""
    values: dict[str, list[float]] = {}
    for record in records:
        values.setdefault(record.item, []).append(float(measure(record)))
    if not values:
        return None
    total = sum(map(sum, values.values()))
    is_share = all(own in ([0.0], [1.0]) for own in values.values())
    low, high = wilson(total, len(values)) if is_share else clustered_interval(values)
    return {"value": total / len(records), "ci": [low, high], "n": len(values)}


def _shown(row: Mapping[str, Any]) -> str:
    return SHOWN.get(str(row["questions"]), str(row["questions"]))


def _cell(figure: Mapping[str, Any] | None) -> str:
    """Return a figure with its interval, in per cent."""
    if figure is None:
        return "-"
    value, low, high = (100 * one for one in (figure["value"], *figure["ci"]))
    return f"{value:.0f} ({low:.0f}-{high:.0f})"


def points(row: Mapping[str, Any]) -> str:
    """Return a difference with its interval, in points."""
    difference, low, high = (100 * one for one in (row["difference"], *row["ci"]))
    return f"{difference:+.1f} ({low:+.1f} to {high:+.1f})"
