"""The front door: mounts each floor's commands lazily, nothing else."""

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from lab.command_app import command_app
from lab.errors import BakeoffError

# name: (module, the typer app in it, its line in the help); a module is imported when its command is called.
COMMANDS = {
    "chat": ("agents.commands", "chat_app", "Talk with the agent."),
    "conversations": ("agents.memory.commands", "app", "What was said in the chat: list, show, export, delete."),
    "eval": ("evals.commands.eval", "app", "Score approaches side by side, with a verdict."),
    "train": ("finetune.commands.train", "app", "Fine-tune a BERT on labelled texts."),
    "sweep": ("finetune.commands.sweep", "app", "Search the hyper-parameters that do best."),
    "classifier": ("finetune.commands.classifier", "app", "The trained classifiers: list, show, promote, predict."),
    "watch": ("finetune.commands.watch", "app", "Follow trainings and predictions; tell what goes wrong."),
    "suggest": ("agents.suggest.commands", "app", "Show nearest past cases and a warning as one types."),
    "index": ("rag.commands", "app", "The document index: add, sync, search, show, verify, rebuild."),
    "llm": ("lab.commands", "app", "Base LLMs: check."),
    "tools": ("agents.tool_commands", "app", "The agent's tools: list, call; MCP servers: trust."),
    "mcp": ("evals.commands.mcp", "app", "Offer the lab's tools and runs to MCP clients."),
    "advise": ("evals.commands.advise", "app", "Say which arm to use, at what cost, and what would change that."),
    "dashboard": ("dashboard.commands", "app", "Open the window on what was measured."),
    "runs": ("evals.commands.runs", "app", "Eval runs: list, show, report, compare, gate, reproduce, export."),
}


class _Floors(TyperGroup):
    """A command group that knows its commands by name and line, and loads one when it is needed."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.stderr.write("\nbakeoff: stopped; the same command goes on where this one was\n")
            raise typer.Exit(130) from None

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, name, line = COMMANDS[cmd_name]
        if ctx.resilient_parsing or "--help" in sys.argv[1:2] or not sys.argv[1:]:
            command = typer.main.get_command(_placeholder(line))
        else:
            command = typer.main.get_command(getattr(import_module(module), name))
        command.name = cmd_name
        return command


def _placeholder(line: str) -> typer.Typer:
    """Return an app that has only its help line, which is all that `bakeoff --help` shows."""
    app = command_app()
    app.command(help=line)(lambda: None)
    return app


app = typer.Typer(
    cls=_Floors, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def _bakeoff() -> None:
    """Fine-tune, or retrieve? Bakeoff answers by measurement."""


def _check_words(words: list[str]) -> None:
    """Refuse what is no text, which would fail wherever it is first written or read."""
    for word in words:
        if not word.isprintable() and word.encode(errors="replace").decode() != word:
            raise BakeoffError("a command in UTF-8", ascii(word)[:80], "convert that word, or give it in a file")


def main() -> None:
    """Run the command line: an error the user can mend is one line on stderr, never a traceback."""
    try:
        _check_words(sys.argv)
        app()
    except BakeoffError as error:
        _end_with(error)
    except OSError as error:
        from lab.workspace import refusal

        told = refusal(error)
        if told is None:
            raise
        _end_with(told)


def _end_with(error: BakeoffError) -> NoReturn:
    sys.stderr.write(f"bakeoff: {error}\n")
    try:
        sys.stdout.flush()
    except OSError:  # at its end Python would try once more, and tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
