"""`bakeoff advise`: which arm to use for these needs, from the figures of a finished run."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.command_app import Json, command_app
from lab.console import Console

if TYPE_CHECKING:
    from evals.advice.choice import Needs

WIDTH = 80
QUESTIONS = {
    "queries_per_month": "Queries a month",
    "changes_per_month": "Changes of the data a month",
    "max_latency_ms": "Milliseconds that one answer may take (p95)",
    "usd_per_hour": "Dollars that an hour of this machine costs",
    "cost_per_error": "Dollars that a wrong answer costs you",
}


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("a finite number is needed")
    return value


def _amount(help: str) -> Any:
    return typer.Option(min=0, callback=_finite, help=help)


app = command_app()


@app.command()
def advise(
    run_id: Annotated[str | None, typer.Argument(help="A finished run; without one, the newest.")] = None,
    queries_per_month: Annotated[float | None, _amount("How many texts a month.")] = None,
    changes_per_month: Annotated[float | None, _amount("How often a month the data changes.")] = None,
    max_latency_ms: Annotated[float | None, _amount("The longest that one text may take (p95).")] = None,
    usd_per_hour: Annotated[float | None, _amount("The price of an hour of this machine.")] = None,
    cost_per_error: Annotated[float | None, _amount("What one text without a right answer costs, in USD.")] = None,
    prices: Annotated[Path | None, typer.Option(help="Your prices of models; they override the others.")] = None,
    json: Json = False,
) -> None:
    """Say which arm of a finished run to use, why, and the smallest change that would turn that over."""
    from evals.advice.advice import advise as advise_
    from evals.advice.advice import finished_run
    from lab.prices import load_prices
    from lab.settings import settings

    run = finished_run(run_id)
    listed = load_prices(prices or run.own_prices)
    given = {
        "queries_per_month": queries_per_month,
        "changes_per_month": changes_per_month,
        "max_latency_ms": max_latency_ms,
        "usd_per_hour": settings().usd_per_hour if usd_per_hour is None else usd_per_hour,
        "cost_per_error": cost_per_error,
    }
    document = advise_(run, _needs(given), listed)
    if json:
        Console().document(document)
    else:
        _print(document)


def _needs(given: dict[str, float | None]) -> "Needs":
    """Return the needs: what was not given is asked at a terminal, and assumed elsewhere, which is said."""
    from evals.advice.choice import Needs

    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    needs = replace(Needs(), **known)
    missing = [name for name in QUESTIONS if given[name] is None]
    if sys.stdin.isatty():
        asked: dict[str, Any] = {name: _ask(name, getattr(needs, name)) for name in missing}
        return replace(needs, **asked)
    assumed = [f"{QUESTIONS[name].lower()} {_shown(name, getattr(needs, name))}" for name in missing]
    if assumed:
        Console().note(f"not given, so assumed: {', '.join(assumed)}")
    return needs


def _ask(name: str, default: float | None) -> float | None:
    """Ask on stderr until the answer is a number from 0 up; Enter alone takes the default, which may be none."""
    offered = _shown(name, default)

    def parse(answer: str) -> float | None:
        if answer.strip() == offered:
            return default
        try:
            value = float(answer.replace(",", ""))
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise typer.BadParameter(f"a number from 0 up, or '{offered}', is needed")
        return value

    answer: float | None = typer.prompt(QUESTIONS[name], default=offered, value_proc=parse, err=True)
    return answer


def _shown(name: str, value: float | None) -> str:
    if value is not None:
        return f"{value:g}"
    return "no limit" if name == "max_latency_ms" else "unknown"


def _print(document: dict[str, Any]) -> None:
    from evals.advice.telling import sections, table

    console = Console()
    console.answer(fill(document["statement"], WIDTH))
    for title, lines in sections(document).items():
        items = [fill(line, WIDTH, initial_indent="  - ", subsequent_indent="    ") for line in lines]
        console.answer("\n".join(["", title, *items]))
    console.answer("")
    console.table(*table(document))
