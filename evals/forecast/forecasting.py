"""Makes a forecast: goes through all that a run will do, and adds up what a few real steps say that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evals.approach import together
from evals.costs import Effort
from evals.forecast.efforts import Lesson, Ready
from evals.forecast.forecast import ArmForecast, Forecast
from evals.forecast.parts import Part, whole_arm
from evals.forecast.rates import Rates
from evals.records import Question, Record
from evals.runner import Run, planned_run
from evals.scenarios import Fits, Moment, Plan, Scenario
from evals.suite import Arm, Suite
from lab.console import progress
from lab.errors import BakeoffError
from lab.prices import PriceList
from lab.settings import settings

ENOUGH = 8  # answers of an arm that are there: they tell better than a try what one takes


def forecast_run(
    suite: Suite, plan: Plan, prices: PriceList, fresh: bool = False, retry_failures: bool = False
) -> Forecast:
    """Return what each arm of `suite` will take, by timing a few real steps; remote LLMs are not asked.

    Counted are the trainings, indexes, answers and latency samples that are not there yet. What loading libraries and
    models takes is left out: this does it, for the run that follows.

    Args:
        suite: what will be run.
        plan: what its arms will live through.
        prices: of remote LLMs.
        fresh: no answer that is there counts.
        retry_failures: answers that failed are to be given again.
    """
    past = _Past() if fresh else _Past.of(planned_run(suite, plan), retry_failures)
    first = plan.scenarios[0]
    asked = [text for _, _, test in first.tests() for text in test.texts]
    rates, ready = Rates(suite, first.steps[0].new, first.validation, asked), Ready(_filled_indexes())
    foretold = []
    with progress("forecast, from a few real steps of each arm", total=len(suite.arms)) as bar:
        for arm in suite.arms:
            foretold.append(_forecast_arm(arm, suite, plan, past, whole_arm(arm, suite.kind, rates, ready), prices))
            bar.advance()
    return Forecast(tuple(foretold), sum(record.tokens for own in past.records.values() for record in own))


@dataclass(frozen=True)
class _Past:
    """What there is of a run: answered questions, their records by arm, fits, and the arms whose latency is known."""

    done: frozenset[Question] = frozenset()
    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    fits: Fits = field(default_factory=dict)
    timed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, run: Run, retry_failures: bool) -> "_Past":
        records: dict[str, list[Record]] = {}
        for record in run.records():
            records.setdefault(record.arm, []).append(record)
        every = (record for own in records.values() for record in own)
        done = [record.question for record in every if not (retry_failures and record.outcome.may_be_retried)]
        timed = {arm for arm, measured in run.measured().items() if measured.latencies_ms}
        failed = {arm for arm, own in records.items() if all(record.failure for record in own)}
        return cls(frozenset(done), records, run.fits(), frozenset(timed | failed))

    def answer(self, arm: str) -> Effort | None:
        """Return what an answer has taken, in the mean; None where there are too few to tell."""
        own = [record for record in self.records.get(arm, ()) if record.failure is None]
        if len(own) < ENOUGH:
            return None
        return Effort.of(own) * (1 / len(own))


def _forecast_arm(arm: Arm, suite: Suite, plan: Plan, past: _Past, whole: Part, prices: PriceList) -> ArmForecast:
    """Go with an arm through the scenarios that have questions left."""
    waiting = [(scenario, _waiting(arm, scenario, past)) for scenario in plan.scenarios]
    left, timed = sum(sum(counts) for _, counts in waiting), arm.key in past.timed or not suite.latency_sample
    there = plan.answers - left
    if not left and timed:
        return ArmForecast(arm.key, 0, there, note="all there")
    lived = [one for one in waiting if any(one[1])] or waiting[:1]
    try:
        fits = sum((_learning(arm, scenario, counts, past, whole) for scenario, counts in lived), start=Effort())
        each = past.answer(arm.key) or whole.answer()
    except BakeoffError as error:
        return ArmForecast(arm.key, left, there, None, None, None, f"would fail: {error}")
    recorded = fits + each * left
    spent = recorded if timed else recorded + each * (suite.latency_sample + 1)
    price = None if arm.is_local else prices.of(str(arm.llm))
    usd = spent.usd(price, settings().usd_per_hour, arm.is_local)
    unpriced = "" if arm.is_local or price else "no price is known: add it to prices.yaml"
    note = "; ".join(filter(None, [whole.note, unpriced]))
    return ArmForecast(arm.key, left, there, spent.seconds, recorded.tokens, usd, note)


def _waiting(arm: Arm, scenario: Scenario, past: _Past) -> list[int]:
    """Return how many questions an arm has still to answer at each step of a scenario."""
    return [
        sum(
            Question(arm.key, scenario.name, step.name, name, scenario.repeat, example.id) not in past.done
            for name, test in step.tests.items()
            for example in test.examples
        )
        for step in scenario.steps
    ]


def _learning(arm: Arm, scenario: Scenario, waiting: Sequence[int], past: _Past, whole: Part) -> Effort:
    """Return what getting ready takes, and taking the changes in, up to the last step at which something is asked."""
    last = max((number for number, count in enumerate(waiting) if count), default=0)
    effort, known = Effort(), scenario.steps[0].new
    for number, step in enumerate(scenario.steps[: last + 1]):
        known = together(known, step.new, step.gone) if number else known
        took = whole.learn(Lesson(known, step.new, scenario.validation, scenario.seed, follows=number > 0))
        before = past.fits.get(Moment(arm.key, scenario.name, scenario.repeat, step.name))
        effort += Effort.of([before]) if took.seconds is None and before else took
    return effort


def _filled_indexes() -> dict[str, int]:
    """Return how many passages each index of this workspace holds that was made with the present embeddings."""
    from rag.index import index_status

    return {row["index"]: row["passages"] for row in index_status() if row["embeddings"] == settings().embeddings}
