"""Labels for lines of text, from a file of any size or a pipe, in constant memory."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from finetune.classifier import DIGITS, Classifier
from lab.errors import BakeoffError


def read_lines(path: Path | None) -> Iterator[str]:
    """Yield the lines that are not blank, of a file or, without one, of stdin.

    Raises:
        BakeoffError: there is no such file, or it is not UTF-8.
    """
    if path is None and isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")  # a POSIX locale would let anything pass
    try:
        with path.open(encoding="utf-8") if path else nullcontext(sys.stdin) as lines:
            yield from (line.rstrip("\n") for line in lines if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        where = str(path or "stdin")
        raise BakeoffError(f"lines of UTF-8 text in {where}", str(error), "check the path, or convert it") from None


def label_lines(
    identifier: str, classifier: Classifier, lines: Iterable[str], log: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield {text, label, scores} for each line, in order; with `log`, append a line to it for `bakeoff watch`.

    Raises:
        BakeoffError: the log cannot be written.
    """
    try:
        with log.open("a", encoding="utf-8") if log else nullcontext() as file:
            for text, row in classifier.stream(lines):
                label = classifier.labels[row.argmax()]
                if file:
                    seen = {"classifier": identifier, "label": label, "confidence": round(float(row.max()), DIGITS)}
                    file.write(json.dumps({"time": round(time.time(), 3), **seen}) + "\n")
                yield {
                    "text": text,
                    "label": label,
                    "scores": dict(zip(classifier.labels, map(float, row), strict=True)),
                }
    except OSError as error:
        raise BakeoffError(f"a log to append to at {log}", str(error), "name another file with --log") from None
