"""Scores a run from its records: results.json, and the rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evals.advice.candidates import keep_facts
from evals.approach import Fit
from evals.costs import token_cost
from evals.leakage import LABEL_NOISE, suspicious
from evals.metrics import Measured, details, outcomes, result_row
from evals.records import Record
from evals.reporting.contents import Contents, contents_of
from evals.reporting.page import write_page
from evals.reporting.tables import COST_HEADERS, cost_cells
from evals.runner import MANIFEST, Run
from evals.scenarios import Fits, PricedFit, PricedFits, kind_of
from evals.scenarios.portability import swaps
from evals.suite import Arm, Suite, recorded_suite
from evals.verdict import Verdict, decide, unfinished
from lab.errors import BakeoffError
from lab.prices import Price, PriceList, load_prices
from lab.settings import settings
from lab.statistics import Comparison, compare
from lab.workspace import Workspace, read_json, write_json

HEADERS = ("approach", "LLM", "accuracy", "95 % interval", "macro-F1", "failed", "p50 ms", "p95 ms", "fit s", "tokens")


def score(run: Run) -> dict[str, Any]:
    """Score a run from its records, asking no model again; write results.json and report.html into its folder.

    Returns the document of `bakeoff eval --json`.
    """
    contents = read(run)
    write_page(contents, run.folder / "report.html")
    return contents.document


def read(run: Run) -> Contents:
    """Score a run from its records, asking no model again, and return all that a report tells of it.

    Where no answer is still to come, results.json is written into its folder.
    """
    manifest = run.manifest
    suite = recorded_suite(manifest)
    kind = kind_of(suite.kind)
    records, measured, fits = run.records(), run.measured(), run.fits()
    by_arm = run.primary(records)
    rights = {key: outcomes(own) for key, own in by_arm.items()}
    prices = load_prices(run.own_prices)
    rows = [
        _row(arm, by_arm[arm.key], measured.get(arm.key, Measured(Fit())), prices)
        | {"update_seconds": _update_seconds(arm, fits, suite.dataset)}
        for arm in suite.arms
    ]
    comparisons = compare(_pairs(suite), rights, suite.seed)
    waiting = manifest.get("answers", manifest["dataset"]["test"]) * len(suite.arms) - len(records)
    verdict = unfinished(waiting) if waiting > 0 else decide(rows, comparisons, suite.reference_key)
    verdict.because.extend(_doubts(suite, manifest, rights))
    document = _document(run, manifest, suite.arms, rows, comparisons, verdict)
    document["details"] = {key: details(own) for key, own in by_arm.items()}
    found = kind.findings(suite, records, _priced(suite, fits, prices))
    document |= {"findings": [asdict(finding) for finding in found]} if found else {}
    if waiting <= 0:
        write_json(run.folder / "results.json", document)
        keep_facts(run, document, by_arm)
    return contents_of(document, manifest, measured, by_arm)


def _doubts(suite: Suite, manifest: dict[str, Any], rights: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return, in words, what speaks against the figures: leaks, and accuracies better than the labels allow."""
    leaks = [f"doubtful: {leak['what']} ({leak['count']}); {leak['fix']}" for leak in manifest.get("leaks", [])]
    return [*leaks, *_too_good(suite, rights)]


