"""Options that commands of this floor share: the data, the base, and one flag per hyper-parameter."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from finetune.hyperparameters import Hyperparameters

Data = Annotated[str, typer.Option(help="tweets, a CSV/TSV/JSONL/Parquet file, or hf:org/name[@split].")]
TextColumn = Annotated[str, typer.Option(help="The column with the text.")]
LabelColumn = Annotated[str, typer.Option(help="The column with the label.")]
Base = Annotated[str, typer.Option(help="BERT to start from: embedded:minilm, a hub id, or a folder.")]
Refit = Annotated[
    int,
    typer.Option(
        min=0,
        max=16,
        metavar="N",
        help="Then train N times more, on the validation texts too; the mean of their weights is the classifier.",
    ),
]

ALSO = {"weight_decay": "--l2"}  # other names of a knob


def with_knobs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option per hyper-parameter, in the place of its `**knobs`; the help tells the defaults."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    knobs = [_option(name) for name in Hyperparameters.model_fields]
    command.__signature__ = inspect.Signature([*own, *knobs])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *knobs)}
    return command


def _option(name: str) -> inspect.Parameter:
    field = Hyperparameters.model_fields[name]
    flag = f"--{name.replace('_', '-')}"
    default = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default}"
    flags = [f"{flag}/--no-{flag[2:]}"] if field.annotation is bool else [flag, *filter(None, [ALSO.get(name)])]
    shown = typer.Option(*flags, help=f"{field.description} [{default}]", show_default=False)
    kind: Any = field.annotation if field.annotation in (bool, int, float) else str
    annotation = Annotated[kind | None, shown]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
