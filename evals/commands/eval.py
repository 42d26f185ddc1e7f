"""`bakeoff eval`: score every approach of a suite on the same test texts."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evals.commands.printing import print_forecast, print_run, tell_forecast
from lab.command_app import Json, command_app
from lab.console import Console
from lab.errors import BakeoffError
from lab.settings import LARGEST_SEED

if TYPE_CHECKING:
    from evals.budget import Budget
    from evals.forecast.forecast import Forecast
    from evals.own_data import Remark
    from evals.parallel import Crew
    from evals.runner import Run
    from evals.scenarios import Plan
    from evals.suite import Suite
    from lab.prices import PriceList

SuiteName = Annotated[
    str | None,
    typer.Argument(help="A built-in suite, or your own YAML file; without one what fits --data, or sentiment."),
]
Data = Annotated[str | None, typer.Option(help="Your data: CSV, TSV, JSONL, Parquet, or hf:org/name[@split].")]
Documents = Annotated[
    list[str] | None, typer.Option(help="What your questions are about: a file or folder; repeatable.")
]
Instruction = Annotated[str | None, typer.Option(help="What the LLM is told; {labels} stands for the labels.")]
Names = Annotated[list[str] | None, typer.Option(help="An arm, e.g. finetuned or rag@embedded:smollm2; repeatable.")]
Estimate = Annotated[
    bool | None,
    typer.Option("--estimate/--no-estimate", help="Say what it would take, and do not run; --no-: run at once."),
]

Backend = Annotated[
    Literal["processes", "threads"], typer.Option(help="What the workers are; threads suit remote LLMs.")
]

app = command_app()


@app.command("eval")
def eval_(
    suite: SuiteName = None,
    data: Data = None,
    text_column: Annotated[str | None, typer.Option(help="The column with the text.")] = None,
    label_column: Annotated[str | None, typer.Option(help="The column with the label.")] = None,
    documents: Documents = None,
    instruction: Instruction = None,
    llm: Annotated[str | None, typer.Option(help="The base LLM of the arms that name none.")] = None,
    limit: Annotated[str | None, typer.Option(help="Test texts: a count (60) or a fraction (0.1).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=LARGEST_SEED, help="Seeds the split and the training.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The suite's small form, in minutes.")] = False,
    only: Names = None,
    skip: Names = None,
    estimate: Estimate = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run anew; an earlier run of the same is kept aside.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off: as without it.")] = False,
    retry_failures: Annotated[bool, typer.Option("--retry-failures", help="Ask again where an arm failed.")] = False,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop cleanly after so many minutes.")] = None,
    budget_usd: Annotated[float | None, typer.Option(min=0, help="Stop cleanly once so much is spent.")] = None,
    prices: Annotated[Path | None, typer.Option(help="A prices.yaml of your own, of what LLMs cost.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Workers at once; 0 is one for each core.")] = 1,
    backend: Backend = "processes",
    ray: Annotated[str | None, typer.Option(help="A Ray cluster to work on, host:port or auto.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the built-in suites, and do nothing else.")] = False,
    json: Json = False,
) -> None:
    """Score every approach of a suite on the same test texts; a killed run goes on, a finished one is reused.

    With --data it first says what the data is like and what the run will take.
    """
    if list_:
        return _list(json)
    _refuse_both(fresh, resume)
    from evals.budget import Budget
    from evals.forecast.forecasting import forecast_run
    from evals.parallel import Crew
    from evals.runner import run_suite
    from evals.scenarios import kind_of

    named = {"text_column": text_column, "label_column": label_column, "instruction": instruction, "seed": seed}
    changes = _given(**named, documents=tuple(documents) if documents else None)
    chosen, remarks = _chosen(suite, data, changes, llm, quick, limit)
    chosen = chosen.only(only or [], skip or [])
    crew = Crew(jobs, backend, ray)
    plan = kind_of(chosen.kind).plan(chosen, limit)
    known = _prices(prices, chosen, plan, fresh)
    budget, forecast = Budget(chosen.arms, max_minutes, budget_usd, known), None
    words = _tell_remarks(remarks, chosen, plan, leaks=bool(estimate)) if data else []
    if (data or estimate) and estimate is not False:
        forecast = forecast_run(chosen, plan, known, fresh, retry_failures)
    if forecast and estimate:
        return print_forecast(chosen, plan, forecast, words, budget, json)
    if forecast:
        _tell_forecast(forecast, budget, crew)
    budget.begin()
    start = time.perf_counter()
    run = run_suite(chosen, limit, fresh, retry_failures, budget, crew, plan, prices)
    if forecast:
        _tell_outcome(forecast, run, time.perf_counter() - start, plan.answers * len(chosen.arms))
    print_run(run, json)


def _refuse_both(fresh: bool, resume: bool) -> None:
    if fresh and resume:
        raise BakeoffError("--fresh or --resume", "both", "leave one out")


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}


def _prices(own: Path | None, suite: "Suite", plan: "Plan", fresh: bool) -> "PriceList":
    """Return the prices that hold: the user's own, else those with which this very run was started."""
    from evals.runner import planned_run
    from lab.prices import load_prices

    return load_prices(own or (None if fresh else planned_run(suite, plan).own_prices))


def _tell_remarks(remarks: "list[Remark]", suite: "Suite", plan: "Plan", leaks: bool) -> list[str]:
    """Say what there is to say of the user's own data and of its split, and return the words."""
    from evals.own_data import check_split

    told = [*remarks, *check_split(suite, plan.scenarios[0], leaks=leaks)]
    for remark in told:
        remark.tell()
    return [remark.words for remark in told]


def _tell_forecast(forecast: "Forecast", budget: "Budget", crew: "Crew") -> None:
    """Say what the run will take, and that many workers change it."""
    tell_forecast(forecast, budget)
    if not crew.is_alone:
        Console().note(f"these are minutes of one job; how much of them {crew} saves depends on the machine")


def _tell_outcome(forecast: "Forecast", run: "Run", seconds: float, answers: int) -> None:
    """Say how far off the forecast was, where there was anything to foretell, and keep that."""
    from evals.forecast.forecast import keep_outcome

    if forecast.answers:
        Console().note(keep_outcome(forecast, run, seconds, answers))


def _chosen(
    suite: str | None, data: str | None, changes: dict[str, Any], llm: str | None, quick: bool, limit: str | None
) -> "tuple[Suite, list[Remark]]":
    """Return the suite as the flags have it, and what is to be said of the user's own data."""
    from evals.own_data import own_suite
    from evals.suite import ASKING, load_suite
    from lab.datasets.study import SETS

    if data:
        chosen, remarks = own_suite(data, suite, changes, llm, quick, limited=limit is not None)
    else:
        chosen, remarks = load_suite(suite or "sentiment", llm, quick).model_copy(update=changes), []
        if {"text_column", "label_column"} & changes.keys() and chosen.dataset in SETS:
            fix = "name your file with --data, or leave the columns out"
            raise BakeoffError("columns of a file of your own", f"the built-in {chosen.dataset}", fix)
    if "documents" in changes and chosen.kind not in ASKING:
        fix = "leave out --documents, or give questions: a file with the columns question and answer"
        raise BakeoffError("documents for questions alone", f"a suite of labelled texts, {chosen.name}", fix)
    return chosen, remarks


def _list(json: bool) -> None:
    from evals.suite import built_in_suites

    suites = built_in_suites()
    if json:
        Console().document([{"suite": one.name, "kind": one.kind, "description": one.description} for one in suites])
    else:
        Console().table(["suite", "kind", "what it asks"], [[one.name, one.kind, one.description] for one in suites])