def _too_good(suite: Suite, rights: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield, in words, each accuracy that is better than the noise of the labels allows, where that is known."""
    for key, own in rights.items():
        for data, shares in _by_dataset(suite, own).items():
            noise = suite.known_noise or LABEL_NOISE.get(data)
            if noise and (suspicion := suspicious(sum(shares) / len(shares), len(shares), noise)):
                where = f"{key} on {data}" if suite.arrivals else key
                yield f"doubtful: {where}: {suspicion.statement}"


def _by_dataset(suite: Suite, rights: Mapping[str, float]) -> dict[str, list[float]]:
    """Return the answers by the dataset that their texts are from: where several arrive, each is a test of its name."""
    found: dict[str, list[float]] = {}
    for item, right in rights.items():
        test = item.split("\0")[2]
        found.setdefault(test if test in suite.arrivals else suite.dataset, []).append(right)
    return found


def _update_seconds(arm: Arm, fits: Fits, first: str) -> float | None:
    """Return the mean seconds of taking in a change, after the step called `first`; None where nothing changed."""
    updates = [fit.seconds for moment, fit in fits.items() if moment.arm == arm.key and moment.step not in ("", first)]
    return round(sum(updates) / len(updates), 3) if updates else None


def open_run(run_id: str) -> Run:
    """Return a run of this workspace.

    Raises:
        BakeoffError: there is none of that name.
    """
    folder = Workspace.current().runs / run_id
    if "/" in run_id or not (folder / MANIFEST).exists():
        raise BakeoffError("the name of a run", f"'{run_id}'", "see: bakeoff runs list")
    return Run(folder)


def list_runs() -> list[dict[str, Any]]:
    """Return each run's id, start, data, number of test texts and verdict, oldest first."""
    runs = [Run(path.parent) for path in Workspace.current().runs.glob(f"*/{MANIFEST}")]
    return sorted((_listed(run) for run in runs), key=lambda row: str(row["started"]))


def _listed(run: Run) -> dict[str, Any]:
    manifest, results = run.manifest, run.folder / "results.json"
    statement = read_json(results)["verdict"]["statement"] if results.exists() else "unfinished: run it again to go on"
    data = manifest["dataset"]
    return {
        "run_id": run.id,
        "started": manifest["started"],
        "dataset": data["name"],
        "test": data["test"],
        "statement": statement,
    }


def results_table(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the headers and cells of results; what answers and right answers cost, where any of it is known."""
    if all(row["cost_per_1k_usd"] is None for row in rows):
        return [*HEADERS], [result_cells(row) for row in rows]
    return [*HEADERS, *COST_HEADERS], [[*result_cells(row), *cost_cells(row)] for row in rows]


def result_cells(row: dict[str, Any]) -> list[str]:
    """Return one row of results as the cells under HEADERS."""

    def show(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    interval = row["accuracy_ci"]
    return [
        row["approach"],
        (row["llm"] or "-").removeprefix("embedded:"),
        show(row["accuracy"], ".1%"),
        f"{interval[0]:.1%} – {interval[1]:.1%}" if interval else "-",
        show(row["macro_f1"], ".3f"),
        str(row["failures"]),
        show(row["latency_p50_ms"], ".1f"),
        show(row["latency_p95_ms"], ".1f"),
        show(row["fit_seconds"], ".1f"),
        str(row["tokens"] or "-"),
    ]


def _row(arm: Arm, records: Sequence[Record], measured: Measured, prices: PriceList) -> dict[str, Any]:
    """Return an arm's results under its key; what a remote LLM's tokens cost is looked up."""
    return {"key": arm.key, **result_row(arm, records, measured, settings().usd_per_hour, _price(arm, prices))}


def _price(arm: Arm, prices: PriceList) -> Price | None:
    """Return the price of a remote LLM's tokens; None where it is unknown, and where all is done here."""
    return None if arm.llm is None or arm.is_local else prices.of(arm.llm)


def _priced(suite: Suite, fits: Fits, prices: PriceList) -> PricedFits:
    """Return what getting ready and each change took, with the dollars of a remote LLM's tokens."""
    arms = {arm.key: arm for arm in suite.arms}
    return {
        moment: PricedFit(
            **vars(fit),
            tokens_usd=0.0
            if arms[moment.arm].is_local
            else token_cost(fit.tokens - fit.output_tokens, fit.output_tokens, _price(arms[moment.arm], prices)),
        )
        for moment, fit in fits.items()
    }


def _pairs(suite: Suite) -> list[tuple[str, str]]:
    """Return what is compared: the reference with every other arm, and each approach across its base LLMs."""
    reference = suite.reference_key
    pairs = [(reference, arm.key) for arm in suite.arms if reference and arm.key != reference]
    return pairs + [(a.key, b.key) for a, b in swaps(suite.arms) if reference not in (a.key, b.key)]


def _document(
    run: Run,
    manifest: dict[str, Any],
    arms: Sequence[Arm],
    rows: Sequence[dict[str, Any]],
    comparisons: Sequence[Comparison],
    verdict: Verdict,
) -> dict[str, Any]:
    told = ("name", "fingerprint", "train", "validation", "test")
    return {
        "run_id": run.id,
        "suite": manifest["suite"]["name"],
        "dataset": {name: manifest["dataset"][name] for name in told},
        "results": [_named(row, arm) for row, arm in zip(rows, arms, strict=True)],
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "verdict": asdict(verdict),
    }


def _named(row: dict[str, Any], arm: Arm) -> dict[str, Any]:
    """Return a result under the arm's own name, where the suite gives it one."""
    return {name: value for name, value in row.items() if name != "key"} | {"approach": arm.name or arm.approach}
