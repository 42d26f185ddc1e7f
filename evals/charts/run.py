"""The charts of a run: what its kind of suite is about first, then what every run has."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evals.charts.accuracy import accuracy_chart
from evals.charts.chart import Chart
from evals.charts.classes import class_chart
from evals.charts.differences import differences_chart
from evals.charts.freshness import change_cost_chart, time_line_charts
from evals.charts.learning import learning_chart
from evals.charts.points import robustness_chart, swap_chart
from evals.charts.questions import answers_chart, found_chart, silence_chart, tools_chart
from evals.charts.reliability import reliability_chart
from evals.charts.tradeoff import cost_chart, latency_chart

READABLE = 3  # lines of a reliability diagram

Found = Mapping[str, Any]

# The name of a finding's data -> how the charts of it are drawn.
_OF_FINDINGS: Mapping[str, Callable[[Found], Sequence[Chart | None]]] = {
    "timeline": lambda found: time_line_charts(found["timeline"]),
    "changes": lambda found: [change_cost_chart(found["changes"])],
    "swaps": lambda found: [swap_chart(found["swaps"])],
    "drops": lambda found: [robustness_chart(found["drops"])],
    "accuracy": lambda found: [learning_chart(found["accuracy"], found.get("crossings", ()))],
    "answers": lambda found: [answers_chart(found["answers"])],
    "abstention": lambda found: [silence_chart(found["abstention"])],
    "found": lambda found: [found_chart(found["found"])],
    "by_part": lambda found: [tools_chart(found["by_part"])],
}


def finding_charts(findings: Sequence[Found]) -> list[Chart]:
    """Return the charts of a run's findings, in their order; none for a suite that only compares accuracy.

    Args:
        findings: those of results.json.
    """
    found = {name: data for finding in findings for name, data in finding["data"].items()}
    return [chart for name, charts in _OF_FINDINGS.items() if name in found for chart in charts(found) if chart]


def common_charts(document: Mapping[str, Any], reference: str | None) -> list[Chart]:
    """Return what every run has: accuracy, differences, what accuracy costs, classes, and how sure is right.

    Args:
        document: results.json, or what `score` returns.
        reference: the key of the arm that the others are compared with.
    """
    results, details = document["results"], document["details"]
    names = list(details)
    charts = [
        accuracy_chart(results, names),
        differences_chart(document["comparisons"], reference),
        latency_chart(results, names),
        cost_chart(results, names),
        reliability_chart(_few(details, document["comparisons"], reference)),
        class_chart(details),
    ]
    return [chart for chart in charts if chart]


def _few(details: Found, comparisons: Sequence[Found], reference: str | None) -> dict[str, Any]:
    """Return the details of the reference and of those that come nearest to it, as many as can be read together."""
    lead = {pair["b"]: pair["difference"] for pair in comparisons if pair["a"] == reference}
    near = sorted(details, key=lambda arm: (arm != reference, lead.get(arm, 0.0)))
    scored = [arm for arm in near if details[arm]["reliability"]][:READABLE]
    return {arm: details[arm] for arm in scored}
