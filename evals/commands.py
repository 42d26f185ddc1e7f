"""`bakeoff eval` and `bakeoff runs`."""

from typing import Annotated, Any

import typer

from lab.command_app import Json, command_app
from lab.console import Console

Names = Annotated[list[str] | None, typer.Option(help="An arm, e.g. finetuned or rag@embedded:smollm2; repeatable.")]

eval_app = command_app()
app = command_app("Eval runs: list, show.")


@eval_app.command("eval")
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
    only: Names = None,
    skip: Names = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run anew; an earlier run of the same is kept aside.")] = False,
    retry_failures: Annotated[bool, typer.Option("--retry-failures", help="Ask again where an arm failed.")] = False,
    json: Json = False,
) -> None:
    """Score every approach of a suite on the same test texts; a killed run goes on, a finished one is reused."""
    from evals.runner import run_suite
    from evals.suite import PLAIN_INSTRUCTION, load_suite

    chosen = load_suite(suite, llm)
    own = {"dataset": data, "description": "", "budgets": ""} if data else {}
    if data and not suite.endswith((".yaml", ".yml")):  # the built-in suite's own instruction speaks of its own data
        own["instruction"] = PLAIN_INSTRUCTION
    named = {"text_column": text_column, "label_column": label_column, "instruction": instruction, "seed": seed}
    changes = own | {name: value for name, value in named.items() if value is not None}
    run = run_suite(chosen.model_copy(update=changes).only(only or [], skip or []), limit, fresh, retry_failures)
    _show(run, json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List the runs of this workspace."""
    from evals.report import list_runs

    rows = list_runs()
    if json:
        Console().document(rows)
        return
    if not rows:
        Console().note("there is no run yet; make one with: bakeoff eval sentiment")
        return
    told = ("run_id", "started", "dataset", "test", "statement")
    Console().table(["run", "started", "data", "test texts", "verdict"], [[row[name] for name in told] for row in rows])


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="A run, as `bakeoff runs list` names it.")], json: Json = False
) -> None:
    """Score a saved run again from its records, asking no model, and print it."""
    from evals.report import open_run

    _show(open_run(run_id), json)


def _show(run: Any, json: bool) -> None:
    from evals.report import HEADERS, result_cells, score

    document = score(run)
    if json:
        Console().document(document)
        return
    console = Console()
    data = document["dataset"]
    title = f"{document['suite']}: {data['test']} test texts of {data['name']}, {data['train']} to learn from"
    console.table(HEADERS, [result_cells(row) for row in document["results"]], title)
    verdict = document["verdict"]
    lines = [verdict["statement"], *(f"  because {line}" for line in verdict["because"])]
    lines += [f"  would change if {line}" for line in verdict["would_change_if"]]
    console.answer("\n".join(lines))
    console.answer(f"report: {run.folder / 'report.html'}")
