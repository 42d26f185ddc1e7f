"""`bakeoff suggest`."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from lab.command_app import command_app
from lab.console import Console

app = command_app()


class Source(StrEnum):
    """Where past cases come from."""

    examples = "examples"
    documents = "documents"


@app.command()
def suggest(
    cases: Annotated[
        str | None,
        typer.Option(help="Labelled past cases, a file or dataset; default: what the champion learned from."),
    ] = None,
    source: Annotated[Source, typer.Option("--from", help="Take labelled examples, or passages.")] = Source.examples,
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="How many cases.")] = 5,
    sure: Annotated[float, typer.Option(min=0, max=1, help="Warn from this probability on.")] = 0.8,
    text_column: Annotated[str, typer.Option(help="The column of the texts in --cases.")] = "text",
    label_column: Annotated[str, typer.Option(help="The column of the labels in --cases.")] = "label",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document per state of the text.")] = False,
) -> None:
    """Show the nearest past cases and the champion's warning while a text is typed, or for each line of a pipe."""
    from agents.suggest.live import line_of, lines_of, type_live, warning_of
    from agents.suggest.suggester import Suggester
    from lab.datasets import load_dataset

    if cases and source is Source.documents:
        raise typer.BadParameter("--cases names labelled examples; leave it out with --from documents")
    if source is Source.documents:
        suggester = Suggester.over_documents(k, sure)
    else:
        data = load_dataset(cases, text_column, label_column) if cases else None
        suggester = Suggester.over_examples(data, k, sure)
    if not len(suggester.cases):
        Console().note("there are no past cases; fill the document index with: bakeoff index add")

    if sys.stdin.isatty():
        taken = type_live(suggester)
        if taken and json:
            Console().document(taken.document(), indent=None)
        elif taken:
            Console().answer("\n".join([taken.text, *lines_of(taken)]))
        return
    for text in _states():
        suggestion = suggester.suggest(text)
        if json:
            Console().document(suggestion.document(), indent=None)
        else:
            Console().answer("\t".join([warning_of(suggestion) or "-", *map(line_of, suggestion.cases[:1])]))


def _states() -> Iterator[str]:
    """Yield each line of stdin, as it comes; bytes that are no UTF-8 are shown as U+FFFD."""
    for line in sys.stdin.buffer:
        yield line.decode(errors="replace").rstrip("\r\n")
