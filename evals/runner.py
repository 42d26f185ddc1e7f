"""Runs a suite: fit, predict, record. A run that was killed goes on where it was; a finished one is reused."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from evals.approach import Fit
from evals.budget import Budget, BudgetSpent
from evals.costs import Took
from evals.documents import searched_passages
from evals.leakage import find_leaks
from evals.manifest import deciding_settings, own_code, run_manifest
from evals.metrics import Measured
from evals.parallel import Crew, WorkersLost, performed
from evals.records import Journal, Outcome, Question, Record, read_outcomes, read_records
from evals.scenarios import Moment, Plan, Scenario, grader_of, kind_of
from evals.suite import Arm, Suite, recorded_suite
from evals.work import Piece, Task, chunks
from lab.collector import uncollected
from lab.console import Bar, Console, progress
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.workspace import Workspace, fingerprint, lock, read_json, write_json, write_text

SHARD = 2  # chunks that a worker answers at a stretch
PATIENCE = 3  # times in a row that workers may die before they have answered anything
ALONE = Crew()
MANIFEST, RECORDS, MEASUREMENTS, RESULTS = "manifest.json", "records.jsonl", "measurements.jsonl", "results.json"
PRICES = "prices.yaml"  # the user's own, as they were given


@dataclass(frozen=True)
class Run:
    """One execution of a suite: its folder, and what is in it."""

    folder: Path

    @property
    def id(self) -> str:
        """Return the run's name."""
        return self.folder.name

    @property
    def manifest(self) -> dict[str, Any]:
        """Return what was run, on what, with which versions."""
        document: dict[str, Any] = read_json(self.folder / MANIFEST)
        return document

    def answers(self) -> dict[Question, Record]:
        """Return the latest record of each question."""
        return read_records(Journal(self.folder / RECORDS))

    def records(self) -> list[Record]:
        """Return the latest record of each question."""
        return list(self.answers().values())

    def outcomes(self) -> dict[Question, Outcome]:
        """Return what became of each question, for those who need not know the answers."""
        return read_outcomes(Journal(self.folder / RECORDS))

    def require_finished(self) -> None:
        """Check that all answers are there.

        Raises:
            BakeoffError: some are still to come.
        """
        if not (self.folder / RESULTS).exists():
            fix = "give its bakeoff eval command again: it goes on where it was"
            raise BakeoffError(f"a finished run {self.id}", "one without results", fix)

    def primary(self, records: Sequence[Record] | None = None) -> dict[str, list[Record]]:
        """Return of each arm the records that count for the main table, answers in words graded as classes.

        `records` are all of the run's, where they have been read already.
        """
        suite = recorded_suite(self.manifest)
        kind, graded = kind_of(suite.kind), grader_of(suite.kind)
        found: dict[str, list[Record]] = {arm.key: [] for arm in suite.arms}
        for record in self.records() if records is None else records:
            if kind.is_primary(suite, record):
                found[record.arm].append(graded(record))
        return found

    def fits(self) -> dict[Moment, Fit]:
        """Return what it took each arm to get ready, and to take in each change; the first time is the true one."""
        found: dict[Moment, Fit] = {}
        for row in self._measurements():
            moment = Moment(row["arm"], row.get("scenario", ""), row.get("repeat", 0), row.get("step", ""))
            found.setdefault(moment, Fit(**row["fit"]))
        return found

    def measured(self) -> dict[str, Measured]:
        """Return what was measured of each arm beside its answers: its first fit, and its latest latencies."""
        found: dict[str, Measured] = {}
        for row in self._measurements():
            before = found.get(row["arm"])
            fit = before.fit if before else Fit(**row["fit"])
            found[row["arm"]] = Measured(fit, tuple(row["latencies_ms"]) or (before.latencies_ms if before else ()))
        return found

    def paid(self) -> Iterator[tuple[str, Took]]:
        """Yield what this run paid for, by arm: what it asked, also where that failed, latency calls, getting ready."""
        for row in Journal(self.folder / RECORDS).rows():
            record = Record(**row)
            if not record.reused:
                yield record.arm, record
        for row in self._measurements():
            fit = Fit(**row["fit"])
            if "calls" in row:
                yield row["arm"], Fit(**row["calls"])
            elif not row["latencies_ms"] and not fit.reused:  # an earlier run has paid for what is reused
                yield row["arm"], fit

    @property
    def own_prices(self) -> Path | None:
        """Return the user's own prices that the run was started with; None where there were none."""
        path = self.folder / PRICES
        return path if path.is_file() else None

    def _measurements(self) -> Iterator[dict[str, Any]]:
        return Journal(self.folder / MEASUREMENTS).rows()


