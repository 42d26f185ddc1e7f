"""`bakeoff train`."""

from typing import Annotated, Any

import typer

from finetune.commands.options import Base, Data, LabelColumn, Refit, TextColumn, with_knobs
from lab.command_app import Json, command_app
from lab.console import Console

INTERRUPTED = 130  # the exit code of what Ctrl-C ends, too

app = command_app()


@app.command()
@with_knobs
def train(
    data: Data = "tweets",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    base: Base = "embedded:minilm",
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it would take, and do not train.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was cut off; alone: the last one that was.")
    ] = False,
    refit: Refit = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train again even if this very classifier exists.")] = False,
    report_to: Annotated[
        list[str] | None, typer.Option(help="A tracker: wandb, mlflow, tensorboard, trackio; repeatable.")
    ] = None,
    json: Json = False,
    **knobs: Any,
) -> None:
    """Fine-tune a BERT on labelled texts; a run that was cut off goes on from its last checkpoint."""
    from finetune.folder import Asked
    from finetune.jobs import Job, resumed_job, run_job

    knobs = {name: value for name, value in knobs.items() if value is not None}
    job = Job.of(data, text_column, label_column, base, knobs, tuple(report_to or ()), refit)
    if resume:
        job = resumed_job(job if knobs or job != Job.of() else None)
    if estimate:
        forecast = job.estimate()
        Console().document(forecast.document()) if json else Console().answer(forecast.spoken())
        return
    try:
        document = run_job(job, fresh)
    except Asked as asked:
        rest = "the same command goes on" if asked.request == "pause" else "its curve is kept"
        Console().note(f"{asked}; {rest}")
        raise typer.Exit(INTERRUPTED) from None
    Console().document(document) if json else Console().answer(trained_sentence(document))


def trained_sentence(document: dict[str, Any]) -> str:
    """Return what a training came to, in one line."""
    from finetune.registry import measured_by

    scores, estimate = document["validation"], document["estimate"]
    foretold = ""
    if estimate and estimate["off_by"] is not None:  # of a run that was resumed, nothing foretells the rest
        foretold = f", foretold {document['seconds'] / (1 + estimate['off_by']):.1f} s"
    averaged = f"the mean of {document['averaged']} trainings of " if document.get("averaged", 1) > 1 else ""
    before = measured_by(document["classifier"])
    whose = "" if before == document["classifier"] else f" of {before}, without these texts,"
    return (
        f"{document['classifier']}: {averaged}{document['steps']} steps ({document['epochs']:g} epochs)"
        f" took {document['seconds']:.1f} s{foretold}; validation accuracy{whose}"
        f" {scores['accuracy']:.1%}, macro-F1 {scores['macro_f1']:.3f}, mean training loss {document['train_loss']:.3f}"
    )
