"""Runs a suite: fit, predict, record. A run that was killed goes on where it was; a finished one is reused."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from evals.approach import Approach, Fit, Prediction
from evals.budget import Budget, BudgetSpent
from evals.leakage import find_leaks
from evals.manifest import deciding_settings, own_code, run_manifest
from evals.metrics import Measured
from evals.records import Journal, Question, Record, read_records
from evals.scenarios import Moment, Scenario, Step, kind_of
from evals.suite import Arm, Suite
from lab.console import Bar, Console, progress
from lab.datasets import Dataset, Example
from lab.errors import BakeoffError
from lab.workspace import Workspace, fingerprint, lock, read_json, write_json

Predict = Callable[[Sequence[str]], list[Prediction]]

CHUNK, REMOTE_CHUNK = 32, 4  # answers between two writes; those that are paid for are written sooner
MANIFEST, RECORDS, MEASUREMENTS, RESULTS = "manifest.json", "records.jsonl", "measurements.jsonl", "results.json"


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

    def records(self) -> list[Record]:
        """Return the latest record of each question."""
        return list(read_records(Journal(self.folder / RECORDS)).values())

    def require_finished(self) -> None:
        """Check that all answers are there.

        Raises:
            BakeoffError: some are still to come.
        """
        if not (self.folder / RESULTS).exists():
            fix = "give its bakeoff eval command again: it goes on where it was"
            raise BakeoffError(f"a finished run {self.id}", "one without results", fix)

    def primary(self) -> dict[str, list[Record]]:
        """Return of each arm the records that count for the main table, whose accuracy `bakeoff runs show` tells."""
        suite = Suite.model_validate(self.manifest["suite"])
        found: dict[str, list[Record]] = {arm.key: [] for arm in suite.arms}
        for record in self.records():
            if kind_of(suite.kind).is_primary(suite, record):
                found[record.arm].append(record)
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

    def _measurements(self) -> Iterator[dict[str, Any]]:
        return Journal(self.folder / MEASUREMENTS).rows()


def run_suite(
    suite: Suite,
    limit: str | None = None,
    fresh: bool = False,
    retry_failures: bool = False,
    budget: Budget | None = None,
) -> Run:
    """Run every arm of `suite` on the same test examples and return the run, complete unless the budget was spent.

    The run's id is a fingerprint of the suite, the data and the limit, so that the same command finds the same run.

    Raises:
        BakeoffError: the data cannot be used, or another process runs this very suite.
    """
    plan = kind_of(suite.kind).plan(suite, limit)
    asked = [[example.id for example in test.examples] for one in plan.scenarios for _, _, test in one.tests()]
    key = fingerprint(
        suite.model_dump(mode="json"), own_code(suite), plan.data["fingerprint"], asked, deciding_settings()
    )
    folder = Workspace.current().runs / f"{suite.name}-{key[:8]}"
    with lock(folder.with_suffix(".lock"), f"the run {folder.name}"):
        if fresh and folder.exists():
            folder.rename(folder.with_name(f"{folder.name}-until-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
        run = Run(folder)
        if not (folder / MANIFEST).exists():
            seeds = sorted({scenario.seed for scenario in plan.scenarios})
            found = {"answers": plan.answers, "leaks": _leaks(plan.scenarios[0])}
            write_json(folder / MANIFEST, run_manifest(suite, plan.data, seeds, limit) | found)
        done = {
            record.question: record for record in run.records() if not (retry_failures and record.failure is not None)
        }
        budget = budget or Budget(suite.arms)
        try:
            for arm in suite.arms:
                _ArmRun(run, suite, arm, done, budget).go(plan.scenarios)
        except BudgetSpent as spent:
            Console().warn(f"stopped, {spent}; the same command goes on where this one was")
    return run


def _leaks(scenario: Scenario) -> list[dict[str, Any]]:
    """Return what gives test labels away before anything is asked, and warn of it."""
    leaks = find_leaks(*_ever_known(scenario))
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
        replace(first, examples=tuple({e.source: e for e in own if e.source not in withdrawn}.values()))
        for own in (learned, asked)
    )
    return train, scenario.validation, test


class _ArmRun:
    """One arm's way through the scenarios: it answers what it has not answered yet."""

    def __init__(self, run: Run, suite: Suite, arm: Arm, done: Mapping[Question, Record], budget: Budget) -> None:
        """Set out with what is `done` already, by any arm: it was read once for all."""
        self._suite, self._arm, self._done, self._budget = suite, arm, done, budget
        self._journal, self._measurements = Journal(run.folder / RECORDS), Journal(run.folder / MEASUREMENTS)
        self._timed = bool(run.measured().get(arm.key, Measured(Fit())).latencies_ms) or not suite.latency_sample

    def go(self, scenarios: Sequence[Scenario]) -> None:
        """Live through each scenario that has questions left, then measure how long one text takes."""
        asked = sum(len(test) for scenario in scenarios for _, _, test in scenario.tests())
        waiting = {number: self._waiting(scenario) for number, scenario in enumerate(scenarios)}
        left = sum(map(len, waiting.values()))
        own = [record for question, record in self._done.items() if question.arm == self._arm.key]
        failed = bool(own) and all(record.failure for record in own)
        if not left and (self._timed or failed):
            Console().note(f"{self._arm.key}: all {asked} answers are there from before")
            return
        with progress(self._arm.key, total=asked) as bar:
            bar.advance(asked - left)
            for number, scenario in enumerate(scenarios):
                if waiting[number] or not (self._timed or failed):
                    self._live(scenario, bar)

    def _live(self, scenario: Scenario, bar: Bar) -> None:
        """Take in what each step brings and answer its tests; what cannot be made ready fails alone."""
        from evals.approaches import build_approach  # heavy: PyTorch, LangGraph

        suite = self._suite.model_copy(update={"seed": scenario.seed})
        approach: Approach | None = None
        failure = None
        for step in scenario.steps:
            self._budget.check()
            if failure is None:
                try:
                    if approach is None:
                        approach = build_approach(self._arm, suite).fit(step.new, scenario.validation)
                    else:
                        approach = approach.update(step.new, step.gone)
                    self._note_fit(approach.fitted, scenario, step)
                    self._spend_fit(approach.fitted)
                except BakeoffError as error:
                    failure = str(error)
                    Console().warn(f"{self._arm.key} failed: {failure}")
            predict = _or_fail(approach, failure)
            for name, test in step.tests.items():
                self._answer(self._left(scenario, step, name, test), predict, bar)
            if approach and failure is None and not self._timed:
                texts = next(iter(step.tests.values())).texts[: self._suite.latency_sample]
                self._note_fit(approach.fitted, scenario, step, _latencies(predict, texts))
                self._timed = True

    def _spend_fit(self, fit: Fit) -> None:
        """Count what getting ready took, unless an earlier run has paid for it."""
        if not fit.reused:
            self._budget.spend(self._arm, fit.seconds, fit.tokens)

    def _note_fit(self, fit: Fit, scenario: Scenario, step: Step, latencies: Sequence[float] = ()) -> None:
        """Write down what getting ready took; the first fit is the true one, so it is kept at once."""
        if fit.note and not latencies:
            Console().note(f"{self._arm.key}: {fit.note}")
        moment = Moment(self._arm.key, scenario.name, scenario.repeat, step.name)
        self._measurements.append([{**moment._asdict(), "fit": asdict(fit), "latencies_ms": list(latencies)}])

    def _answer(self, asked: Mapping[Question, Example], predict: Predict, bar: Bar) -> None:
        size = CHUNK if self._arm.is_local else REMOTE_CHUNK
        questions = iter(asked.items())
        while chunk := list(islice(questions, size)):
            self._budget.check()
            start = time.perf_counter()
            predictions = predict([example.text for _, example in chunk])
            seconds = (time.perf_counter() - start) / len(chunk)
            rows = [
                Record.of(question, example, answer, seconds)
                for (question, example), answer in zip(chunk, predictions, strict=True)
            ]
            self._journal.append(asdict(row) for row in rows)
            self._budget.spend(self._arm, seconds * len(rows), sum(row.tokens for row in rows))
            bar.advance(len(rows))

    def _waiting(self, scenario: Scenario) -> list[Question]:
        return [q for step, name, test in scenario.tests() for q in self._left(scenario, step, name, test)]

    def _left(self, scenario: Scenario, step: Step, name: str, test: Dataset) -> dict[Question, Example]:
        """Return the questions of one test that have no answer yet, with what they ask."""
        place = (self._arm.key, scenario.name, step.name, name, scenario.repeat)
        asked = {Question(*place, example.id): example for example in test.examples}
        return {question: example for question, example in asked.items() if question not in self._done}


def _or_fail(approach: Approach | None, failure: str | None) -> Predict:
    """Return a predict that turns an approach's failure into failed predictions, each with its reason."""

    def predict(texts: Sequence[str]) -> list[Prediction]:
        if approach is None or failure is not None:  # one that could not take a change in must not answer as if it had
            return [Prediction(None, failure) for _ in texts]
        try:
            return approach.predict(texts)
        except BakeoffError as error:
            return [Prediction(None, str(error)) for _ in texts]

    return predict


def _latencies(predict: Predict, texts: Sequence[str]) -> list[float]:
    """Return the milliseconds of one text at a time, answered ones only; the first call only warms up."""
    if not texts:
        return []
    predict(texts[:1])
    milliseconds = []
    for text in texts:
        start = time.perf_counter()
        answer = predict([text])[0]
        if answer.failure is None:  # a refusal is fast, but it is no answer
            milliseconds.append(round((time.perf_counter() - start) * 1000, 3))
    return milliseconds
