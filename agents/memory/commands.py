"""`bakeoff conversations`: what was said in the chat, listed, read, renamed, exported and deleted."""

from pathlib import Path
from typing import Annotated

import typer

from lab.command_app import Json, command_app
from lab.console import Console

app = command_app("The chat's conversations: list, show, rename, delete, export.")

Which = Annotated[str, typer.Argument(help="Its id, the beginning of that, its title or a part of it.")]
Optionally = Annotated[str | None, typer.Argument(help="Its id or title; default: the last used.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """List the conversations, the last used first."""
    from dataclasses import asdict

    from agents.memory import open_memory
    from agents.memory.transcript import when

    with open_memory() as memory:
        known = memory.list()
    if json:
        Console().document([asdict(one) for one in known])
        return
    if not known:
        Console().note("no conversation yet; begin one with: bakeoff chat")
        return
    Console().table(
        ["id", "title", "questions", "last used"],
        [[one.id, one.title, one.questions, when(one.updated_at)] for one in known],
    )


@app.command()
def show(which: Optionally = None, json: Json = False) -> None:
    """Print a conversation as Markdown."""
    from agents.memory import open_memory, read_transcript

    with open_memory() as memory:
        about = memory.find(which)
        transcript = read_transcript(memory, about.id)
    if json:
        Console().document(transcript.document(about))
    else:
        Console().answer(transcript.markdown(about), end="")


@app.command()
def export(
    which: Which, file: Annotated[Path, typer.Argument(help="Where to: a file ending in .md or .json.")]
) -> None:
    """Write a conversation to a file, keys masked."""
    from agents.memory import open_memory, read_transcript

    with open_memory() as memory:
        about = memory.find(which)
        read_transcript(memory, about.id).save(file, about)
    Console().answer(str(file))


@app.command()
def rename(which: Which, title: Annotated[str, typer.Argument(help="The new title.")]) -> None:
    """Give a conversation another title."""
    from agents.memory import open_memory

    with open_memory() as memory:
        now = memory.rename(memory.find(which).id, title)
    Console().answer(f"{now.id} is now called '{now.title}'")


@app.command()
def delete(which: Which) -> None:
    """Forget a conversation for good."""
    from agents.memory import open_memory

    with open_memory() as memory:
        about = memory.find(which)
        memory.delete(about.id)
    Console().answer(f"{about.id} '{about.title}' is deleted")
