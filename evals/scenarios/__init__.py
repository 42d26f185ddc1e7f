"""What the arms of a suite live through, by the kind of the suite: a plan before the run, findings after it."""

from collections.abc import Callable
from types import ModuleType

from evals.records import Record
from evals.scenarios import (
    compound,
    data_efficiency,
    freshness,
    knowledge,
    portability,
    retrieval,
    robustness,
    routing,
    static,
)
from evals.scenarios.scenario import Finding, Fits, Moment, Plan, PricedFit, PricedFits, Scenario, Step

__all__ = ["Finding", "Fits", "Moment", "Plan", "PricedFit", "PricedFits", "Scenario", "Step", "grader_of", "kind_of"]

_KINDS = {
    "static": static,
    "freshness": freshness,
    "data_efficiency": data_efficiency,
    "portability": portability,
    "robustness": robustness,
    "knowledge": knowledge,
    "retrieval": retrieval,
    "compound": compound,
    "routing": routing,
}


def kind_of(kind: str) -> ModuleType:
    """Return the module of a suite's kind: its plan(suite, limit), is_primary(suite, record), findings(suite, …)."""
    return _KINDS[kind]


def grader_of(kind: str) -> Callable[[Record], Record]:
    """Return what makes of a record's answer and target the classes that are compared: for labels, they themselves."""
    grade: Callable[[Record], Record] = getattr(_KINDS[kind], "graded", lambda record: record)
    return grade
