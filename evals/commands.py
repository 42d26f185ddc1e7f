"""`bakeoff eval` and `bakeoff runs`."""

from typing import Annotated, Any

import typer

from lab.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Names = Annotated[list[str] | None, typer.Option(help="An arm, e.g. finetuned or rag@embedded:smollm2; repeatable.")]

eval_app = typer.Typer()
app = typer.Typer(help="Eval runs: list, show.", no_args_is_help=True)


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
    own = {"dataset": data, "instruction": PLAIN_INSTRUCTION} if data else {}
    named = {"text_column": text_column, "label_column": label_column, "instruction": instruction, "seed": seed}
    changes = own | {name: value for name, value in named.items() if value is not None}
    run = run_suite(chosen.model_copy(update=changes).only(only or [], skip or []), limit, fresh, retry_failures)
    _show(run, json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List the runs of this workspace."""
    from rich.table import Table

    from evals.report import list_runs

    rows = list_runs()
    if json:
        Console().document(rows)
        return
    if not rows:
        Console().note("there is no run yet; make one with: bakeoff eval sentiment")
        return
    table = Table("run", "started", "data", "test texts", "verdict")
    for row in rows:
        table.add_row(row["run_id"], row["started"], row["dataset"], str(row["test"]), row["statement"])
    Console().table(table)


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="A run, as `bakeoff runs list` names it.")], json: Json = False
) -> None:
    """Score a saved run again from its records, asking no model, and print it."""
    from evals.report import open_run

    _show(open_run(run_id), json)


def _show(run: Any, json: bool) -> None:
    from evals.report import results_table, score

    document = score(run)
    if json:
        Console().document(document)
        return
    console = Console()
    console.table(results_table(document))
    verdict = document["verdict"]
    lines = [verdict["statement"], *(f"  because {line}" for line in verdict["because"])]
    lines += [f"  would change if {line}" for line in verdict["would_change_if"]]
    console.answer("\n".join(lines))
    console.answer(f"report: {run.folder / 'report.html'}")
