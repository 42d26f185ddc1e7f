"""The wheel holds all that a command needs: suites, handbook, templates, utterances."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.datasets import Split

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, and nothing else of Bakeoff."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "build", "--quiet", "--out-dir", folder / "dist", ROOT], check=True)
    wheel = next((folder / "dist").glob("*.whl"))
    where = ["--python", sys.executable, "--target", str(folder / "site")]
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", *where, wheel], check=True)
    return folder / "site"


def _run(installed: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the installed command, where the checkout cannot be imported."""
    code = (
        f"import sys; sys.path = [{str(installed)!r}] + [p for p in sys.path if p != {str(ROOT)!r}];"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__ + repr(f)];"
        f"import cli, lab; assert lab.__file__.startswith({str(installed)!r}), lab.__file__; cli.main()"
    )
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_wheel_runs_the_built_in_suite_outside_the_clone(installed: Path, small: Split, tmp_path: Path) -> None:
    rows = [f'"{example.text.replace(chr(34), "")}",{example.label}' for example in small.train.examples[:60]]
    (tmp_path / "my.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    arms = ("--no-estimate", "--only", "knn", "--only", "finetuned", "--only", "zero_shot")
    done = _run(installed, tmp_path, "eval", "sentiment", "--data", "my.csv", "--limit", "5", *arms, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row["failures"] for row in document["results"]] == [0, 0, 0]
    assert (tmp_path / ".bakeoff" / "runs" / document["run_id"] / "report.html").exists()


def test_the_wheel_brings_the_handbook(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, tmp_path, "index", "add", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] > 50
    assert (installed / "agents" / "utterances.yaml").exists()
    assert not list(installed.rglob("*.png")), "pictures are for readers of the repository"
