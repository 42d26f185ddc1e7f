"""What the arms live through: learning curves, changing data, worse texts; planned rightly, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.approach import Prediction
from evals.records import Question, Record
from evals.scenarios import Moment, PricedFit, kind_of
from evals.scenarios.data_efficiency import crossing_points
from evals.scenarios.freshness import CHANGED, MISTAKEN, WITHDRAWN
from evals.scenarios.robustness import CLEAN, PERTURBATIONS, emoji, typos
from evals.suite import Arm, Suite, built_in_suites, load_suite
from lab.datasets import Example
from lab.errors import BakeoffError
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
TIMES = ("latency_p50_ms", "latency_p95_ms", "fit_seconds", "update_seconds", "seconds")
EXAMPLE = Example("0", "a text", "y", "x:0")
KINDS = ("data_efficiency", "freshness", "robustness")


@pytest.mark.parametrize("suite", built_in_suites(), ids=lambda suite: suite.name)
def test_every_built_in_suite_says_what_it_asks_and_has_a_quick_form(suite: Suite) -> None:
    assert suite.description
    assert suite.budgets
    quick = load_suite(suite.name, quick=True)
    assert quick != suite
    assert [arm.key for arm in quick.arms] == [arm.key for arm in suite.arms]


def test_a_suite_without_what_its_kind_needs_is_refused() -> None:
    Path("x.yaml").write_text("name: x\nkind: freshness\nreference: knn\narms: [{approach: knn}]\n")
    with pytest.raises(BakeoffError, match="needs arrivals"):
        load_suite("x.yaml")
    with pytest.raises(BakeoffError, match="a suite with a quick form"):
        load_suite("x.yaml", quick=True)


def test_larger_training_sets_hold_the_smaller_and_every_label_from_the_start() -> None:
    suite = load_suite("data_efficiency").model_copy(update={"repeats": 2})
    plan = kind_of(suite.kind).plan(suite, "20")
    assert len(plan.scenarios) == 2 * (len(suite.sizes) + 1)
    every, *_, next_, smallest = plan.scenarios[:6]
    assert every.name.endswith("(all)")
    assert smallest.steps[0].new.fingerprint != plan.scenarios[-1].steps[0].new.fingerprint, "seeds draw anew"
    small, larger = smallest.steps[0], next_.steps[0]
    assert small.new.examples == larger.new.examples[: len(small.new)]
    assert set(small.new.targets[:3]) == {"negative", "neutral", "positive"}
    assert len(smallest.validation) == len(small.new) == 8
    assert len({tuple(s.steps[0].tests["test"].texts) for s in plan.scenarios}) == 1, "all on the same test texts"


def test_curves_cross_where_the_lead_begins_for_good() -> None:
    tuned = {8: [0.4, 0.6, 0.4, 0.5], 32: [0.6, 0.5, 0.4, 0.6], 128: [0.8, 0.8, 0.4, 0.7]}
    other = {8: [0.5, 0.5, 0.5, 0.4], 32: [0.5, 0.6, 0.5, 0.5], 128: [0.6, 0.6, 0.5, 0.6]}
    points = crossing_points(*({size: dict(enumerate(own)) for size, own in arm.items()} for arm in (tuned, other)))
    assert points[0] == pytest.approx(16), "halfway between 8 and 32 on a logarithmic scale"
    assert points[1] == pytest.approx(2 ** (5 + 2 / 3)), "the early lead is lost again: the later crossing counts"
    assert points[2] is None
    assert points[3] == 8, "ahead from the first size on"


def test_a_seed_that_never_crosses_leaves_the_interval_open_and_variance_moves_the_crossing() -> None:
    suite = load_suite("data_efficiency").only(["knn", "finetuned"], [])

    def found(rights: dict[int, list[int]]) -> tuple[list[str], dict[str, Any]]:
        """Return the finding's row where the tuned arm has so many of 10 right by size and seed, kNN always 5."""
        hits = {"finetuned": rights, "knn": {size: [5] * len(own) for size, own in rights.items()}}
        records = [
            Record.of(Question(arm, f"{size}", "", "test", seed, f"{n}"), EXAMPLE, Prediction("yn"[n >= hit]), 0.1)
            for arm, sizes in hits.items()
            for size, seeds in sizes.items()
            for seed, hit in enumerate(seeds)
            for n in range(10)
        ]
        finding = kind_of(suite.kind).findings(suite, records, {})[1]
        return list(finding.rows[0][2:]), finding.data["crossings"][0]

    row, data = found({8: [3, 3, 4], 32: [7, 7, 6], 128: [9, 9, 9]})
    assert row == ["16", "16 – 16", "20", "3 of 3"], "level at 16, ahead by a standard deviation from 20 on"
    assert data["when_variance_counts"] == pytest.approx(20.3, abs=0.1)
    row, data = found({8: [3, 3, 4], 32: [7, 7, 3], 128: [9, 9, 4]})
    assert (row[0], row[3]) == ("16", "2 of 3")
    assert row[1].endswith(" – beyond 128"), "a seed that never crosses is not left out"
    assert row[2] == "never up to 128", "one seed in three stays behind: not to be relied on"
    assert data["points"][2] is None
    row, data = found({8: [3, 3, 4], 32: [4, 4, 4], 128: [9, 4, 4]})
    assert (row[0], row[3]) == ("never up to 128", "1 of 3")


