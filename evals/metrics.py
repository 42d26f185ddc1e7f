"""From records to figures: one row of results per arm, and the details behind it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from evals.approach import Fit
from evals.costs import Effort
from evals.records import Record
from evals.suite import Arm
from lab.prices import Price
from lab.statistics import (
    Calibration,
    calibrate,
    clustered_interval,
    confusion,
    macro_f1_interval,
    seed_interval,
    wilson,
)


@dataclass(frozen=True)
class Measured:
    """What was measured of an arm beside its answers: getting ready, and one text at a time when warm."""

    fit: Fit
    latencies_ms: tuple[float, ...] = ()


def result_row(
    arm: Arm,
    records: Sequence[Record],
    measured: Measured,
    usd_per_hour: float | None = None,
    price: Price | None = None,
) -> dict[str, Any]:
    """Return one arm's results as DESIGN.md's document has them.

    Accuracy, macro-F1 and calibration are over the examples that were answered; `failures` counts the others.

    Args:
        arm: whose results they are.
        records: its answers.
        measured: beside them.
        usd_per_hour: the user's price of this machine.
        price: of the tokens of the arm's base LLM. Dollars without a price are unknown (None), never zero.
    """
    answered = [record for record in records if record.label is not None]
    correct = sum(record.label == record.target for record in answered)
    cost = _usd(arm, records, usd_per_hour, price)
    return {
        "approach": arm.approach,
        "llm": arm.llm,
        "n": len(records),
        "failures": len(records) - len(answered),
        "accuracy": correct / len(answered) if answered else None,
        "accuracy_ci": list(accuracy_interval(answered)) if answered else None,
        "macro_f1": macro_f1(answered) if answered else None,
        "latency_p50_ms": _quantile(measured.latencies_ms, 0.5),
        "latency_p95_ms": _quantile(measured.latencies_ms, 0.95),
        "fit_seconds": round(measured.fit.seconds, 3),
        "update_seconds": None,
        "tokens": sum(record.tokens for record in records),
        "cost_per_1k_usd": None if cost is None else cost / len(records) * 1000,
        "cost_per_correct_usd": None if cost is None or not correct else cost / correct,
        **_more(answered),
        "fit_tokens": measured.fit.tokens,
        "output_tokens": sum(record.output_tokens for record in records),
    }


def details(records: Sequence[Record]) -> dict[str, Any]:
    """Return what lies behind one arm's row, over the examples that were answered.

    Returns:
        `per_class` (label: precision, recall, f1, support), `confusion` (`labels`, and `matrix` with a row for each
        target and a column for each answer), `reliability` (`ece` and the `curve`'s points low, high, n, confidence,
        accuracy; None without scores) and `repeats`, in all of which a text is counted.
    """
    answered = [record for record in records if record.label is not None]
    matrix, reliability = confusion(*_labels(answered)), _calibration(answered)
    return {
        "per_class": matrix.per_class(),
        "confusion": {"labels": list(matrix.labels), "matrix": matrix.counts.tolist()},
        "reliability": reliability and asdict(reliability),
        "repeats": len({record.repeat for record in answered}) if _are_repeated(answered) else 1,
    }


def outcomes(records: Sequence[Record]) -> dict[str, float]:
    """Return, for each example that was answered, the share of its repeats that were right: food for `compare`."""
    return {example: sum(own) / len(own) for example, own in _by_example(records).items()}


def accuracy_interval(records: Sequence[Record]) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy: Wilson's, or with repeats the one clustered by example."""
    answered = [record for record in records if record.label is not None]
    if _are_repeated(answered):
        return clustered_interval(_by_example(answered))
    return wilson(sum(record.label == record.target for record in answered), len(answered))


def macro_f1(records: Sequence[Record]) -> float:
    """Return the mean F1 over the labels that occur among the targets (scikit-learn's f1_score, "macro")."""
    return confusion(*_labels(records)).macro_f1


def _usd(arm: Arm, records: Sequence[Record], usd_per_hour: float | None, price: Price | None) -> float | None:
    """Return what the answers cost: seconds of this machine, or a remote LLM's tokens, read and written.

    A provider that counts no tokens leaves the cost unknown. Old records do not tell what was written: there all tokens
    count as read, and the cost is a lower bound.
    """
    if not records:
        return None
    effort = Effort.of(records)
    return (effort if effort.tokens else replace(effort, read=None)).usd(price, usd_per_hour, arm.is_local)


def _more(answered: Sequence[Record]) -> dict[str, Any]:
    """Return what stands at the end of a row: interval of macro-F1, calibration error, and the spread over seeds."""
    repeats = sorted({record.repeat for record in answered})
    more: dict[str, Any] = {"macro_f1_ci": None, "ece": None, "repeats": len(repeats), "accuracy_seeds_ci": None}
    if not answered:
        return more
    clusters = [record.item for record in answered] if _are_repeated(answered) else None
    calibration = _calibration(answered)
    by_seed: dict[int, list[bool]] = {repeat: [] for repeat in repeats}
    for record in answered:
        by_seed[record.repeat].append(record.label == record.target)
    over_seeds = seed_interval([sum(own) / len(own) for own in by_seed.values()])
    return more | {
        "macro_f1_ci": list(macro_f1_interval(*_labels(answered), clusters)),
        "ece": calibration and calibration.ece,
        "accuracy_seeds_ci": over_seeds and list(over_seeds),
    }


def _calibration(answered: Sequence[Record]) -> Calibration | None:
    """Return the calibration of the answers that carry a score of their own label."""
    scored = [record for record in answered if record.label in record.scores]
    return calibrate([r.scores[str(r.label)] for r in scored], [r.label == r.target for r in scored])


def _by_example(records: Sequence[Record]) -> dict[str, list[bool]]:
    """Return whether each answer of each example was right; failures are left out."""
    found: dict[str, list[bool]] = {}
    for record in records:
        if record.label is not None:
            found.setdefault(record.item, []).append(record.label == record.target)
    return found


def _are_repeated(answered: Sequence[Record]) -> bool:
    seeds = {record.repeat for record in answered}
    return len(seeds) > 1 and len({record.item for record in answered}) < len(answered)


def _labels(answered: Sequence[Record]) -> tuple[list[str], list[str]]:
    return [record.target for record in answered], [str(record.label) for record in answered]


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.quantile(values, share)), 2) if values else None
