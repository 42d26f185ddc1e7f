"""From records to figures: one row of results per arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals.approach import Fit
from evals.records import Record
from evals.suite import Arm
from lab.statistics import wilson


@dataclass(frozen=True)
class Measured:
    """What was measured of an arm beside its answers: getting ready, and one text at a time when warm."""

    fit: Fit
    latencies_ms: tuple[float, ...] = ()


def result_row(arm: Arm, records: Sequence[Record], measured: Measured, usd_per_hour: float | None) -> dict[str, Any]:
    """Return one arm's results as DESIGN.md's document has them.

    Accuracy and macro-F1 are over the examples that were answered; `failures` counts the others. Dollars are the
    seconds on this machine at the user's hourly price; without a price they are unknown (None), never zero.
    """
    answered = [record for record in records if record.label is not None]
    correct = sum(record.label == record.target for record in answered)
    seconds = sum(record.seconds for record in records)
    cost = None if usd_per_hour is None or not records else seconds / 3600 * usd_per_hour
    return {
        "approach": arm.approach,
        "llm": arm.llm,
        "n": len(records),
        "failures": len(records) - len(answered),
        "accuracy": correct / len(answered) if answered else None,
        "accuracy_ci": list(wilson(correct, len(answered))) if answered else None,
        "macro_f1": macro_f1(answered) if answered else None,
        "latency_p50_ms": _quantile(measured.latencies_ms, 0.5),
        "latency_p95_ms": _quantile(measured.latencies_ms, 0.95),
        "fit_seconds": round(measured.fit.seconds, 3),
        "update_seconds": None,
        "tokens": sum(record.tokens for record in records),
        "cost_per_1k_usd": None if cost is None else cost / len(records) * 1000,
        "cost_per_correct_usd": None if cost is None or not correct else cost / correct,
    }


def macro_f1(records: Sequence[Record]) -> float:
    """Return the mean F1 over the labels that occur among the targets (scikit-learn)."""
    from sklearn.metrics import f1_score

    targets = [record.target for record in records]
    predicted = [str(record.label) for record in records]
    return float(f1_score(targets, predicted, labels=sorted(set(targets)), average="macro", zero_division=0))


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.quantile(values, share)), 2) if values else None