def test_data_that_changes_is_tested_before_and_after_and_what_is_withdrawn_was_wrong() -> None:
    suite = load_suite("freshness")
    steps = kind_of(suite.kind).plan(suite, "40").scenarios[0].steps
    assert [step.name for step in steps] == ["tweets", "amazon", "films", "news", CHANGED, MISTAKEN, WITHDRAWN]
    for before, now in pairwise(steps[:4]):
        assert before.tests[now.name] == now.tests[now.name], "asked before the arrival and after it"
    changed = steps[4]
    new_labels = {example.source: example.label for example in changed.tests[CHANGED].examples}
    assert new_labels
    assert set(new_labels.values()) == {"neutral"}
    assert not new_labels.keys() & {e.source for name in ("tweets", "amazon") for e in changed.tests[name].examples}
    known = {example.id: example.label for step in steps[:4] for example in step.new.examples}
    assert all(known[example.id] == "positive" for example in changed.new.examples)
    mistake, withdrawal = steps[5:]
    assert withdrawal.gone == mistake.new == mistake.tests[WITHDRAWN]
    assert not known.keys() & {example.id for example in mistake.new.examples}
    tests = [test for step in steps[:5] for name, test in step.tests.items() if name != WITHDRAWN]
    tested = {example.id for test in tests for example in test.examples}
    assert not tested & known.keys()


def test_a_change_and_a_swap_are_told_in_seconds_tokens_and_dollars(setting: Callable[[str, str], None]) -> None:
    setting("BAKEOFF_USD_PER_HOUR", "3600")  # a dollar a second
    suite = load_suite("freshness").only(["knn"], [])
    remote = Arm(approach="rag", llm="openai:x", name="remote")
    suite = suite.model_copy(update={"arms": (*suite.arms, remote, remote.model_copy(update={"name": "unpriced"}))})
    took = {"knn": PricedFit(2.0), "remote": PricedFit(2.0, tokens=70, tokens_usd=5.0)}
    took["unpriced"] = PricedFit(2.0, tokens=70, tokens_usd=None)
    fits = {Moment(arm, "", 0, "amazon"): fit for arm, fit in took.items()}
    changes, _ = kind_of("freshness").findings(suite, [], fits)
    cells = {row[0]: row[-3:] for row in changes.rows if row[1] == "amazon"}
    assert cells == {
        "knn": ["2.0", "0", "2.0000"],
        "remote": ["2.0", "70", "7.0000"],
        "unpriced": ["2.0", "70", "unknown"],
    }
    suite = load_suite("portability").only(["finetuned"], [])
    records = [
        Record.of(Question(arm.key, "", "", "test", 0, f"{n}"), EXAMPLE, Prediction("yn"[n % 3 == 0]), 0.1)
        for arm in suite.arms
        for n in range(9)
    ]
    swaps, *_ = kind_of("portability").findings(
        suite, records, {Moment("finetuned@minilm-3", "", 0, ""): PricedFit(9.0)}
    )
    assert swaps.rows[0][-2:] == ["trained again, 9 s", "9.0000"]