def run_suite(
    suite: Suite,
    limit: str | None = None,
    fresh: bool = False,
    retry_failures: bool = False,
    budget: Budget | None = None,
    crew: Crew = ALONE,
    plan: Plan | None = None,
    prices: Path | None = None,
) -> Run:
    """Run every arm of `suite` on the same test examples and return the run, complete unless the budget was spent.

    Args:
        suite: what to run.
        limit: of the test examples, as the user gave it.
        fresh: run it anew, though some of it or all is there.
        retry_failures: ask again where an answer failed and need not have.
        budget: what may be spent.
        crew: who works.
        plan: that of this suite and limit, where it was made already.
        prices: a file of the user's own, kept with the run: it is scored with these whenever that is done.

    Raises:
        BakeoffError: the data cannot be used, or another process runs this very suite.
    """
    with uncollected(for_good=True):  # a run's texts stay as long as it does
        plan = plan or kind_of(suite.kind).plan(suite, limit)
    folder = planned_run(suite, plan).folder
    with lock(folder.with_suffix(".lock"), f"the run {folder.name}"):
        if fresh and folder.exists():
            folder.rename(folder.with_name(f"{folder.name}-until-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
        run = Run(folder)
        if not (folder / MANIFEST).exists():
            seeds = sorted({scenario.seed for scenario in plan.scenarios})
            found = {"answers": plan.answers, "leaks": _leaks(suite, plan.scenarios[0])}
            write_json(folder / MANIFEST, run_manifest(suite, plan.data, seeds, limit) | found)
        if prices is not None and prices != run.own_prices:
            write_text(folder / PRICES, prices.read_text(encoding="utf-8"))
        ledger, budget = _Ledger(run, suite, plan.scenarios, retry_failures, fresh), budget or Budget(suite.arms)
        _count_paid(run, suite, budget)
        but_not_anew = " without --fresh" if fresh else ""
        try:
            budget.check()
            if crew.is_alone:
                _one_by_one(ledger, suite, budget)
            else:
                _side_by_side(ledger, suite, budget, crew)
        except BudgetSpent as spent:
            if any(map(ledger.left, suite.arms)):
                Console().warn(f"stopped, {spent}{but_not_anew} goes on where this one was")
        for arm, said in ledger.broke.items():
            why = f"{arm} stopped, its provider's credit is used up ({said})"
            Console().warn(f"{why}; the same command{but_not_anew} goes on")
    return run


def _count_paid(run: Run, suite: Suite, budget: Budget) -> None:
    """Count what the run has cost already: the dollars are for all of it, however often it was stopped."""
    arms = {arm.key: arm for arm in suite.arms}
    for key, part in run.paid() if budget.counts_usd else ():
        budget.spend(arms[key], part)


def planned_run(suite: Suite, plan: Plan) -> Run:
    """Return the run that this suite and plan make, whether it was begun or not.

    Its id is a fingerprint of the suite, the data and what is asked, so that the same command finds the same run.
    """
    asked = [[example.id for example in test.examples] for one in plan.scenarios for _, _, test in one.tests()]
    key = fingerprint(
        suite.model_dump(mode="json"), own_code(suite), plan.data["fingerprint"], asked, deciding_settings()
    )
    return Run(Workspace.current().runs / f"{suite.name}-{key[:8]}")


def _leaks(suite: Suite, scenario: Scenario) -> list[dict[str, Any]]:
    """Return what gives test labels away before anything is asked, and warn of it."""
    learned, validation, test = _ever_known(scenario)
    passages = [e.text for e in learned.examples if not e.label]  # documents teach no labels: they are what is searched
    learned, passages = learned.subset(()) if passages else learned, passages + searched_passages(suite)
    leaks = find_leaks(learned, validation, test, passages, suite.kind != "routing")
    for leak in leaks:
        Console().warn(f"{leak.what} ({leak.count}, such as {', '.join(leak.examples)}); {leak.fix}")
    return [asdict(leak) for leak in leaks]


def _ever_known(scenario: Scenario) -> tuple[Dataset, Dataset, Dataset]:
    """Return all that is learned, chosen on and asked, but for what is taught wrongly on purpose and withdrawn."""
    withdrawn = {e.source for step in scenario.steps if step.gone for e in step.gone.examples}
    learned = [e for step in scenario.steps for e in step.new.examples]
    asked = [e for _, _, test in scenario.tests() for e in test.examples]
    first = scenario.steps[0].new
    train, test = (
        replace(first, examples=tuple({(e.id, e.source): e for e in own if e.source not in withdrawn}.values()))
        for own in (learned, asked)
    )
    return train, scenario.validation, test


class _Ledger:
    """What a run has and what it still lacks: it hands out the tasks, and writes down what comes of them."""

    def __init__(self, run: Run, suite: Suite, scenarios: Sequence[Scenario], again: bool, fresh: bool) -> None:
        """Open a run's books; failures that can be retried are asked `again` if that is wanted."""
        self._run, self._suite, self._scenarios, self._fresh = run, suite, scenarios, fresh
        self._journal, self._measurements = Journal(run.folder / RECORDS), Journal(run.folder / MEASUREMENTS)
        outcomes = run.outcomes()
        self.done = {question for question, outcome in outcomes.items() if not (again and outcome.may_be_retried)}
        self._answering = {question.arm for question, outcome in outcomes.items() if outcome.failure is None}
        self._failing = {question.arm for question in outcomes} - self._answering
        self._timed = {arm for arm, measured in run.measured().items() if measured.latencies_ms}
        self.broke: dict[str, str] = {}
        self.asked = sum(len(test) for scenario in scenarios for _, _, test in scenario.tests())  # of each arm

    def left(self, arm: Arm) -> int:
        """Return how many answers an arm has still to give."""
        return sum(len(some) for _, left in self._left(arm) for some in left)

    def is_untimed(self, arm: Arm) -> bool:
        """Tell whether it is still to be measured how long one text takes an arm that answers at all."""
        waits = arm.key not in self._timed and arm.key not in self._failing and arm.key not in self.broke
        return waits and self._suite.latency_sample > 0

    def tasks(self, arm: Arm) -> Iterator[Task]:
        """Yield what an arm has to do, scenario by scenario."""
        untimed = self.is_untimed(arm)
        for scenario, left in self._left(arm):
            if left or untimed:
                yield Task(arm, self._suite, scenario, frozenset(chain(*left)), untimed, self._fresh)
                untimed = False

    def shards(self, arms: Sequence[Arm]) -> list[Task]:
        """Return what all arms have to do in pieces for many workers: first one of each, so that all get ready."""
        return [task for _, task in sorted(self._shards(arms), key=lambda one: one[0] > 0)]

    def timing(self, arm: Arm) -> Task:
        """Return the task to answer nothing but measure how long one text takes."""
        first = self._scenarios[0]
        return Task(arm, self._suite, first, frozenset(), True, self._fresh, self._kept(arm, first))

    def take(self, piece: Piece) -> None:
        """Write down what came; nothing twice."""
        records = [record for record in piece.records if record.question not in self.done]
        self._journal.append(asdict(record) for record in records)
        self.done.update(record.question for record in records)
        if any(record.failure is None for record in records):
            self._answering.add(piece.arm.key)
        if piece.moment:
            row = {**piece.moment._asdict(), "fit": asdict(piece.fit), "latencies_ms": list(piece.latencies_ms)}
            if piece.seconds:
                row["calls"] = asdict(Fit(piece.seconds, tokens=piece.tokens, output_tokens=piece.output_tokens))
            self._measurements.append([row])
            if piece.latencies_ms:
                self._timed.add(piece.arm.key)
            elif piece.fit.note:
                Console().note(f"{piece.arm.key}: {piece.fit.note}")
        if piece.trouble:
            Console().warn(f"{piece.arm.key} failed: {piece.trouble}")
            self._failing.add(piece.arm.key)
        if piece.broke:
            self.broke[piece.arm.key] = piece.broke

    def _left(self, arm: Arm) -> Iterator[tuple[Scenario, list[list[Question]]]]:
        """Yield each scenario with the arm's questions that have no answer yet, chunk by chunk, in order."""
        for scenario in self._scenarios:
            asked = (chunk for step in scenario.steps for chunk in chunks(arm, scenario, step))
            left = ([question for question in chunk if question not in self.done] for chunk in asked)
            yield scenario, [some for some in left if some]

    def _shards(self, arms: Sequence[Arm]) -> Iterator[tuple[int, Task]]:
        """Yield tasks with their number; a scenario of several steps is one, for its steps build on each other."""
        for arm in arms:
            if arm.key in self.broke:
                continue
            for scenario, left in self._left(arm):
                size = SHARD if len(scenario.steps) == 1 else max(1, len(left))
                for first in range(0, len(left), size):
                    some = frozenset(chain(*left[first : first + size]))
                    kept = self._kept(arm, scenario)
                    yield first // size, Task(arm, self._suite, scenario, some, False, self._fresh, kept)

    def _kept(self, arm: Arm, scenario: Scenario) -> str:
        """Return the name under which a worker keeps what it has made ready; steps are lived through but once."""
        parts = (str(self._run.folder), arm.key, scenario.name, str(scenario.repeat))
        return "\0".join(parts) if len(scenario.steps) == 1 else ""


def _one_by_one(ledger: _Ledger, suite: Suite, budget: Budget) -> None:
    """Let one arm after the other answer, here, with a bar for each."""
    for arm in suite.arms:
        tasks = list(ledger.tasks(arm))
        if not tasks:
            Console().note(f"{arm.key}: all {ledger.asked} answers are there from before")
            continue
        with progress(arm.key, total=sum(len(task.questions) for task in tasks)) as bar:
            for piece in performed(tasks, Crew()):
                _take(piece, ledger, budget, bar)


def _side_by_side(ledger: _Ledger, suite: Suite, budget: Budget, crew: Crew) -> None:
    """Let all arms answer at once; then each, alone, is timed on one text at a time."""
    total, losses = sum(map(ledger.left, suite.arms)), 0
    with progress(f"{len(suite.arms)} arms on {crew}", total=total) as bar:
        while tasks := ledger.shards(suite.arms):
            before = len(ledger.done)
            try:
                for piece in performed(tasks, crew):
                    _take(piece, ledger, budget, bar)
                break
            except WorkersLost as lost:
                losses = losses + 1 if len(ledger.done) == before else 1
                if losses == PATIENCE:
                    fix = "give them more memory, or use fewer: --jobs"
                    raise BakeoffError("workers that live to the end of a task", str(lost), fix) from lost
                Console().warn("workers were lost; goes on with what has no answer yet")
    for arm in filter(ledger.is_untimed, suite.arms):
        for piece in performed([ledger.timing(arm)], crew):
            _take(piece, ledger, budget, bar)


def _take(piece: Piece, ledger: _Ledger, budget: Budget, bar: Bar) -> None:
    """Write a piece down, count what it cost, and stop where nothing is left to spend."""
    ledger.take(piece)
    bar.advance(len(piece.records))
    budget.spend(piece.arm, piece)
    if piece.tells_no_tokens:
        budget.lose_count(piece.arm)
    if piece.moment and not piece.seconds and not piece.fit.reused:  # an earlier run has paid for what is reused
        budget.spend(piece.arm, piece.fit)
    budget.check()
