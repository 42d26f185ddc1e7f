"""`bakeoff runs`: what was measured, told again."""

from typing import Annotated

import typer

from evals.commands.printing import print_run
from lab.command_app import Json, command_app
from lab.console import Console

app = command_app("Eval runs: list, show.")


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

    print_run(open_run(run_id), json)
