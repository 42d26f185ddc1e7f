"""The judge's own speed: its overhead, label scoring, 100,000 records scored and reported, and a run gone on with.

`python -m benchmarks.judge` measures all four parts, `python -m benchmarks.judge overhead` one of them. Everything
happens in workspaces of its own, which are gone afterwards. "Cold" is the first run in an empty workspace, whose texts
nobody has split before; "warm" is the same run once more (`--fresh`), when indexes and near-duplicates are known.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from unittest import mock

import typer

from benchmarks import label_scoring, many_records
from benchmarks.side_by_side import comparison_table, markdown, present, spoken, warn_if_busy
from benchmarks.workspace import empty_workspace
from evals.approach import Approach
from lab.command_app import Json, command_app
from lab.console import Console

GOAL_OVERHEAD = 0.03  # of the approaches' time
GOALS = {  # of 100,000 records: seconds, megabytes
    "score and report": (20, 500),
    "resume, some missing": (3, None),
}
ARMS = ["majority", "knn", "linear_probe", "rag@embedded:smollm2"]

T = TypeVar("T")
app = command_app()


class Part(StrEnum):
    """What can be measured."""

    ALL = "all"
    OVERHEAD = "overhead"
    SCORING = "scoring"
    RECORDS = "records"


@app.command()
def main(
    part: Annotated[Part, typer.Argument(help="What to measure.")] = Part.ALL,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    texts: Annotated[int, typer.Option(min=8, help="Tweets that the arms and the LLM label.")] = 200,
    json: Json = False,
) -> None:
    """Measure the judge."""
    warn_if_busy()
    document: dict[str, Any] = {"rounds": rounds, "texts": texts}
    tables: list[str] = []
    if part in (Part.ALL, Part.OVERHEAD):
        _overhead(texts, rounds, document, tables)
    if part in (Part.ALL, Part.SCORING):
        _scoring(texts, rounds, document, tables)
    if part in (Part.ALL, Part.RECORDS):
        _records(rounds, document, tables)
    present("judge", document, tables, json)


@dataclass(frozen=True)
class Lap:
    """One run of the suite, in seconds.

    Attributes:
        approaches: spent in the approaches' own fit, update and predict, and in making them.
        planning: before the first of them: the split, the leak check, the manifest, the answers there are.
        recording: between them: the journal, the progress, the bookkeeping.
        scoring: statistics, verdict and report.
    """

    approaches: float
    planning: float
    recording: float
    scoring: float

    @property
    def overhead(self) -> float:
        """Return the judge's time as a share of the approaches'."""
        return (self.planning + self.recording + self.scoring) / self.approaches


class Stopwatch:
    """Counts the seconds spent in approaches, and notes when the first of them was called."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.first: float | None = None

    def timed(self, call: Callable[..., T]) -> Callable[..., T]:
        """Return `call` with its seconds counted."""

        def counted(*arguments: Any, **named: Any) -> T:
            start = time.perf_counter()
            self.first = self.first or start
            try:
                return call(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return counted


class Watched:
    """An approach under the stopwatch."""

    def __init__(self, approach: Approach, watch: Stopwatch) -> None:
        self._approach, self._watch = approach, watch
        self.predict = watch.timed(approach.predict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._approach, name)

    def fit(self, *parts: Any) -> "Watched":
        """Fit it, and go on watching."""
        self._watch.timed(self._approach.fit)(*parts)
        return self


def _overhead(texts: int, rounds: int, document: dict[str, Any], tables: list[str]) -> None:
    with empty_workspace():
        laps = [_lap(texts) for _ in range(rounds + 1)]
    cold, warm = laps[0], laps[1:]
    middle = sorted(warm, key=lambda lap: lap.overhead)[len(warm) // 2]
    met = max(cold.overhead, middle.overhead) <= GOAL_OVERHEAD
    document["overhead"] = {"arms": ARMS, "goal": GOAL_OVERHEAD, "met": met}
    document["overhead"] |= {"cold": asdict(cold), "warm": [asdict(lap) for lap in warm]}
    document["overhead"] |= {"cold_share": cold.overhead, "warm_share": statistics.median(lap.overhead for lap in warm)}
    rows = [_overhead_row("cold", cold), _overhead_row(f"warm, median of {len(warm)}", middle)]
    headers = [f"{texts} tweets, {len(ARMS)} arms", "approaches, s", "planning, s", "recording, s", "scoring, s"]
    tables.append(markdown([*headers, "judge / approaches", "goal", "verdict"], rows))


def _overhead_row(name: str, lap: Lap) -> list[str]:
    figures = [f"{seconds:.2f}" for seconds in asdict(lap).values()]
    return [name, *figures, f"{lap.overhead:.2%}", f"{GOAL_OVERHEAD:.0%}", spoken(lap.overhead <= GOAL_OVERHEAD)]


def _lap(texts: int) -> Lap:
    """Run the suite anew and return where the time went; libraries are loaded beforehand."""
    from evals import approaches
    from evals.report import score
    from evals.runner import run_suite
    from evals.suite import load_suite

    suite, watch, build = load_suite("sentiment").only(ARMS, []), Stopwatch(), approaches.build_approach

    def watched(*arguments: Any) -> Watched:
        return Watched(watch.timed(build)(*arguments), watch)

    with mock.patch.object(approaches, "build_approach", watched):
        start = time.perf_counter()
        run = run_suite(suite, str(texts), fresh=True)
        ran = time.perf_counter()
    score(run)
    scored = time.perf_counter()
    planning = (watch.first or ran) - start
    return Lap(watch.seconds, planning, ran - start - planning - watch.seconds, scored - ran)


def _scoring(texts: int, rounds: int, document: dict[str, Any], tables: list[str]) -> None:
    with empty_workspace():
        found = label_scoring.measure(texts, rounds)
    document["scoring"] = {"texts": found.texts, "precision": found.precision, "same_labels": found.same_labels}
    document["scoring"]["comparisons"] = [comparison.document() for comparison in found.comparisons]
    tables.append(comparison_table(found.comparisons, "plain loop"))
    shares = ", ".join(f"{share:.1%} by the {name} loop" for name, share in found.same_labels.items())
    tables.append(f"Few-shot prompts: {found.texts}, in {found.precision}. Bakeoff's labels were chosen too: {shares}.")


def _records(rounds: int, document: dict[str, Any], tables: list[str]) -> None:
    rows = []
    document["records"] = {}
    for shape in many_records.SHAPES.values():
        Console().note(f"{shape} …")
        took = many_records.measure(shape, rounds)
        document["records"][str(shape)] = {step: [asdict(one) for one in own] for step, own in took.items()}
        rows += [_row(f"{step}; {shape}", own, *GOALS.get(step, (None, None))) for step, own in took.items()]
    headers = [f"{shape.records:,} records", "s", "range", "on a processor, s", "peak MB", "goal", "verdict"]
    tables.append(markdown(headers, rows))


def _row(what: str, took: Sequence[many_records.Took], most_seconds: int | None, most_mb: int | None) -> list[str]:
    middle, seconds = many_records.medians(took), [one.seconds for one in took]
    goals = [f"{goal} {unit}" for goal, unit in ((most_seconds, "s"), (most_mb, "MB")) if goal]
    met = middle.seconds <= (most_seconds or middle.seconds) and middle.megabytes <= (most_mb or middle.megabytes)
    figures = [f"{middle.seconds:.1f}", f"{min(seconds):.1f}–{max(seconds):.1f}", f"{middle.processor_seconds:.1f}"]
    return [what, *figures, f"{middle.megabytes:.0f}", ", ".join(goals), spoken(met if goals else None)]


if __name__ == "__main__":
    app()
