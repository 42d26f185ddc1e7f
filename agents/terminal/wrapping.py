"""Text broken between words at the terminal's edge, also while it is still coming."""

import re
import shutil
import sys
from collections.abc import Callable

from rich.cells import cell_len

from lab.console import Console, printable

COMMON = 20  # cells; a word shorter than that is seldom finished longer
_PART = re.compile(r"\n|[^\S\n]+|\S+")


def terminal_width() -> int | None:
    """Return the terminal's columns; None where stdout is a file or a pipe, whose lines stay as they are."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class WrappedText:
    """Writes pieces of text so that no line breaks within a word that fits on one.

    A word is written as its letters come, unless it might reach the edge: then it waits for its end.

    Args:
        width: the line's cells; None writes the pieces as they come.
        indent: what stands before each line after the first.
        write: where the text goes, by default the answer of the console.
    """

    def __init__(self, width: int | None, indent: str = "", write: Callable[[str], None] | None = None) -> None:
        self._width, self._indent = width, indent
        self._write = write or (lambda text: Console().answer(text, end=""))
        self._column, self._space, self._word, self._begun = 0, "", "", False

    def feed(self, piece: str) -> None:
        """Write the next piece, or hold back its last word."""
        if self._width is None:
            self._write(piece.replace("\n", "\n" + self._indent))
            return
        for part in _PART.findall(printable(piece).expandtabs(4)):
            if part == "\n":
                self._end_word()
                self._put("\n" + self._indent)
                self._space, self._column = "", cell_len(self._indent)
            elif part.isspace():
                self._end_word()
                self._space += part
            else:
                self._add(part)

    def close(self) -> None:
        """Write what was held back, and end the line."""
        self._end_word()
        self._write("\n")

    def _add(self, letters: str) -> None:
        if self._begun:
            self._put(letters)
            return
        self._word += letters
        if self._width and self._column + len(self._space) + max(COMMON, cell_len(self._word)) <= self._width:
            self._put(self._space + self._word)
            self._space, self._word, self._begun = "", "", True

    def _end_word(self) -> None:
        if self._word and self._width:
            if self._column + cell_len(self._space + self._word) <= self._width:
                self._put(self._space + self._word)
            else:
                self._put("\n" + self._indent)
                self._column = cell_len(self._indent)
                self._put(self._word)
            self._space = ""
        self._word, self._begun = "", False

    def _put(self, text: str) -> None:
        self._write(text)
        self._column += cell_len(text)


def say(text: str, indent: str = "") -> None:
    """Write a whole text as part of the answer, wrapped at a terminal."""
    wrapped = WrappedText(terminal_width(), indent)
    wrapped.feed(text)
    wrapped.close()
