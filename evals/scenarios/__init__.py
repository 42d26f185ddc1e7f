"""What the arms of a suite live through, by the kind of the suite: a plan before the run, findings after it."""

from types import ModuleType

from evals.scenarios import data_efficiency, freshness, portability, robustness, static
from evals.scenarios.scenario import Finding, Fits, Moment, Plan, Scenario, Step

__all__ = ["Finding", "Fits", "Moment", "Plan", "Scenario", "Step", "kind_of"]

_KINDS = {
    "static": static,
    "freshness": freshness,
    "data_efficiency": data_efficiency,
    "portability": portability,
    "robustness": robustness,
}


def kind_of(kind: str) -> ModuleType:
    """Return the module of a suite's kind: its plan(suite, limit), is_primary(suite, record), findings(suite, …)."""
    return _KINDS[kind]
