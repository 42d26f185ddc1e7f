"""The tables of a report, as cells in words, for every form that it is written in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.charts.marks import arm_name
from evals.reporting.contents import Contents
from evals.verdict import SIGNIFICANT

NUMERIC = re.compile(r"[-–+−\d.,%()e* ]*|unknown")
COST_HEADERS = ("$ per 1,000", "$ per 1,000 right")
NOTHING = {"–", "0", "unknown"}  # a column of these alone is left out, where it says so


@dataclass(frozen=True)
class Table:
    """Cells under headers; `strong` is the number of the row that stands out."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: int | None = None

    @property
    def numeric(self) -> list[bool]:
        """Tell of each column whether it holds figures, which stand to the right."""
        return [all(NUMERIC.fullmatch(row[number]) for row in self.rows) for number in range(len(self.headers))]


def results_table(contents: Contents) -> Table:
    """Return a row for each arm: what it gets right, how it compares with the reference, and what it takes."""
    pairs = {pair["b"]: pair for pair in contents.document["comparisons"] if pair["a"] == contents.reference}
    beside = f"beside {arm_name(contents.reference)}" if contents.reference in contents.arms else "beside"
    columns: dict[str, list[str]] = {"approach": [arm_name(arm) for arm in contents.arms]}
    rows = contents.document["results"]
    columns["accuracy"] = [_share(row["accuracy"]) for row in rows]
    columns["95 % interval"] = [_span(row["accuracy_ci"]) for row in rows]
    columns["macro-F1"] = [_number(row["macro_f1"], ".3f") for row in rows]
    columns[beside] = [_lead(pairs.get(arm)) for arm in contents.arms]
    columns["p, Holm"] = [_number(pairs[arm]["p_adjusted"], ".2g") if arm in pairs else "–" for arm in contents.arms]
    columns["failed"] = [str(row["failures"]) for row in rows]
    columns["p50 ms"] = [_number(row["latency_p50_ms"], ".1f") for row in rows]
    columns["p95 ms"] = [_number(row["latency_p95_ms"], ".1f") for row in rows]
    columns["fit s"] = [_number(row["fit_seconds"], ".1f") for row in rows]
    columns["update s"] = [_number(row.get("update_seconds"), ".1f") for row in rows]
    columns["tokens"] = [f"{row['tokens']:,}" for row in rows]
    columns |= {name: [cost_cells(row)[number] for row in rows] for number, name in enumerate(COST_HEADERS)}
    kept = {name: cells for name, cells in columns.items() if set(cells) - NOTHING}
    winner = contents.document["verdict"]["winner"]
    strong = contents.arms.index(winner) if winner in contents.arms else None
    return Table(list(kept), list(zip(*kept.values(), strict=True)), strong)


def cost_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the cells under COST_HEADERS; where nothing was right, no money buys a right answer."""
    each, right = row["cost_per_1k_usd"], row["cost_per_correct_usd"]
    if each is None:
        return ["unknown", "unknown"]
    return [f"{each:.4f}", "–" if right is None else f"{1000 * right:.4f}"]


def comparisons_table(contents: Contents) -> Table:
    """Return a row for each pair of arms that was compared."""
    headers = ["a", "b", "a − b, points", "95 % interval", "p", "p, Holm", "n"]
    rows = [
        [
            arm_name(pair["a"]),
            arm_name(pair["b"]),
            _signed(pair["difference"]),
            _points(pair["ci"]),
            f"{pair['p_value']:.2g}",
            f"{pair['p_adjusted']:.2g}",
            str(pair["n"]),
        ]
        for pair in contents.document["comparisons"]
    ]
    return Table(headers, rows)


def finding_table(finding: Mapping[str, Any]) -> Table:
    """Return the table of a finding."""
    return Table(list(finding["columns"]), [[str(cell) for cell in row] for row in finding["rows"]])


def class_tables(contents: Contents) -> dict[str, Table]:
    """Return for each arm that answered a row per class: how well it is told, and what it was taken for."""
    details = contents.document["details"]
    return {arm_name(arm): _classes(detail) for arm, detail in details.items() if detail["per_class"]}


def disputed_table(contents: Contents) -> Table:
    """Return the texts that the reference got wrong, with what every arm said."""
    rows = [[one.text, one.target, *(one.said[arm] for arm in contents.arms)] for one in contents.disputed]
    return Table(["text", "label", *map(arm_name, contents.arms)], rows)


def _classes(detail: Mapping[str, Any]) -> Table:
    labels, matrix = detail["confusion"]["labels"], detail["confusion"]["matrix"]
    counts = {label: [str(count) for count in row] for label, row in zip(labels, matrix, strict=True)}
    rows = [
        [label, *(f"{row[name]:.2f}" for name in ("precision", "recall", "f1")), str(row["support"]), *counts[label]]
        for label, row in detail["per_class"].items()
    ]
    return Table(["label", "precision", "recall", "F1", "texts", *(f"called {label}" for label in labels)], rows)


def _lead(pair: Mapping[str, Any] | None) -> str:
    """Return by how many points an arm is ahead of the reference, starred where that is more than luck explains."""
    if pair is None:
        return "–"
    return f"{_signed(-pair['difference'])}{' *' if pair['p_adjusted'] < SIGNIFICANT else ''}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _span(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else "{:.1f} – {:.1f}".format(*(100 * bound for bound in interval))


def _points(interval: Sequence[float]) -> str:
    return " – ".join(map(_signed, interval))


def _signed(share: float) -> str:
    """Return a difference in points, with a true minus sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
