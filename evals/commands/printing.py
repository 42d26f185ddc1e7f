"""A run on the terminal: what it will take; its table, its verdict, and where the report lies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.console import Console

if TYPE_CHECKING:
    from evals.budget import Budget
    from evals.forecast.forecast import Forecast
    from evals.runner import Run
    from evals.scenarios import Plan
    from evals.suite import Suite


def print_run(run: "Run", json: bool) -> None:
    """Score `run` and print it, as one JSON document or as a table with its verdict."""
    from evals.report import results_table, score

    document = score(run)
    if json:
        Console().document(document)
        return
    console = Console()
    data = document["dataset"]
    title = f"{document['suite']}: {data['test']} test texts of {data['name']}, {data['train']} to learn from"
    console.table(*results_table(document["results"]), title)
    for finding in document.get("findings", []):
        console.table(finding["columns"], finding["rows"], finding["title"])
        console.note(finding["note"])
    verdict = document["verdict"]
    lines = [verdict["statement"], *(f"  because {line}" for line in verdict["because"])]
    lines += [f"  would change if {line}" for line in verdict["would_change_if"]]
    console.answer("\n".join(lines))
    console.answer(f"report: {run.folder / 'report.html'}")


def print_forecast(
    suite: "Suite", plan: "Plan", forecast: "Forecast", remarks: Sequence[str], budget: "Budget", json: bool
) -> None:
    """Print what the run would take, as one JSON document or as a table with its sum."""
    from evals.forecast.forecast import HEADERS

    console, short = Console(), _shortfalls(forecast, budget)
    if json:
        told = ("name", "fingerprint", "train", "validation", "test")
        head = {"suite": suite.name, "dataset": {name: plan.data[name] for name in told}, "remarks": list(remarks)}
        console.document(head | forecast.document() | {"budget": budget.document() | {"shortfalls": short}})
        return
    console.table(HEADERS, [arm.cells for arm in forecast.arms], f"{suite.name}: what the run would take")
    console.answer(forecast.spoken())
    for words in short:
        console.warn(words)


def tell_forecast(forecast: "Forecast", budget: "Budget") -> None:
    """Say on stderr what the run will take, before it does."""
    console = Console()
    for arm in forecast.arms if forecast.answers else ():
        console.note(f"  {arm.words}")
    console.note(forecast.spoken())
    for words in _shortfalls(forecast, budget):
        console.warn(words)


def _shortfalls(forecast: "Forecast", budget: "Budget") -> list[str]:
    return budget.shortfalls(forecast.least_seconds, forecast.least_usd)
