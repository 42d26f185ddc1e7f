"""`bakeoff index`: fill, search and inspect the index of documents."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lab.command_app import Json, command_app
from lab.console import Console

app = command_app("The document index: add, search, status.")


@app.command()
def add(
    path: Annotated[
        Path | None, typer.Argument(help="A file or folder of Markdown or text; default: the handbook.")
    ] = None,
    json: Json = False,
) -> None:
    """Bring documents into the index; unchanged ones cost nothing."""
    from rag.documents import handbook_folder
    from rag.index import add_documents

    path = path or handbook_folder()
    done = add_documents(path)
    if json:
        Console().document(
            {"path": str(path), "added": done.added, "removed": done.removed, "unchanged": done.unchanged}
        )
    else:
        Console().answer(
            f"{path}: {done.added} passages added, {done.removed} removed, {done.unchanged} unchanged"
            f" ({done.seconds:.1f} s)"
        )


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many passages.")] = 4,
    json: Json = False,
) -> None:
    """Show the passages nearest to a query, with their places."""
    from rag.index import as_documents, document_index

    evidence = document_index().search([query], k)[0]
    if json:
        Console().document(as_documents(evidence))
        return
    if not evidence:
        Console().note("the index is empty; fill it with: bakeoff index add")
    for number, item in enumerate(evidence, 1):
        Console().answer(
            f"[{number}] {item.source}:{item.span[0]}-{item.span[1]}  score {item.score:.3f}\n{item.text}\n"
        )


@app.command()
def status(json: Json = False) -> None:
    """List the indexes: passages, embedding model, time to build, last sync."""
    from rag.index import index_status

    rows = index_status()
    if json:
        Console().document(rows)
        return
    if not rows:
        Console().note("there is no index yet; make one with: bakeoff index add")
        return
    Console().table(
        ["index", "passages", "embeddings", "built in (s)", "last sync"],
        [
            [row["index"], row["passages"], row["embeddings"], f"{row['built_seconds']:.1f}", _when(row["synced_at"])]
            for row in rows
        ],
    )


def _when(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds") if epoch else "never"
