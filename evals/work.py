"""A piece of a run's work: one arm lives through one scenario and answers what is asked of it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice

from evals.answers import asked_anew
from evals.approach import Approach, Fit, Prediction
from evals.records import Question, Record
from evals.scenarios import Moment, Scenario, Step
from evals.suite import Arm, Suite
from lab.datasets import Example
from lab.errors import BakeoffError
from lab.settings import settings

Predict = Callable[[Sequence[str]], list[Prediction]]

CHUNK = 32  # answers between two writes; of a remote LLM, which is paid for, as many as are asked for at once
Chunk = Mapping[Question, Example]
KEPT = 2  # approaches that a process keeps ready for its next task


def chunks(arm: Arm, scenario: Scenario, step: Step) -> Iterator[Chunk]:
    """Yield what an arm is asked at a step, test by test, in pieces that depend on the tests alone.

    What a network says of a text may move with the others in its batch. So a chunk is predicted as a whole, though
    some of its answers are there from before, and answers are the same whoever gives them and however often it dies.
    """
    for name, test in step.tests.items():
        place = (arm.key, scenario.name, step.name, name, scenario.repeat)
        yield from _cut({Question(*place, example.id): example for example in test.examples}, CHUNK)


def _cut(questions: Chunk, size: int) -> Iterator[Chunk]:
    waiting = iter(questions.items())
    while chunk := dict(islice(waiting, size)):
        yield chunk


@dataclass(frozen=True)
class Task:
    """What is done at a stretch.

    Attributes:
        questions: to be answered; the scenario is lived through as far as they go.
        timed: measure also how long one text takes, once the approach is ready.
        fresh: ask a base LLM anew, also for what it has answered before.
        kept: the name under which the approach is kept ready for other tasks that need the same; "" keeps none.
    """

    arm: Arm
    suite: Suite
    scenario: Scenario
    questions: frozenset[Question]
    timed: bool = False
    fresh: bool = False
    kept: str = ""

    def batches(self, step: Step) -> Iterator[Chunk]:
        """Yield what is predicted at once: of a remote LLM only what is asked, else every chunk with some of that."""
        for chunk in chunks(self.arm, self.scenario, step):
            asked = {question: example for question, example in chunk.items() if question in self.questions}
            if asked and self.arm.is_local:
                yield chunk
            elif asked:
                yield from _cut(asked, settings().concurrency)


@dataclass(frozen=True)
class Piece:
    """What comes of a task, bit by bit: answers, or what it took to get ready, or why there is no more.

    Attributes:
        seconds, tokens, output_tokens: that were spent on the records or latencies now, not on an earlier day.
        moment: where in the experiment `fit` and `latencies_ms` were measured.
        trouble: why the approach could not be made ready; its questions are answered with this failure.
        broke: what the provider of its base LLM said when the credit was used up; what is left was not asked.
    """

    arm: Arm
    records: tuple[Record, ...] = ()
    seconds: float = 0.0
    tokens: int = 0
    output_tokens: int = 0
    moment: Moment | None = None
    fit: Fit = field(default_factory=Fit)
    latencies_ms: tuple[float, ...] = ()
    trouble: str = ""
    broke: str = ""

    @property
    def tells_no_tokens(self) -> bool:
        """Tell whether a remote LLM has answered and nobody said how many tokens that took."""
        paid = any(record.label is not None and not record.reused for record in self.records)
        return paid and not self.tokens and not self.arm.is_local and self.arm.always_asks


def perform(task: Task) -> Iterator[Piece]:
    """Do a task, and yield what comes of it the moment it is known."""
    with asked_anew() if task.fresh else nullcontext():
        yield from _Life(task).pieces()


class _Life:
    """One approach's way through a scenario: it takes in what each step brings and answers that step's tests."""

    def __init__(self, task: Task) -> None:
        self._task, self._arm, self._scenario = task, task.arm, task.scenario
        self._approach: Approach | None = None
        self._failure: str | None = None
        self._broke = ""

    def pieces(self) -> Iterator[Piece]:
        """Yield what comes of each step, up to the last at which something is asked."""
        timed = self._task.timed
        asked = [step for step in self._scenario.steps if any(self._task.batches(step))]
        last = asked[-1] if asked else self._scenario.steps[0]
        for step in self._scenario.steps:
            if self._failure is None:
                yield from self._get_ready(step)
            for batch in self._task.batches(step):
                yield self._answered(batch)
                if self._broke:
                    yield Piece(self._arm, broke=self._broke)
                    return
            if timed and self._approach and self._failure is None:
                yield self._timing(step, self._approach.fitted)
                timed = False
            if step is last:
                return

    def _get_ready(self, step: Step) -> Iterator[Piece]:
        """Fit at the first step, take in the change at the others; what cannot be made ready fails alone."""
        first = step is self._scenario.steps[0]
        try:
            if first and self._task.kept in _KEPT:
                self._approach = _KEPT[self._task.kept]
                return
            if self._approach is None:
                self._approach = self._built().fit(step.new, self._scenario.validation)
                _keep(self._task.kept, self._approach)
            else:
                self._approach = self._approach.update(step.new, step.gone)
            yield Piece(self._arm, moment=self._moment(step), fit=self._approach.fitted)
        except BakeoffError as error:
            self._failure = str(error)
            yield Piece(self._arm, trouble=self._failure)

    def _built(self) -> Approach:
        from evals.approaches import build_approach  # heavy: PyTorch, LangGraph

        return build_approach(self._arm, self._task.suite.model_copy(update={"seed": self._scenario.seed}))

    def _answered(self, batch: Chunk) -> Piece:
        start = time.perf_counter()
        predictions = self._predict([example.text for example in batch.values()])
        seconds = time.perf_counter() - start
        self._broke = next((str(one.failure) for one in predictions if one.failure_kind == "budget"), "")
        records = (
            Record.of(question, example, answer, seconds / len(batch) + answer.saved_seconds)
            for (question, example), answer in zip(batch.items(), predictions, strict=True)
            if question in self._task.questions
            and answer.failure_kind != "budget"  # that is no answer: the question can be asked another day
        )
        asked = [one for one in predictions if not one.saved_seconds]
        tokens, written = sum(one.tokens for one in asked), sum(one.output_tokens for one in asked)
        return Piece(self._arm, tuple(records), seconds, tokens, written)

    def _timing(self, step: Step, fit: Fit) -> Piece:
        """Ask about one text at a time; these calls are paid for like any other."""
        texts, start = next(iter(step.tests.values())).texts[: self._task.suite.latency_sample], time.perf_counter()
        answers, latencies = _latencies(self._predict, texts)
        tokens, written = sum(one.tokens for one in answers), sum(one.output_tokens for one in answers)
        spent = (time.perf_counter() - start, tokens, written)
        return Piece(self._arm, (), *spent, self._moment(step), fit, latencies)

    def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predict; an approach's failure becomes failed predictions, each with its reason."""
        if self._approach is None or self._failure is not None:  # it must not answer as if it knew of the change
            return [Prediction(None, self._failure, failure_kind="retryable") for _ in texts]
        try:
            return self._approach.predict(texts)
        except BakeoffError as error:
            return [Prediction(None, str(error), failure_kind="retryable") for _ in texts]

    def _moment(self, step: Step) -> Moment:
        return Moment(self._arm.key, self._scenario.name, self._scenario.repeat, step.name)


def _latencies(predict: Predict, texts: Sequence[str]) -> tuple[list[Prediction], tuple[float, ...]]:
    """Return what is answered to one text at a time, and the milliseconds; the first call only warms up."""
    milliseconds = []
    with asked_anew():
        answers = predict(texts[:1])
        for text in texts:
            start = time.perf_counter()
            answer = predict([text])[0]
            if answer.failure is None:  # a refusal is fast, but it is no answer
                milliseconds.append(round((time.perf_counter() - start) * 1000, 3))
            answers.append(answer)
    return answers, tuple(milliseconds)


_KEPT: dict[str, Approach] = {}  # of this process


def _keep(name: str, approach: Approach) -> None:
    """Keep an approach ready for the next task, and let go of the oldest."""
    if name:
        _KEPT[name] = approach
        for oldest in list(_KEPT)[:-KEPT]:
            _KEPT.pop(oldest, None)
