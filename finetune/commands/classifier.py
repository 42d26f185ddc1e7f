"""`bakeoff classifier`: the registry."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from finetune.commands.train import trained_sentence
from lab.command_app import Json, command_app
from lab.console import Console

Identifier = Annotated[str, typer.Argument(help="A classifier, as `bakeoff classifier list` names it.")]

app = command_app("The registry: list, show, promote, rollback, predict.")


@app.command("list")
def list_(json: Json = False) -> None:
    """List the classifiers of this workspace; * marks the champion, parentheses what the one before a refit scored."""
    from finetune.registry import TRAIN_COMMAND, list_classifiers

    rows = list_classifiers()
    if json:
        Console().document(rows)
        return
    if not rows:
        Console().note(f"there is no classifier yet; train one with: {TRAIN_COMMAND}")
        return
    headers = ["", "classifier", "method", "labels", "examples", "epochs", "validation accuracy", "macro-F1"]
    Console().table(headers, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    from finetune.registry import measured_by

    card, scores = row["card"], row["card"]["validation"]
    name = ["*" if row["champion"] else "", row["classifier"], row["hyperparameters"]["method"]]
    told = [f"{scores['accuracy']:.1%}", f"{scores['macro_f1']:.3f}"]
    if measured_by(row["classifier"]) != row["classifier"]:
        told = [f"({figure})" for figure in told]
    numbers = [str(card["examples"]), f"{card['epochs']:g}", *told]
    return [*name, ", ".join(row["labels"]), *numbers]


@app.command()
def show(identifier: Identifier, json: Json = False) -> None:
    """Show one classifier: its setting, curve, scores, what its curve suffered from, and its export."""
    from finetune.registry import describe_classifier
    from lab.chart import curve_chart

    document = describe_classifier(identifier)
    if json:
        Console().document(document)
        return
    console, card = Console(), document["card"]
    console.answer(trained_sentence(document | card))
    told = {**document["hyperparameters"], "base": document["base"], "data": card["dataset"], "device": card["device"]}
    console.table(["setting", "value"], [[name, value] for name, value in told.items()])
    console.answer(curve_chart(card["curve"], card["steps"]) or "no curve")
    for line in (*card["findings"], *([document["serving"]["why"]] if document["serving"] else [])):
        console.answer(line)


@app.command()
def promote(
    identifier: Identifier,
    force: Annotated[bool, typer.Option("--force", help="Without a significant gain; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced; it is recorded.")] = None,
    json: Json = False,
) -> None:
    """Make a challenger champion, if it is significantly better on the hold-out (else exit code 3)."""
    from finetune.promotion import promote as promote_

    if force != bool(reason and reason.strip()):
        raise typer.BadParameter("--force and --reason belong together: say why")
    _told(promote_(identifier, reason), json)


@app.command()
def rollback(json: Json = False) -> None:
    """Make the champion before this one champion again."""
    from finetune.promotion import rollback as rollback_

    _told(rollback_(), json)


def _told(event: dict[str, Any], json: bool) -> None:
    if json:
        Console().document(event)
        return
    Console().answer(f"{event['classifier']} is champion now: {event['why']}")
    measured = event.get("comparison")
    if measured:
        low, high = measured["ci"]
        Console().answer(
            f"  {measured['difference'] * 100:+.1f} points against {measured['b']} on {measured['n']} hold-out texts"
            f" (95 % interval {low * 100:+.1f} to {high * 100:+.1f}, p = {measured['p_value']:.2g});"
            f" the hold-out was looked at {event['looks']} times"
        )


@app.command()
def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; without any, one per line from stdin.")] = None,
    file: Annotated[Path | None, typer.Option(help="Read one text per line from this file, of any size.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="Append label, confidence and time of each prediction here, for bakeoff watch.")
    ] = None,
    json: Json = False,
) -> None:
    """Label texts with the champion, with its probability for each label, in constant memory."""
    from finetune.prediction import label_lines, read_lines
    from finetune.registry import champion

    if texts and file:
        raise typer.BadParameter("give texts or --file, not both")
    identifier, classifier = champion()
    Console().note(f"labelled by {identifier} ({classifier.runtime.kind})")
    if not texts and not file and sys.stdin.isatty():
        Console().note("reading texts from the keyboard, one per line; Ctrl-D ends them")
    rows = label_lines(identifier, classifier, texts or read_lines(file), log)
    if json:
        _document_stream(identifier, rows)
        return
    for row in rows:
        Console().answer(f"{row['label']}\t{max(row['scores'].values()):.3f}\t{row['text']}")


def _document_stream(identifier: str, rows: Iterator[dict[str, Any]]) -> None:
    """Print one JSON document as its rows come: a list of a million need not be held."""
    from json import dumps

    console = Console()
    console.answer(f'{{"classifier": {dumps(identifier)}, "predictions": [')
    for number, row in enumerate(rows):
        console.answer(",\n" if number else "", end="")
        console.document(row, indent=None, end="")
    console.answer("\n]}")
