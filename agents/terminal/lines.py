"""What the user types: edited, with history and completion, at a terminal; plain lines from a pipe."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from agents.terminal.commands import COMMANDS, Session
from lab.llm.resolve import PROVIDER_KEYS
from lab.llm.weights import EMBEDDED
from lab.redact import redacted
from lab.settings import settings
from lab.workspace import Workspace

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

PROMPT, MORE = "you> ", "   > "


def typed_lines(session: Session) -> Iterator[str]:
    """Yield what the user says, a line or a pasted block at a time, until they leave."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin)
        return
    prompt = _prompt(session)
    while True:
        try:
            yield prompt.prompt(PROMPT, prompt_continuation=MORE).strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _prompt(session: Session) -> "PromptSession[str]":
    from prompt_toolkit import PromptSession
    from prompt_toolkit.output import create_output

    folder = Workspace.current().home
    folder.mkdir(parents=True, exist_ok=True)
    return PromptSession(
        history=History(folder / "history"),
        completer=SlashCompleter(session),
        complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
        key_bindings=_keys(),
        output=create_output(always_prefer_tty=True),  # an answer that goes to a file has no prompts in it
    )


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class History(FileHistory):
    """Lines of earlier sessions, for their owner alone, without the keys that were typed in them."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        super().__init__(str(path))

    def store_string(self, string: str) -> None:
        """Append what was typed to the file."""
        super().store_string(redacted(string))


class SlashCompleter(Completer):
    """Completes slash commands, and what stands after some of them: models, conversations, files."""

    def __init__(self, session: Session) -> None:
        self._session, self._paths = session, PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what could stand at the cursor; nothing in a line that is no command."""
        text = document.text_before_cursor
        if not text.startswith("/"):
            return
        name, space, argument = text[1:].partition(" ")
        if not space:
            for known, command in COMMANDS.items():
                if known.startswith(name):
                    yield Completion(f"/{known}", start_position=-len(text), display_meta=command.help)
        elif name == "save":
            yield from self._paths.get_completions(Document(argument), complete_event)
        else:
            for word in self._arguments(name):
                if word.startswith(argument):
                    yield Completion(word, start_position=-len(argument))

    def _arguments(self, command: str) -> list[str]:
        if command == "model":
            return model_names(self._session)
        if command == "resume":
            return [one.title for one in self._session.memory.list()]
        if command == "sources":
            exchanges = self._session.conversation.transcript().exchanges
            return [str(n) for n, _ in enumerate(exchanges[-1].evidence, 1)] if exchanges else []
        return []


def model_names(session: Session) -> list[str]:
    """Return the base LLMs that can be named without asking anybody: embedded, in use, and providers with a key."""
    embedded = [f"embedded:{name}" for name in EMBEDDED]
    providers = [f"{provider}:" for provider, key in PROVIDER_KEYS.items() if getattr(settings(), key)]
    return list(dict.fromkeys([*embedded, settings().llm, session.conversation.llm.name, *providers, "ollama:"]))
