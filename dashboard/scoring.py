"""Scores some of a run's records anew, with the judge's own functions, as results.json has it for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evals.approach import Fit
from evals.metrics import Measured, details, outcomes, result_row
from evals.records import Record
from evals.scenarios.portability import swaps
from evals.suite import Suite
from evals.verdict import decide
from lab.prices import PriceList
from lab.statistics import compare

ByArm = Mapping[str, Sequence[Record]]


def scored(
    suite: Suite,
    by_arm: ByArm,
    measured: Mapping[str, Measured],
    usd_per_hour: float | None = None,
    prices: PriceList | None = None,
) -> dict[str, Any]:
    """Return results, comparisons, verdict and details of these records, as results.json has them.

    Args:
        suite: of the run.
        by_arm: its records, or some of them; an arm without any has no accuracy.
        measured: of the whole run: latencies, and what it took to get ready, are not those of some texts.
        usd_per_hour: the user's price of this machine; None leaves what depends on it unknown.
        prices: of remote LLMs; none leaves what their tokens cost unknown.
    """
    rights = {key: outcomes(own) for key, own in by_arm.items()}
    rows = _rows(suite, by_arm, measured, usd_per_hour, prices or PriceList({}))
    comparisons = compare(_pairs(suite), rights, suite.seed)
    return {
        "results": rows,
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "verdict": asdict(decide(rows, comparisons, suite.reference_key)),
        "details": {key: details(own) for key, own in by_arm.items()},
    }


def _rows(
    suite: Suite, by_arm: ByArm, measured: Mapping[str, Measured], usd_per_hour: float | None, prices: PriceList
) -> list[dict[str, Any]]:
    """Return each arm's results under its key; what a remote LLM's tokens cost is looked up."""
    return [
        {
            "key": arm.key,
            **result_row(
                arm,
                by_arm[arm.key],
                measured.get(arm.key, Measured(Fit())),
                usd_per_hour,
                None if arm.llm is None or arm.is_local else prices.of(arm.llm),
            ),
        }
        for arm in suite.arms
    ]


def _pairs(suite: Suite) -> list[tuple[str, str]]:
    """Return what is compared: the reference with every other arm, and each approach across its base LLMs."""
    reference = suite.reference_key
    pairs = [(reference, arm.key) for arm in suite.arms if reference and arm.key != reference]
    return pairs + [(a.key, b.key) for a, b in swaps(suite.arms) if reference not in (a.key, b.key)]
