"""`bakeoff train` and `bakeoff classifier`."""

import sys
from typing import Annotated, Any

import typer

from lab.command_app import Json, command_app
from lab.console import Console

train_app = command_app()
app = command_app("The registry: list, predict.")


@train_app.command()
def train(
    data: Annotated[str, typer.Option(help="tweets, a CSV/TSV/JSONL/Parquet file, or hf:org/name[@split].")] = "tweets",
    text_column: Annotated[str, typer.Option(help="The column with the text.")] = "text",
    label_column: Annotated[str, typer.Option(help="The column with the label.")] = "label",
    base: Annotated[
        str, typer.Option(help="BERT to start from: embedded:minilm, a hub id, or a folder.")
    ] = "embedded:minilm",
    learning_rate: Annotated[float | None, typer.Option(help="Step size of AdamW at its highest [1e-4].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples per step [16].")] = None,
    num_train_epochs: Annotated[float | None, typer.Option(help="Passes over the data; 0.25 is a quarter [4].")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", "--l2", help="L2 penalty [0.01].")] = None,
    warmup_steps: Annotated[int | None, typer.Option(help="Steps up to the full learning rate [0].")] = None,
    warmup_ratio: Annotated[float | None, typer.Option(help="The same as a share of all steps [0.1].")] = None,
    gradient_accumulation_steps: Annotated[int | None, typer.Option(help="Batches per optimizer step [1].")] = None,
    lr_scheduler_type: Annotated[str | None, typer.Option(help="How the learning rate falls [linear].")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Target share spread over all labels [0].")] = None,
    max_grad_norm: Annotated[float | None, typer.Option(help="Longest gradient [1].")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest text in tokens [128].")] = None,
    eval_steps: Annotated[int | None, typer.Option(help="Validate every so many steps [once per epoch].")] = None,
    seed: Annotated[int | None, typer.Option(help="Seeds weights, shuffling, dropout and the split.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train again even if this very classifier exists.")] = False,
    json: Json = False,
) -> None:
    """Fine-tune a BERT on labelled texts."""
    from finetune.hyperparameters import Hyperparameters
    from finetune.registry import champion_id, train_or_reuse
    from lab.datasets import load_dataset, split_dataset
    from lab.settings import settings

    knobs = {name: value for name, value in locals().items() if name in Hyperparameters.model_fields}
    knobs["seed"] = settings().seed if seed is None else seed
    hyperparameters = Hyperparameters.checked(**knobs)
    dataset = load_dataset(data, text_column, label_column)
    for line in dataset.left_out:
        Console().warn(line)
    split = split_dataset(dataset, hyperparameters.seed)
    trained = train_or_reuse(split.train, split.validation, hyperparameters, base, fresh)
    if trained.reused:
        Console().note(f"{trained.id} was trained before with this data and setting; --fresh trains it again")
    if champion_id() != trained.id:
        Console().note(f"the agent goes on with {champion_id()}; to use this one, set BAKEOFF_CLASSIFIER={trained.id}")
    document = _document(trained.id, trained.classifier.card, hyperparameters.model_dump())
    Console().document(document) if json else Console().answer(_sentence(document))


def _document(identifier: str, card: dict[str, Any], hyperparameters: dict[str, Any]) -> dict[str, Any]:
    told = {name: card[name] for name in ("steps", "epochs", "seconds", "train_loss", "validation")}
    return {"classifier": identifier, **told, "hyperparameters": hyperparameters, "estimate": card["estimate"]}


def _sentence(document: dict[str, Any]) -> str:
    scores, estimate = document["validation"], document["estimate"]
    return (
        f"{document['classifier']}: {document['steps']} steps ({document['epochs']:g} epochs)"
        f" in {document['seconds']:.0f} s (estimated {estimate['seconds']:.0f} s); validation accuracy"
        f" {scores['accuracy']:.1%}, macro-F1 {scores['macro_f1']:.3f}, mean training loss {document['train_loss']:.3f}"
    )


@app.command("list")
def list_(json: Json = False) -> None:
    """List the classifiers of this workspace; * marks the champion."""
    from finetune.registry import TRAIN_COMMAND, list_classifiers

    rows = list_classifiers()
    if json:
        Console().document(rows)
        return
    if not rows:
        Console().note(f"there is no classifier yet; train one with: {TRAIN_COMMAND}")
        return
    headers = ["", "classifier", "labels", "examples", "epochs", "validation accuracy", "macro-F1"]
    Console().table(headers, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    card, scores = row["card"], row["card"]["validation"]
    name = ["*" if row["champion"] else "", row["classifier"], ", ".join(row["labels"])]
    numbers = [str(card["examples"]), f"{card['epochs']:g}", f"{scores['accuracy']:.1%}", f"{scores['macro_f1']:.3f}"]
    return name + numbers


@app.command()
def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; without any, one per line from stdin.")] = None,
    json: Json = False,
) -> None:
    """Label texts with the champion, with its probability for each label."""
    from finetune.registry import champion

    identifier, classifier = champion()
    Console().note(f"labelled by {identifier}")
    lines = texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    probabilities = classifier.predict_proba(lines)
    rows = [
        {
            "text": text,
            "label": classifier.labels[row.argmax()],
            "scores": dict(zip(classifier.labels, map(float, row), strict=True)),
        }
        for text, row in zip(lines, probabilities, strict=True)
    ]
    if json:
        Console().document({"classifier": identifier, "predictions": rows})
        return
    for row in rows:
        Console().answer(f"{row['label']}\t{max(row['scores'].values()):.3f}\t{row['text']}")
