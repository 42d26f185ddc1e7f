"""What makes a run's figures doubtful is said beside its verdict: leaks, and accuracies its labels do not allow."""

from dataclasses import asdict
from pathlib import Path

import pytest

from evals import load_suite, run_suite
from evals.approach import Fit, Prediction
from evals.budget import Budget
from evals.manifest import run_manifest
from evals.records import Journal, Question, Record
from evals.report import score
from evals.runner import MANIFEST, MEASUREMENTS, RECORDS, Run
from evals.suite import Suite
from lab.datasets import Example, load_dataset, split_dataset
from lab.workspace import write_json
from rag import add_documents

LAST = "news"  # to arrive in the suite `freshness`: the step whose tests count


def _doubts(folder: Path, suite: Suite, right: dict[str, float], n: int = 200, step: str = "") -> list[str]:
    """Return what is doubtful in a run where every arm is right in such a share of each of these tests."""
    facts = {"name": "x", "fingerprint": "f", "train": 9, "validation": 3, "test": n * len(right)}
    write_json(folder / MANIFEST, run_manifest(suite, facts))
    records = (
        Record.of(
            Question(arm.key, "", step, test, 0, f"{number}"),
            Example(f"{number}", f"text {number}", "positive", f"x:{number}"),
            Prediction("positive" if number < share * n else "negative"),
            0.01,
        )
        for arm in suite.arms
        for test, share in right.items()
        for number in range(n)
    )
    Journal(folder / RECORDS).append(map(asdict, records))
    Journal(folder / MEASUREMENTS).append(
        [{"arm": arm.key, "fit": asdict(Fit()), "latencies_ms": []} for arm in suite.arms]
    )
    return [line for line in score(Run(folder))["verdict"]["because"] if line.startswith("doubtful")]


@pytest.mark.parametrize(("share", "doubtful"), [(1.0, True), (0.96, False)])
def test_an_accuracy_above_what_the_noise_allows_is_doubtful(share: float, doubtful: bool, tmp_path: Path) -> None:
    suite = load_suite("sentiment").only(["majority"], [])
    told = _doubts(tmp_path / "run", suite, {"test": share})
    assert [line.partition(" on 200")[0] for line in told] == ["doubtful: majority: Suspicious: 100.0%"] * doubtful


@pytest.mark.parametrize(("noise", "doubtful"), [((), 0), (0.3, 1), (0.05, 0)])
def test_own_data_may_state_its_noise(noise: object, doubtful: int, tmp_path: Path) -> None:
    stated = f"\nlabel_noise: {noise}" if noise else ""
    Path("own.yaml").write_text(
        f"name: own\ndataset: my.csv{stated}\nreference: majority\narms: [{{approach: majority}}]\n"
    )
    told = _doubts(tmp_path / "run", load_suite("own.yaml"), {"test": 0.9})
    assert len(told) == doubtful
    assert all("more than the 70.0% that labels with 30.0% noise allow" in line for line in told)


def test_where_data_arrive_each_kind_is_held_to_its_own_noise(tmp_path: Path) -> None:
    suite = load_suite("freshness").only(["knn"], [])
    told = _doubts(tmp_path / "run", suite, {"tweets": 0.97, "amazon": 0.97, "news": 0.97}, step=LAST)
    assert [line.partition(":")[2].partition(":")[0] for line in told] == [" knn on news"]


def test_test_texts_among_the_documents_that_the_agent_searches_are_found(my_csv: Path) -> None:
    test = split_dataset(load_dataset(str(my_csv))).test
    quoted = [text for text in test.texts if len(text.split()) > 12][:3]
    Path("notes.md").write_text("# What people said\n\n" + "\n\n".join(f"Somebody wrote: {text}" for text in quoted))
    add_documents(Path("notes.md"))
    arms = "[{approach: majority}, {approach: agent}]"
    Path("own.yaml").write_text(f"name: own\ndataset: {my_csv}\nreference: majority\narms: {arms}\n")
    suite = load_suite("own.yaml")
    leaks = {}
    for one in (suite, suite.only(["majority"], [])):
        run = run_suite(one, budget=Budget(one.arms, minutes=0))
        leaks[len(one.arms)] = [(leak["kind"], leak["count"]) for leak in run.manifest["leaks"]]
    assert leaks == {2: [("indexed", 3)], 1: []}, "nobody but the agent searches them"
