"""A slice is scored by the judge's own functions, on the texts that it holds and no others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.neighbours import known_of
from dashboard.scoring import scored
from dashboard.slices import Slice
from evals.gate import compare_runs
from evals.records import Record
from evals.runner import Run
from evals.suite import Suite
from lab.workspace import read_json


def only_run(home: Path) -> Run:
    return Run(next((home / "runs").glob("*/manifest.json")).parent)


def test_the_whole_run_is_scored_as_the_judge_scored_it(measured_home: Path) -> None:
    run = only_run(measured_home)
    suite, known = Suite.model_validate(run.manifest["suite"]), read_json(run.folder / "results.json")
    found = scored(suite, Slice().of(suite, run.records()), run.measured())
    assert json.loads(json.dumps([found["comparisons"], found["details"]])) == [known["comparisons"], known["details"]]
    assert [list(row["accuracy_ci"]) for row in found["results"]] == [row["accuracy_ci"] for row in known["results"]]
    assert found["verdict"]["statement"] == known["verdict"]["statement"]


def test_a_slice_holds_what_it_says(measured_home: Path) -> None:
    run = only_run(measured_home)
    suite, records = Suite.model_validate(run.manifest["suite"]), run.records()
    wanted = Slice(classes=("negative", "neutral"), shortest=40, longest=120, words="THE")

    def fits(record: Record) -> bool:
        inside = 40 <= len(record.text) <= 120 and "the" in record.text.lower()
        return inside and record.target in wanted.classes

    own = wanted.of(suite, records)
    assert {arm: {r.example for r in rows} for arm, rows in own.items()} == {
        arm.key: {r.example for r in records if r.arm == arm.key and fits(r)} for arm in suite.arms
    }
    assert any(own.values()) and not wanted.is_whole


def test_a_price_is_needed_for_dollars(measured_home: Path) -> None:
    run = only_run(measured_home)
    suite = Suite.model_validate(run.manifest["suite"])
    by_arm = Slice().of(suite, run.records())
    unknown, known = (scored(suite, by_arm, run.measured(), price)["results"] for price in (None, 2.0))
    assert {row["cost_per_1k_usd"] for row in unknown} == {None}
    own = by_arm[suite.arms[0].key]
    assert known[0]["cost_per_1k_usd"] == sum(r.seconds for r in own) * 2.0 / 3600 / len(own) * 1000


def test_a_place_outside_the_main_table_is_looked_at_as_a_whole(measured_home: Path) -> None:
    run = only_run(measured_home)
    suite = Suite.model_validate(run.manifest["suite"] | {"kind": "robustness", "label_noise": [0.3]})
    clean = [replace(record, scenario="clean", test="clean") for record in run.records()]
    typos = [replace(record, test="typos") for record in clean]
    arm = suite.arms[0].key
    assert Slice().of(suite, clean + typos)[arm] == Slice(test="clean").of(suite, clean + typos)[arm]
    assert {record.test for record in Slice(test="typos").of(suite, clean + typos)[arm]} == {"typos"}


def test_two_runs_are_paired_on_a_slice(measured_home: Path) -> None:
    run, wanted = only_run(measured_home), Slice(longest=110)
    part = wanted.applied_to(run, run.records())
    found = compare_runs(part, part)
    assert found.n == len({r.example for r in run.records() if len(r.text) <= 110})
    assert all(change.comparison and change.comparison.difference == 0 for change in found.arms)


def test_what_was_retrieved_is_found_among_what_was_learned(
    measured_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured_home.parent)
    run = only_run(measured_home)
    known = known_of(run.manifest)
    step = known.plan.scenarios[0].steps[0]
    learned = {example.source: example for example in step.new.examples}
    record = next(record for record in run.records() if record.arm == "knn")
    found = known.neighbours(record)
    assert [example and example.text for example in found] == [learned[source].text for source in record.evidence]
    assert record.text not in {example.text for example in found if example}
