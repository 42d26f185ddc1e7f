"""`bakeoff sweep`."""

import time
from typing import Annotated, Any

import typer

from finetune.commands.options import Base, Data, LabelColumn, Refit, TextColumn, with_knobs
from lab.command_app import Json, command_app
from lab.console import Console

app = command_app()


@app.command()
@with_knobs
def sweep(
    data: Data = "tweets",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    base: Base = "embedded:minilm",
    search: Annotated[
        list[str] | None,
        typer.Option(help="What to search: learning_rate=1e-5..1e-3 or batch_size=8,16,32; repeatable [seven knobs]."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Its name; a study of that name goes on [named after data].")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Any URL that Optuna takes, e.g. postgresql://… [SQLite in the workspace].")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many trials the study has in the end.")] = 20,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Begin no trial after so many minutes.")] = None,
    budget_usd: Annotated[
        float | None, typer.Option(min=0, help="The same in dollars; see BAKEOFF_USD_PER_HOUR.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine that share the study.")] = 1,
    pruner: Annotated[str, typer.Option(help="How the hopeless are dropped: median, hyperband, none.")] = "median",
    rung: Annotated[float, typer.Option(min=0.01, help="Look at a trial after so many epochs each.")] = 0.5,
    train_best: Annotated[bool, typer.Option("--train/--no-train", help="Train the best setting at the end.")] = True,
    refit: Refit = 3,
    json: Json = False,
    **knobs: Any,
) -> None:
    """Search the hyper-parameters that do best on validation; a knob that is given is fixed.

    It can be stopped and goes on with the same command; several may work on one study, here or on other machines.
    """
    from finetune.searching import SweepRequest, run_sweep

    request = SweepRequest(
        data=(data, text_column, label_column),
        base=base,
        search=tuple(search or ()),
        fixed={name: value for name, value in knobs.items() if value is not None},
        study=study,
        storage=storage,
        trials=trials,
        pruner=pruner,
        rung=rung,
        deadline=_deadline(max_minutes, budget_usd),
    )
    document = run_sweep(request, workers, train_best, refit)
    if json:
        Console().document(document)
        return
    console = Console()
    console.answer(document["sentence"])
    console.table(["knob", "best", "importance"], _rows(document), title=f"study {document['study']}")
    if document["classifier"]:
        console.answer(f"trained as {document['classifier']}; side by side with the defaults: {document['compare']}")


def _deadline(max_minutes: float | None, budget_usd: float | None) -> float | None:
    from lab.settings import settings

    price = settings().usd_per_hour
    if budget_usd is not None and not price:
        raise typer.BadParameter("--budget-usd needs the price of an hour: set BAKEOFF_USD_PER_HOUR")
    limits = [max_minutes * 60] if max_minutes is not None else []
    limits += [budget_usd / price * 3600] if budget_usd is not None and price else []
    return time.time() + min(limits) if limits else None


def _rows(document: dict[str, Any]) -> list[list[str]]:
    shares = document["importances"]
    told = {name: f"{shares[name]:.0%}" for name in shares} or dict.fromkeys(document["searched"], "unknown")
    values = document["hyperparameters"]
    return [
        [name, f"{values[name]:.3g}" if isinstance(values[name], float) else str(values[name]), share]
        for name, share in told.items()
    ]
