"""`bakeoff index rebuild`, `switch` and `prune`."""

from dataclasses import asdict
from typing import Annotated

import typer

from lab.command_app import Json
from lab.console import Console


def rebuild(
    embeddings: Annotated[str, typer.Option(help="The embedding model: embedded:minilm, a hub id or a folder.")],
    json: Json = False,
) -> None:
    """Build the index anew with another embedding model, beside the old one, which answers until the new one is whole.

    The same command goes on where a killed one was. The old index is kept: see `switch` and `prune`.
    """
    from rag.rebuild import rebuild as build

    built = build(embeddings)
    if json:
        Console().document(asdict(built))
        return
    again = f", {built.kept} were there already" if built.kept else ""
    Console().answer(
        f"{built.collection} answers now: {built.embedded} passages embedded with {built.embeddings}{again}"
    )
    Console().note("back to the old one: bakeoff index switch; to delete it: bakeoff index prune")


def switch(
    to: Annotated[
        str | None, typer.Argument(help="Name or embedding model of an earlier index; default: the newest of them.")
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Only list what can be switched to.")] = False,
    json: Json = False,
) -> None:
    """Let an earlier index answer again; it is first brought in line with what was added."""
    from rag.rebuild import switch as switch_to
    from rag.status import status

    if list_only:
        rows = [row for row in status()["generations"] if row["state"] == "kept"]
        if json:
            Console().document(rows)
        else:
            Console().table(
                ["index", "embeddings", "passages"], [[r["index"], r["embeddings"], r["passages"]] for r in rows]
            )
        return
    generation, done = switch_to(to)
    if json:
        Console().document({"index": generation.collection, "embeddings": generation.embeddings, "added": done.added})
        return
    Console().answer(
        f"{generation.collection} answers now, with {generation.embeddings}; {done.added} passages were added to it,"
        f" {done.removed} removed"
    )


def prune(json: Json = False) -> None:
    """Delete all indexes of documents but the one that answers."""
    from rag.rebuild import prune as delete_others

    names = delete_others()
    if json:
        Console().document({"deleted": names})
    else:
        Console().answer(f"{len(names)} deleted" + (f": {', '.join(names)}" if names else ""))
