"""What every group of commands looks like: plain help, no shell hooks, `--json` where there is something to read."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def command_app(help: str | None = None) -> typer.Typer:
    """Return a typer app; with `help` it is a group of commands, without it a single command."""
    app = typer.Typer(
        help=help,
        no_args_is_help=help is not None,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # brackets in help texts are defaults, not markup
    )
    if help is not None:
        app.callback(help=help)(lambda: None)  # keeps a group of one command a group
    return app
