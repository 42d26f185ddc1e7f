"""`bakeoff runs`: what was measured, told again, held against another run, repeated, and handed on."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evals.commands.printing import print_run
from lab.command_app import Json, command_app
from lab.console import Console

if TYPE_CHECKING:
    from evals.gate import RunComparison
    from evals.manifest import Difference
    from evals.reproduce import Reproduction

RunId = Annotated[str, typer.Argument(help="A run, as `bakeoff runs list` names it.")]
Margin = Annotated[
    float | None, typer.Option(min=0.1, max=99, help="Points of accuracy that may be lost; asks for proof of no more.")
]
Against = Annotated[str, typer.Option(help="The run to hold it against.")]

app = command_app("Eval runs: list, show, report, compare, gate, reproduce, export.")


@app.command("list")
def list_(json: Json = False) -> None:
    """List the runs of this workspace."""
    from evals.report import list_runs

    rows = list_runs()
    if json:
        Console().document(rows)
        return
    if not rows:
        Console().note("there is no run yet; make one with: bakeoff eval sentiment")
        return
    told = ("run_id", "started", "dataset", "test", "statement")
    Console().table(["run", "started", "data", "test texts", "verdict"], [[row[name] for name in told] for row in rows])


@app.command()
def show(run_id: RunId, json: Json = False) -> None:
    """Score a saved run again from its records, asking no model, and print it."""
    from evals.report import open_run

    print_run(open_run(run_id), json)


@app.command()
def compare(a: RunId, b: RunId, json: Json = False) -> None:
    """Compare two runs arm by arm, paired on the test texts that both have; asks no model."""
    from evals.gate import compare_runs
    from evals.report import open_run

    found = compare_runs(open_run(a), open_run(b))
    if json:
        Console().document(asdict(found))
        return
    _print_comparison(found)
    _print_differences(found.differences, found.b, found.a)


@app.command()
def gate(
    run_id: RunId,
    against: Against,
    metric: Annotated[Literal["accuracy"], typer.Option(help="What must not get worse.")] = "accuracy",
    margin: Margin = None,
    json: Json = False,
) -> None:
    """Exit with code 3 if an arm of a run is significantly worse than in another run: for CI."""
    from evals.gate import check_regressions, compare_runs, require_passed
    from evals.report import open_run

    found = compare_runs(open_run(run_id), open_run(against))
    checks = check_regressions(found, margin)
    if json:
        told = {"run_id": found.a, "against": found.b, "metric": metric, "margin_points": margin, "n": found.n}
        passed = all(check.passed for check in checks)
        Console().document({**told, "passed": passed, "checks": [asdict(check) for check in checks]})
    else:
        words = {True: "passed", False: "failed", None: "not judged"}
        title = f"{found.a} against {found.b}, {metric}, {found.n} test texts in common"
        rows = [[check.arm, words[check.passed], check.reason] for check in checks]
        Console().table(["arm", "gate", "difference"], rows, title)
    _warn_unshared(found)
    require_passed(found, checks)


@app.command()
def reproduce(run_id: RunId, json: Json = False) -> None:
    """Run a run again, training and indexing anew, and compare record by record; exit code 3 if anything differs."""
    from evals.report import open_run
    from evals.reproduce import reproduce as reproduce_

    found = reproduce_(open_run(run_id))
    if json:
        Console().document({**asdict(found), "identical": found.identical})
    else:
        _print_reproduction(found)
    found.require_identical()


@app.command()
def report(
    run_id: RunId,
    form: Annotated[
        Literal["html", "md", "pdf"],
        typer.Option("--format", help="A page; Markdown for a pull request; a PDF (extra `pdf`)."),
    ] = "html",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file to write; else the run's folder, and stdout for Markdown."),
    ] = None,
) -> None:
    """Write a run's report anew from its records, asking no model."""
    from evals.report import open_run, read
    from evals.reporting.writing import write_report

    run = open_run(run_id)
    contents = read(run)
    if form == "md" and output is None:
        from evals.reporting.markdown import markdown

        Console().answer(markdown(contents), end="")
        return
    path = output or run.folder / f"report.{form}"
    write_report(contents, form, path)
    Console().answer(f"report: {path}")


@app.command()
def export(
    run_id: RunId,
    form: Annotated[
        Literal["csv", "parquet", "junit", "jsonl"],
        typer.Option("--format", help="Records as csv, parquet or jsonl; checks for a CI as junit."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write; an old one is replaced.")],
    against: Annotated[str | None, typer.Option(help="junit: also gate against this run.")] = None,
    margin: Margin = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="junit: an arm below this accuracy is a failure.")
    ] = None,
) -> None:
    """Write a run's records, or its checks as JUnit XML, for other programs."""
    from evals.export import export_junit, export_records
    from evals.gate import check_regressions, compare_runs
    from evals.report import open_run

    run = open_run(run_id)
    if form != "junit":
        if (against, margin, min_accuracy) != (None, None, None):
            raise typer.BadParameter("--against, --margin and --min-accuracy belong to --format junit")
        written = f"{export_records(run, form, output)} records"
    else:
        if margin is not None and against is None:
            raise typer.BadParameter("--margin belongs to --against")
        checks = check_regressions(compare_runs(run, open_run(against)), margin) if against else []
        written = f"{export_junit(run, output, min_accuracy, checks)} test cases"
    Console().answer(f"{written} of {run.id}: {output}")


def _print_comparison(found: "RunComparison") -> None:
    rows = []
    for change in found.arms:
        cells = [change.arm, *(f"{accuracy:.1%}" for accuracy in change.accuracy or ())]
        tested = change.comparison
        if tested is None:
            told = ["-", "-", "-"]
        else:
            low, high = (f"{100 * bound:+.1f}" for bound in tested.ci)
            told = [f"{100 * tested.difference:+.1f}", f"{low} – {high}", f"{tested.p_adjusted:.2g}"]
        rows.append([*cells, *["-"] * (3 - len(cells)), *told, str(change.n)])
    headers = ["arm", "accuracy a", "accuracy b", "a − b, points", "95 % interval", "p, Holm", "n"]
    Console().table(headers, rows, f"a = {found.a}, b = {found.b}: {found.n} test texts in common")
    _warn_unshared(found)


def _warn_unshared(found: "RunComparison") -> None:
    if found.unshared:
        Console().warn(f"in one of the runs only, and not compared: {', '.join(found.unshared)}")


def _print_differences(differences: "tuple[Difference, ...]", before: str, after: str) -> None:
    """Print what the manifests say differently."""
    if differences:
        Console().answer(f"what else differs, {before} -> {after}:")
    for difference in differences:
        Console().answer(f"  {difference}")


def _print_reproduction(found: "Reproduction") -> None:
    from evals.reproduce import SHOWN

    word = "identical" if found.identical else "not identical"
    Console().answer(f"{word}: {found.records} answers of {found.run}, again in {found.reproduction}")
    if not found.identical:
        Console().answer(
            f"  {found.changed} differ, {len(found.labels)} of them in the label; {found.missing} are in one run only;"
            f" largest drift of a score {found.drift:.2g}"
        )
    for one in found.labels[:SHOWN]:
        Console().answer(f"  {one.arm}, {one.example}: {one.before or 'failed'} -> {one.after or 'failed'}")
    if len(found.labels) > SHOWN:
        Console().answer(f"  … and {len(found.labels) - SHOWN} more; --json has them all")
    _print_differences(found.differences, found.run, found.reproduction)
