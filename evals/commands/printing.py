"""A run on the terminal: its table, its verdict, and where the report lies."""

from typing import TYPE_CHECKING

from lab.console import Console

if TYPE_CHECKING:
    from evals.runner import Run


def print_run(run: "Run", json: bool) -> None:
    """Score `run` and print it, as one JSON document or as a table with its verdict."""
    from evals.report import HEADERS, result_cells, score

    document = score(run)
    if json:
        Console().document(document)
        return
    console = Console()
    data = document["dataset"]
    title = f"{document['suite']}: {data['test']} test texts of {data['name']}, {data['train']} to learn from"
    console.table(HEADERS, [result_cells(row) for row in document["results"]], title)
    for finding in document.get("findings", []):
        console.table(finding["columns"], finding["rows"], finding["title"])
        console.note(finding["note"])
    verdict = document["verdict"]
    lines = [verdict["statement"], *(f"  because {line}" for line in verdict["because"])]
    lines += [f"  would change if {line}" for line in verdict["would_change_if"]]
    console.answer("\n".join(lines))
    console.answer(f"report: {run.folder / 'report.html'}")
