"""How a run was measured, and what its figures do not say."""

from collections.abc import Iterator, Mapping
from typing import Any

from evals.charts.marks import arm_name
from evals.reporting.contents import Contents
from evals.suite import Arm
from evals.tuning import stated_budgets


def facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run was made of, in words; what a manifest of an older schema does not tell is left out."""
    suite, data, machine = manifest["suite"], manifest["dataset"], manifest.get("machine", {})
    models, packages = manifest.get("models", {}), manifest.get("packages", {})
    versions = ", ".join(f"{name} {number}" for name, number in packages.items())
    revision = f"; revision {manifest['revision']}" if manifest.get("revision") else ""
    told = {
        "data": f"{data['name']}, fingerprint {data['fingerprint']}",
        "parts": f"{data['train']:,} to learn from, {data['validation']:,} to choose on, {data['test']:,} to test;"
        " near-duplicates on one side",
        "budgets": suite.get("budgets") or _budgets(suite),
        "instruction": suite.get("instruction", ""),
        "base models": ", ".join(f"{name} ({one})" for name, one in models.items()),
        "seeds": ", ".join(map(str, manifest.get("seeds", [suite.get("seed", 0)]))),
        "machine": ", ".join(
            part
            for part in (
                machine.get("system", ""),
                f"Python {machine['python']}" if "python" in machine else "",
                f"{machine['device']} in {machine['precision']}" if "device" in machine else "",
            )
            if part
        ),
        "versions": f"{versions}{revision}",
    }
    return {name: value for name, value in told.items() if value}


def _budgets(suite: Mapping[str, Any]) -> str:
    """Return the budgets of a suite that states none, as far as its arms tell them."""
    return stated_budgets([Arm.model_validate(arm) for arm in suite.get("arms", ())], suite.get("kind", "static"))


def caveats(contents: Contents) -> list[str]:
    """Return what a reader should know before repeating the figures."""
    return list(_caveats(contents))


def _caveats(contents: Contents) -> Iterator[str]:
    document, suite = contents.document, contents.manifest["suite"]
    rows = document["results"]
    yield from (line for line in document["verdict"]["because"] if line.startswith("doubtful"))
    if document["comparisons"]:
        yield f"Compared in pairs on the same texts: {document['comparisons'][0]['test']}; * marks p < 0.05."
    if any(row["failures"] for row in rows):
        yield (
            "Accuracy and macro-F1 are over the texts that were answered: a failure is counted as a failure, never as a"
            " wrong label."
        )
    if suite.get("repeats", 1) == 1:
        yield "One seed: trained with another, an approach may score a little better or worse."
    if any(row["latency_p50_ms"] for row in rows):
        yield (
            "Latency is one text at a time, warm, on this machine; fit is the time it really took, also where this run"
            " could reuse it."
        )
    if all(row["cost_per_1k_usd"] is None for row in rows):
        yield "Dollars are unknown: this machine's hour has no price (BAKEOFF_USD_PER_HOUR)."
    yield from (f"{arm_name(arm)}: {note}." for arm, note in contents.notes.items())
