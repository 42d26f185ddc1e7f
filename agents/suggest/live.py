"""The terminal as one types: a line to edit, and under it the warning and the nearest cases."""

import asyncio
import sys
from typing import Any, cast

from agents.suggest.suggester import Suggester, Suggestion
from lab.console import printable
from rag import Evidence

PAUSE_SECONDS = 0.06  # between the last keystroke and the look-up
PROMPT = "text> "
LONGEST = 200  # characters of a case that are shown


def type_live(suggester: Suggester) -> Suggestion | None:
    """Let the user type; return the suggestion for the text taken with Enter, None after Ctrl-C or Esc.

    The line and the list are drawn on stderr: stdout is for the answer.
    """
    from prompt_toolkit.application import Application
    from prompt_toolkit.output import create_output

    view = _View(suggester)
    app: Application[str | None] = Application(
        view.layout(), key_bindings=_keys(), output=create_output(stdout=sys.stderr), erase_when_done=True
    )
    app.ttimeoutlen = PAUSE_SECONDS  # Esc alone is told from the keys that begin with it
    view.redraw = app.invalidate
    text = app.run()
    return None if text is None else suggester.suggest(text)


def lines_of(suggestion: Suggestion) -> list[str]:
    """Return a suggestion as lines: the warning, if there is one, then the cases."""
    return [line for line in (warning_of(suggestion), *map(line_of, suggestion.cases)) if line]


def line_of(case: Evidence) -> str:
    """Return a case as one line: score, label if it has one, text."""
    words = f"{case.score:.2f}  {case.label and case.label + '  '}{' '.join(case.text.split())}"
    return words if len(words) <= LONGEST else words[:LONGEST] + " …"


def warning_of(suggestion: Suggestion) -> str:
    """Return a suggestion's warning in words; "" without one."""
    warning = suggestion.warning
    if warning is None:
        return ""
    words = f"probably {warning.label} ({warning.probability:.0%}"
    return words + (f"; {warning.share:.0%} of the nearest cases)" if warning.share is not None else ")")


class _View:
    """The line being edited and what is shown under it, brought up to date when typing pauses."""

    def __init__(self, suggester: Suggester) -> None:
        from prompt_toolkit.buffer import Buffer

        self.redraw: Any = lambda: None
        self._suggester = suggester
        self._shown: Suggestion | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._buffer = Buffer(multiline=False, on_text_changed=lambda _: self._changed())

    def layout(self) -> Any:
        """Return the line with its prompt, and the list under it."""
        from prompt_toolkit.layout import HSplit, Layout, VSplit, Window
        from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl

        line = Window(BufferControl(self._buffer), height=1)
        prompt = Window(FormattedTextControl(PROMPT), width=len(PROMPT), height=1)
        return Layout(HSplit([VSplit([prompt, line]), Window(FormattedTextControl(cast(Any, self._below)))]), line)

    def _changed(self) -> None:
        """Start to wait anew: an answer to a text that is no more would only delay the next."""
        if self._waiting:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().create_task(self._look_up(self._buffer.text))

    async def _look_up(self, text: str) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        self._shown = await asyncio.to_thread(self._suggester.suggest, text)
        self.redraw()

    def _below(self) -> list[tuple[str, str]]:
        from prompt_toolkit.application import get_app

        if self._shown is None:
            return [("fg:ansibrightblack", "Enter takes the text; Esc or Ctrl-C leaves")]
        width = get_app().output.get_size().columns - 1
        lines = [printable(line)[:width] for line in lines_of(self._shown)]
        style = "bold" if self._shown.warning else ""
        return [(style if number == 0 else "", line + "\n") for number, line in enumerate(lines)]


def _keys() -> Any:
    """Return the keys that end it; all others edit the line."""
    from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
    from prompt_toolkit.key_binding.defaults import load_key_bindings

    keys = KeyBindings()
    keys.add("enter", eager=True)(lambda event: event.app.exit(event.app.current_buffer.text))
    for leaving in ("c-c", "escape", "c-d"):
        keys.add(leaving, eager=True)(lambda event: event.app.exit(None))
    return merge_key_bindings([load_key_bindings(), keys])
