"""What the benchmarks share: two sides timed by turns, medians and ratios, a table, and a small champion to time."""

import importlib.metadata
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import psutil

from lab.console import Console
from lab.datasets import Split, load_dataset, split_dataset
from lab.settings import settings

BUSY = 20  # percent of the machine that others may use before the figures are in doubt
LIBRARIES = ("torch", "transformers", "onnxruntime", "openvino", "tokenizers")
SMALL = 800  # tweets that the champion of a benchmark learns from

Lap = TypeVar("Lap")


@dataclass(frozen=True)
class Comparison:
    """One quantity, measured on both sides once a round.

    Attributes:
        goal: how many times as fast as the peer Bakeoff wants to be; None where it only looks.
        less_is_faster: the figures are times; else they are rates.
    """

    what: str
    unit: str
    bakeoff: Sequence[float]
    peer: Sequence[float]
    goal: float | None = None
    less_is_faster: bool = False

    @property
    def times_as_fast(self) -> float:
        """Return the ratio of the medians."""
        return self._ratio(statistics.median(self.bakeoff), statistics.median(self.peer))

    @property
    def spread(self) -> tuple[float, float]:
        """Return the smallest and the largest ratio of a round."""
        ratios = [self._ratio(ours, theirs) for ours, theirs in zip(self.bakeoff, self.peer, strict=True)]
        return min(ratios), max(ratios)

    def row(self) -> list[str]:
        """Return the cells of its line in the table."""
        low, high = self.spread
        sides = [f"{statistics.median(side):.4g}" for side in (self.bakeoff, self.peer)]
        goal = "" if self.goal is None else f"{self.goal:g}"
        ratios = [f"{self.times_as_fast:.2f}", f"{low:.2f}–{high:.2f}"]
        return [self.what, self.unit, *sides, *ratios, goal, spoken(self.met)]

    def document(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "what": self.what,
            "unit": self.unit,
            "bakeoff": {"median": statistics.median(self.bakeoff), "rounds": list(self.bakeoff)},
            "peer": {"median": statistics.median(self.peer), "rounds": list(self.peer)},
            "times_as_fast": self.times_as_fast,
            "spread": list(self.spread),
            "goal": self.goal,
            "met": self.met,
        }

    @property
    def met(self) -> bool | None:
        """Return whether the goal was reached; None without one."""
        return None if self.goal is None else self.times_as_fast >= self.goal

    def _ratio(self, ours: float, theirs: float) -> float:
        return theirs / ours if self.less_is_faster else ours / theirs


def by_turns(sides: Mapping[str, Callable[[int], Lap]], rounds: int) -> dict[str, list[Lap]]:
    """Let each side run once a round, and return what each returned, round by round.

    A side gets the number of the round. Every second round goes backwards, so that a machine that grows slower or
    faster favours nobody.
    """
    laps: dict[str, list[Lap]] = {name: [] for name in sides}
    for number in range(rounds):
        Console().note(f"round {number + 1} of {rounds}: {', '.join(sides)} …")
        for name in list(sides)[:: -1 if number % 2 else 1]:
            laps[name].append(sides[name](number))
    return laps


def comparison_table(comparisons: Sequence[Comparison], peer: str) -> str:
    """Return the comparisons as a table: medians, their ratio, its range over the rounds, the goal."""
    headers = ["", "unit", "Bakeoff", peer, "times as fast", "range", "goal", "verdict"]
    return markdown(headers, [comparison.row() for comparison in comparisons])


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown whose columns also stand in line as plain text."""
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    lines = [headers, ["-" * width for width in widths], *rows]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def spoken(met: bool | None) -> str:
    """Return whether a goal was met, in a word."""
    return {True: "met", False: "MISSED", None: ""}[met]


def present(title: str, document: Mapping[str, Any], tables: Sequence[str], json: bool) -> None:
    """Print what a benchmark found: the tables with the machine they were made on, or one JSON document."""
    console, here = Console(), machine()
    if json:
        console.document({"benchmark": title, "machine": here, **document})
        return
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    console.answer(f"# {title}\n\n{here['processor']}, {here['cores']} cores; {versions}\n")
    console.answer("\n\n".join(tables))


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, and the versions of what computes."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def warn_if_busy() -> None:
    """Warn when something else is computing, which makes every figure too low."""
    used = psutil.cpu_percent(interval=1)
    if used > BUSY:
        Console().warn(f"{used:.0f} % of this machine is busy with something else; do not trust the figures")


@contextmanager
def small_champion(tweets: int = SMALL, epochs: float = 1) -> Iterator[tuple[Path, Split]]:
    """Yield the folder of a classifier trained on the first so many tweets, quickly by default, and the tweets' split.

    It is the champion of a workspace of its own, exported as any champion is, and computes on the CPU; all of it is
    gone after the block.
    """
    from finetune.hyperparameters import Hyperparameters
    from finetune.registry import classifier_folder, train_or_reuse

    with tempfile.TemporaryDirectory(prefix="bakeoff-benchmark-") as home, mock.patch.dict(os.environ):
        os.environ |= {"BAKEOFF_HOME": home, "BAKEOFF_DEVICE": "cpu", "BAKEOFF_CLASSIFIER": ""}
        settings.cache_clear()
        split = split_dataset(load_dataset())
        few = split.train.subset(range(min(tweets, len(split.train))))
        trained = train_or_reuse(few, split.validation, Hyperparameters(num_train_epochs=epochs))
        os.environ["BAKEOFF_CLASSIFIER"] = trained.id  # whatever .env or bakeoff.yaml say
        yield classifier_folder(trained.id), split
    settings.cache_clear()


def _processor() -> str:
    """Return the processor's name."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
