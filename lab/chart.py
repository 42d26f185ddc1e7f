"""The learning curve of a training run, drawn with characters: as text, and live above a progress bar."""

import functools
import math
import operator
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.progress import Progress
from rich.text import Text

from lab.console import Bar, is_drawable, printable, progress_columns, warning

NARROWEST_PAIR = 70  # columns that two panels need beside each other
LOWEST_PANEL = 6  # rows without which a panel shows nothing
LEAST_SPAN = 10  # percentage points on the axis of the accuracy, so that noise does not fill it
WIDEST = 120  # columns of a live chart: a wider one shows no more
HIGHEST = 16  # rows of a live chart

Points = Sequence[Mapping[str, Any]]


def curve_chart(points: Points, total_steps: int, width: int = 78, height: int = 16, colour: bool = False) -> str:
    """Draw the losses of a training run, and its accuracy on validation once there is one.

    Args:
        points: In the order of their steps, {"step": 10, "loss": 0.91} or {"step": 20, "eval_loss": 0.7,
            "eval_accuracy": 0.71}; what is None, NaN or infinite is left out.
        total_steps: Where the axis of the steps ends.
        width: Columns of the chart; below 70, one panel stands under the other.
        height: Rows of the chart; where they are too few for two panels, the losses have them.
        colour: Whether to add ANSI colours.

    Returns:
        The lines of the chart, the same whatever the terminal; nothing while there is no point to draw.
    """
    training = _Curve.of(points, "loss", "training", ["braille"], "blue+")
    validation = _Curve.of(points, "eval_loss", "validation", ["●"], "orange+")
    accuracy = _Curve.of(points, "eval_accuracy", "validation", ["braille", "◆"], "green+", scale=100)
    panels = [_Panel("loss:", [training, validation]), _Panel("accuracy, %:", [accuracy], LEAST_SPAN, (0, 100))]
    stacked = width < NARROWEST_PAIR
    shown = [panel for panel in panels if panel.values][: max(1, height // LOWEST_PANEL) if stacked else None]
    if not shown:
        return ""
    share = (width, height // len(shown)) if stacked else (width // len(shown), height)
    last_step = max(1, total_steps, *(point["step"] for point in points))
    drawn = [panel.draw(last_step, *share) for panel in shown]
    chart = functools.reduce(operator.truediv if stacked else operator.add, drawn)
    return "\n".join(line.rstrip() for line in chart.string(colorless=not colour).splitlines())


@dataclass(frozen=True)
class _Curve:
    """One measure over the steps, told from the others by its markers; "braille" is a fine line."""

    name: str
    markers: Sequence[str]
    colour: str
    steps: Sequence[int]
    values: Sequence[float]

    @classmethod
    def of(cls, points: Points, key: str, name: str, markers: Sequence[str], colour: str, scale: float = 1) -> "_Curve":
        """Take the finite values of `key` from the points."""
        found = [(point["step"], point[key] * scale) for point in points if point.get(key) is not None]
        finite = [(step, value) for step, value in found if math.isfinite(value)]
        return cls(name, markers, colour, [step for step, _ in finite], [value for _, value in finite])

    @property
    def legend(self) -> str:
        return f"{'⠒' if self.markers[-1] == 'braille' else self.markers[-1]} {self.name}"


@dataclass(frozen=True)
class _Panel:
    """Curves on one pair of axes."""

    title: str
    curves: Sequence[_Curve]
    least_span: float = 0
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def values(self) -> list[float]:
        return [value for curve in self.curves for value in curve.values]

    def draw(self, last_step: int, width: int, height: int) -> Any:
        """Return the panel as a plotext matrix, which can stand beside another or above it."""
        import plotext  # here, for it takes a quarter of a second that only those who draw shall spend

        # plotext's public figure is one for the process and no larger than its terminal; this one is free of both.
        unlimited = type(plotext.terminal)().limit(False, False)
        figure = type(plotext.figure)(parent=unlimited).plot_size(width, height).theme("simple")
        title = plotext.colorize(self.title).matrix()
        for curve in self.curves:
            title = title + plotext.colorize("  ") + plotext.colorize(curve.legend, curve.colour)
            for marker in curve.markers if curve.values else ():
                signal = figure.signal(curve.steps, curve.values, marker=plotext.marker(marker, curve.colour))
                figure.draw(signal.lines(marker == "braille"))
        figure.title(title).label("step", "x").axes(False, axis="x", side="upper").axes(False, axis="y", side="right")
        across, up = _step_ticks(last_step, max(2, width // 9)), self._value_ticks(max(2, height // 3))
        figure.ruler("x").lim(0, last_step).ticks(across, [f"{tick:.0f}" for tick in across])
        figure.ruler("y").lim(up[0], up[-1]).ticks(up, [f" {tick:g}" for tick in up])
        return figure.build()

    def _value_ticks(self, wanted: int) -> list[float]:
        middle = (min(self.values) + max(self.values)) / 2
        reach = max(self.least_span, max(self.values) - min(self.values), 0.05 * abs(middle), 1e-6) / 2
        lowest, highest = self.bounds
        return _round_numbers(max(lowest, middle - reach), min(highest, middle + reach), wanted)


def _step_ticks(last_step: int, wanted: int) -> list[float]:
    """Return whole numbers from 0 to the last step, which is always there and has its room."""
    whole = [tick for tick in _round_numbers(0, last_step, wanted) if tick == int(tick)]
    return [*(tick for tick in whole if tick <= last_step * (1 - 0.7 / wanted)), last_step]


def _round_numbers(lower: float, upper: float, wanted: int) -> list[float]:
    """Return about `wanted` evenly spaced round numbers, of which the first and the last enclose the range."""
    rough = (upper - lower) / wanted
    magnitude = 10.0 ** math.floor(math.log10(rough))
    spacing = next(magnitude * factor for factor in (1, 2, 5, 10) if rough <= magnitude * factor * 1.001)
    # The tolerance keeps 0.3, which may be 0.30000000000000004 here, from calling for one number more.
    first, last = math.floor(lower / spacing + 1e-6), math.ceil(upper / spacing - 1e-6)
    return [number * spacing for number in range(first, last + 1)]


class LiveChart(Bar):
    """A bar on stderr, and above it the learning curve as far as it is known."""

    def __init__(self, console: RichConsole, description: str, total: int) -> None:
        self._progress = Progress(*progress_columns(), console=console)
        super().__init__(self._progress, self._progress.add_task(printable(description), total=total))
        self._console, self._total = console, total
        self._chart = Text()

    def plot(self, points: Points) -> None:
        """Show the curve of these points, which are all there are, in their order."""
        room = min(HIGHEST, self._console.height - 4)
        width = min(WIDEST, self._console.width)
        drawn = curve_chart(points, self._total, width, room, colour=True) if room >= LOWEST_PANEL else ""
        self._chart = Text.from_ansi(drawn, no_wrap=True, overflow="crop")

    def note(self, text: str) -> None:
        """Tell the user, above the chart, something that may change what they do."""
        self._console.print(warning(text), style="yellow", soft_wrap=True)

    def __rich__(self) -> Group:
        return Group(self._chart, self._progress) if self._chart else Group(self._progress)


class _Lines(LiveChart):
    """The same where nothing can be drawn over: a line for each evaluation."""

    _told = -1

    def plot(self, points: Points) -> None:
        """Tell the evaluations that were not told yet."""
        loss = None
        for point in points:
            loss = point.get("loss", loss)
            if ("eval_loss" in point or "eval_accuracy" in point) and point["step"] > self._told:
                self._told = point["step"]
                line = _evaluation_line({"loss": loss, **point}, self._total)
                self._console.print(Text(line), soft_wrap=True)


def _evaluation_line(point: Mapping[str, Any], total_steps: int) -> str:
    measures = {"loss": "loss {:.3f}", "eval_loss": "validation loss {:.3f}", "eval_accuracy": "accuracy {:.1%}"}
    known = [words.format(point[key]) for key, words in measures.items() if point.get(key) is not None]
    return f"step {point['step']} of {total_steps}: {', '.join(known).replace('%', ' %')}"


@contextmanager
def live_training(description: str, total: int) -> Iterator[LiveChart]:
    """Show a training run on stderr: its curve above a bar of `total` steps; the last state stays on the screen.

    Where stderr is no terminal, the description and each evaluation are a line.
    """
    console = RichConsole(stderr=True, highlight=False)
    if not is_drawable(console):
        console.print(Text(f"{printable(description)} ({total:g})"), soft_wrap=True)
        yield _Lines(console, description, total)
        return
    chart = LiveChart(console, description, total)
    # What others print goes above the chart, but an answer that is piped must stay on stdout.
    with Live(chart, console=console, redirect_stdout=sys.stdout.isatty()):
        yield chart
