"""`bakeoff eval`: score every approach of a suite on the same test texts."""

from pathlib import Path
from typing import Annotated

import typer

from evals.commands.printing import print_run
from lab.command_app import Json, command_app
from lab.console import Console
from lab.errors import BakeoffError

Names = Annotated[list[str] | None, typer.Option(help="An arm, e.g. finetuned or rag@embedded:smollm2; repeatable.")]

app = command_app()


@app.command("eval")
def eval_(
    suite: Annotated[str, typer.Argument(help="A built-in suite, or a YAML file of your own.")] = "sentiment",
    data: Annotated[
        str | None, typer.Option(help="Your data: CSV, TSV, JSONL, Parquet, or hf:org/name[@split].")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="The column with the text.")] = None,
    label_column: Annotated[str | None, typer.Option(help="The column with the label.")] = None,
    instruction: Annotated[
        str | None, typer.Option(help="What the LLM is told; {labels} stands for the labels.")
    ] = None,
    llm: Annotated[str | None, typer.Option(help="The base LLM of the arms that name none.")] = None,
    limit: Annotated[str | None, typer.Option(help="Test texts: a count (60) or a fraction (0.1).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seeds the split and the training.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The suite's small form, in minutes.")] = False,
    only: Names = None,
    skip: Names = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run anew; an earlier run of the same is kept aside.")] = False,
    retry_failures: Annotated[bool, typer.Option("--retry-failures", help="Ask again where an arm failed.")] = False,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop cleanly after so many minutes.")] = None,
    budget_usd: Annotated[float | None, typer.Option(min=0, help="Stop cleanly once so much is spent.")] = None,
    prices: Annotated[Path | None, typer.Option(help="A prices.yaml of your own, for --budget-usd.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the built-in suites, and do nothing else.")] = False,
    json: Json = False,
) -> None:
    """Score every approach of a suite on the same test texts; a killed run goes on, a finished one is reused."""
    from evals.suite import PLAIN_INSTRUCTION, load_suite

    if list_:
        _list(json)
        return
    chosen = load_suite(suite, llm, quick)
    if data and chosen.arrivals:
        fix = f"copy {chosen.name}.yaml and name your files there as dataset and arrivals"
        raise BakeoffError(f"the data of {chosen.name}, which changes", f"--data {data} alone", fix)
    own = {"dataset": data, "description": "", "budgets": ""} if data else {}
    if data and not suite.endswith((".yaml", ".yml")):  # the built-in suite's own instruction speaks of its own data
        own["instruction"] = PLAIN_INSTRUCTION
    named = {"text_column": text_column, "label_column": label_column, "instruction": instruction, "seed": seed}
    changes = own | {name: value for name, value in named.items() if value is not None}
    from evals.budget import Budget
    from evals.runner import run_suite

    chosen = chosen.model_copy(update=changes).only(only or [], skip or [])
    budget = Budget(chosen.arms, max_minutes, budget_usd, prices)
    run = run_suite(chosen, limit, fresh, retry_failures, budget)
    print_run(run, json)


def _list(json: bool) -> None:
    from evals.suite import built_in_suites

    suites = built_in_suites()
    if json:
        Console().document([{"suite": one.name, "kind": one.kind, "description": one.description} for one in suites])
    else:
        Console().table(["suite", "kind", "what it asks"], [[one.name, one.kind, one.description] for one in suites])
