"""Memory of `bakeoff classifier predict --file`: it stays flat, however long the file.

`python -m benchmarks.memory` trains a small classifier, writes a file of short lines, and runs the command on it as a
process of its own, whose resident memory is read twenty times a second. The goal is that the peak over the whole file
is that over its first tenth. `--lines 1000000` is the figure to publish, and takes ten times as long as the default.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import psutil
import typer

from benchmarks.side_by_side import markdown, present, small_champion, spoken
from lab.command_app import Json, command_app
from lab.console import Console
from lab.runtime import WINDOW

GOAL = 1.1  # the peak over the whole file, as a multiple of that over its first tenth
WORDS = 3  # of a line
EVERY = 0.05  # seconds between looks
POINTS = (0.1, 0.5, 1.0)
TELLING = 10 * WINDOW  # lines below which the first tenth is already the whole file

app = command_app()


@app.command()
def main(
    lines: Annotated[
        int, typer.Option(min=10, help=f"Lines of the file; {WINDOW:,} are held at once, so at least {TELLING:,}.")
    ] = 100_000,
    json: Json = False,
) -> None:
    """Watch the memory of `bakeoff classifier predict --file`."""
    with small_champion() as (_, split), tempfile.TemporaryDirectory(prefix="bakeoff-benchmark-") as folder:
        path = Path(folder) / "lines.txt"
        write_lines(path, split.train.texts, lines)
        Console().note(f"labelling {lines:,} lines …")
        start = time.perf_counter()
        looks = watched([sys.executable, "-m", "cli", "classifier", "predict", "--file", str(path)])
        seconds = time.perf_counter() - start
    points = [_at(looks, share, lines) for share in POINTS]
    ratio = points[-1]["peak_mb"] / points[0]["peak_mb"]
    document = {"lines": lines, "seconds": seconds, "points": points, "peak_ratio": ratio}
    document |= {"goal": GOAL, "met": ratio <= GOAL if lines >= TELLING else None}
    present("memory", document, _tables(document), json)


@dataclass(frozen=True)
class Look:
    """How many lines were labelled, and the bytes resident then."""

    lines: int
    resident: int


def write_lines(path: Path, texts: Sequence[str], lines: int) -> None:
    """Write a file of short lines: a few words of a text each, other ones each time round."""
    words = [text.split() for text in texts]
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            own = words[number % len(words)]
            first = (number // len(words)) % max(1, len(own) - WORDS)
            file.write(" ".join(own[first : first + WORDS]) + "\n")


def watched(command: Sequence[str]) -> list[Look]:
    """Run a command that prints a line per text, and return what its memory was meanwhile.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    looks: list[Look] = []
    printed = [0]
    repository = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=repository, env=dict(os.environ)) as process:
        watcher = threading.Thread(target=_look, args=(psutil.Process(process.pid), printed, looks), daemon=True)
        watcher.start()
        stream: IO[bytes] = process.stdout  # type: ignore[assignment]
        for _ in stream:
            printed[0] += 1
        status = process.wait()
        watcher.join()
    if status:
        raise subprocess.CalledProcessError(status, list(command))
    return looks


def _look(process: psutil.Process, printed: list[int], looks: list[Look]) -> None:
    """Look until the process is gone."""
    while True:
        try:
            resident = process.memory_info().rss
        except psutil.Error:
            return
        if not resident:  # it has ended, and waits to be fetched
            return
        looks.append(Look(printed[0], resident))
        time.sleep(EVERY)


def _at(looks: Sequence[Look], share: float, lines: int) -> dict[str, Any]:
    """Return the memory when a share of the lines was labelled, and the most until then, in MB."""
    until = next((number for number, look in enumerate(looks) if look.lines >= share * lines), len(looks) - 1)
    peak = max(look.resident for look in looks[: until + 1])
    if share == 1:
        peak = max(look.resident for look in looks)
    return {"share": share, "lines": looks[until].lines, "mb": looks[until].resident / 1e6, "peak_mb": peak / 1e6}


def _tables(document: dict[str, Any]) -> list[str]:
    rows = [
        [f"{point['share']:.0%}", f"{point['lines']:,}", f"{point['mb']:.0f}", f"{point['peak_mb']:.0f}"]
        for point in document["points"]
    ]
    verdict = spoken(document["met"]) or f"none: fewer than {TELLING:,} lines"
    ratio = [f"{document['peak_ratio']:.3f}", f"at most {document['goal']:g}", verdict]
    return [
        markdown(["labelled", "lines", "resident, MB", "peak so far, MB"], rows),
        markdown(["peak, whole file / first tenth", "goal", "verdict"], [ratio]),
        f"{document['lines']:,} lines in {document['seconds']:.0f} s, the start of the command included.",
    ]


if __name__ == "__main__":
    app()
