"""What the user sees: the answer on stdout, all else on stderr, and no raw control characters from outside."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

# C0 and C1 controls but tab and newline; the overrides and isolates that reverse text (Boucher & Anderson 2021, Trojan
# Source); line separators, annotations and tags, which hide it; halves of characters, which no terminal can be sent.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return `text` with terminal control characters shown as U+FFFD, so that data cannot steer the terminal."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def as_json(document: object, indent: int | None = 2) -> str:
    """Return a document as JSON in which no control character stands raw."""
    return _CONTROL.sub(lambda found: _escaped(found[0]), json.dumps(document, indent=indent, ensure_ascii=False))


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"


def warning(text: str) -> Text:
    """Return a warning as it is printed."""
    return Text(f"warning: {printable(text)}")


class Console:
    """The two streams of a command; `answer` is what a pipe receives."""

    def __init__(self) -> None:
        # A terminal gets whole words on a line; in a file or a pipe a line stays a line.
        self._stderr = RichConsole(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._stdout = RichConsole(highlight=False)

    def note(self, text: str) -> None:
        """Tell the user something that is not the answer."""
        self._stderr.print(Text(printable(text)), style="dim")

    def warn(self, text: str) -> None:
        """Tell the user something that may change what they do."""
        self._stderr.print(warning(text), style="yellow")

    def answer(self, text: str, end: str = "\n") -> None:
        """Print the answer, or a piece of it."""
        sys.stdout.write(printable(text) + end)
        sys.stdout.flush()

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
        """Print a table as the answer, numbers to the right; complete also when the output is not a terminal."""
        if not self._stdout.is_terminal:
            self._stdout.width = 160
        table = Table(title=title and Text(printable(title)), title_justify="left")
        cells = [[Text(printable(str(cell))) for cell in row] for row in rows]
        for number, header in enumerate(headers):
            numeric = all(re.fullmatch(r"[-–\d.,% ]*", row[number].plain) for row in cells)
            table.add_column(header, justify="right" if cells and numeric else "left")
        for row in cells:
            table.add_row(*row)
        self._stdout.print(table)

    def document(self, document: object, indent: int | None = 2, end: str = "\n") -> None:
        """Print one JSON document as the answer, or a piece of one."""
        sys.stdout.write(as_json(document, indent) + end)
        sys.stdout.flush()


def progress_columns() -> tuple[ProgressColumn, ...]:
    """Return what a bar shows: words, bar, count, rate, time left."""
    words = TextColumn("{task.description}", markup=False)  # a path may have brackets in it
    return words, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()


def is_drawable(console: RichConsole) -> bool:
    """Return whether lines can be drawn over; FORCE_COLOR makes rich take a pipe for a terminal."""
    return console.is_interactive and console.file.isatty()


class _Rate(ProgressColumn):
    """How many steps a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


class Bar:
    """One line of progress; `advance` moves it."""

    def __init__(self, bar: Progress, task: int) -> None:
        self._bar, self._task = bar, task

    def advance(self, steps: float = 1) -> None:
        """Move the bar by `steps`."""
        self._bar.advance(self._task, steps)  # type: ignore[arg-type]

    def describe(self, text: str) -> None:
        """Change the words in front of the bar."""
        self._bar.update(self._task, description=printable(text))  # type: ignore[arg-type]


@contextmanager
def progress(description: str, total: float) -> Iterator[Bar]:
    """Show a bar on stderr with rate and time left; a single line when stderr is not a terminal."""
    console, description = RichConsole(stderr=True), printable(description)
    if not is_drawable(console):
        console.print(Text(f"{description} ({total:g})"))
    # An answer that is piped must stay on stdout.
    with Progress(
        *progress_columns(), console=console, disable=not is_drawable(console), redirect_stdout=sys.stdout.isatty()
    ) as bar:
        yield Bar(bar, bar.add_task(description, total=total))