def test_perturbations_change_the_text_and_nothing_else() -> None:
    suite = load_suite("robustness")
    clean, *noisy = kind_of(suite.kind).plan(suite, "40").scenarios
    tests = clean.steps[0].tests
    assert list(tests) == [CLEAN, *PERTURBATIONS]
    for name, test in tests.items():
        assert test.targets == tests[CLEAN].targets
        assert (test.texts == tests[CLEAN].texts) == (name == CLEAN)
    train = clean.steps[0].new
    wrong = [np.mean([a != b for a, b in zip(s.steps[0].new.targets, train.targets, strict=False)]) for s in noisy]
    assert wrong == pytest.approx([0.1, 0.3, 0.0], abs=0.001)
    assert len(noisy[2].steps[0].new) == len(train) + 3 * (len(train) // 10)
    random = np.random.default_rng(0)
    assert sorted(typos("wonderful evening", random)) == sorted("wonderful evening")
    assert emoji("fine", random).startswith("fine ")


@pytest.mark.parametrize("name", KINDS)
def test_a_suite_of_each_kind_runs_and_says_what_it_found(name: str, bakeoff: Callable[..., Outcome]) -> None:
    arms = ("knn", "linear_probe") if name == "freshness" else ("knn",)
    told = bakeoff("eval", name, "--quick", *(f"--only={arm}" for arm in arms), "--json")
    assert told.code == 0, told.err
    document = told.json
    assert [row["failures"] for row in document["results"]] == [0] * len(arms)
    assert document["findings"]
    for finding in document["findings"]:
        assert {len(row) for row in finding["rows"]} == {len(finding["columns"])}
    if name == "freshness":
        _check_freshness(document)
    shown = bakeoff("runs", "show", document["run_id"])
    assert document["findings"][0]["title"] in " ".join(shown.out.split()), "wrapped where its table is narrow"


def _check_freshness(document: dict[str, Any]) -> None:
    """The index says what was withdrawn while it stands, and not after; both arms say what an update takes."""
    knn, _ = document["findings"][1]["data"]["withdrawal"]
    assert knn["standing"] > 0.5 > knn["after"]
    assert knn["after"] == knn["before"], "nothing of it is left"
    assert all(row["update_seconds"] > 0 for row in document["results"])


def test_a_killed_freshness_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    for folder in ("killed", "whole"):
        (tmp_path / folder).mkdir()
    command = [sys.executable, "-m", "cli", "eval", "freshness", "--quick", "--only", "knn", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path / "killed", env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_for(tmp_path / "killed", 200, process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    documents = [_document(command, tmp_path / folder, environment) for folder in ("killed", "whole")]
    assert documents[0] == documents[1]


def _wait_for(folder: Path, answers: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(2400):
        found = list(folder.glob(".bakeoff/runs/*/records.jsonl"))
        if found and found[0].read_bytes().count(b"\n") >= answers:
            return
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    raise AssertionError(f"no {answers} answers in two minutes")


def _document(command: list[str], folder: Path, environment: dict[str, str]) -> Any:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return _timeless(json.loads(done.stdout))


def _timeless(node: Any) -> Any:
    """Return a document without what the clock decides."""
    if isinstance(node, dict):
        kept = {name: _timeless(value) for name, value in node.items() if name not in TIMES}
        return kept | ({"rows": None} if "rows" in node else {})
    return [_timeless(value) for value in node] if isinstance(node, list) else node
