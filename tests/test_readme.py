"""What the README shows works: every `bakeoff` command in its shell blocks is run."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.datasets import Split
from tests.conftest import Outcome

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = (line.partition("  #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line.startswith("bakeoff ")]


@pytest.fixture
def as_a_user(small: Split, with_classifier: Path) -> None:
    """What the README assumes a user has: a CSV, a folder of documents, and a trained classifier."""
    rows = [f'"{example.text.replace(chr(34), "")}",{example.label}' for example in small.train.examples[:60]]
    Path("my.csv").write_text("t,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    Path("my-docs").mkdir()
    Path("my-docs/refunds.md").write_text("# Refunds\n\nWe refund within 14 days.\n")
    suite = (ROOT / "evals/suites/sentiment.yaml").read_text()
    Path("my-suite.yaml").write_text(
        suite.replace("dataset: tweets", "dataset: my.csv\ntext_column: t\nlabel_column: y")
    )


def test_the_commands_of_the_readme_work(as_a_user: None, bakeoff: Callable[..., Outcome]) -> None:
    commands = _commands()
    assert len(commands) >= 10
    for command in commands:
        told = bakeoff(*shlex.split(command)[1:])
        assert told.code == 0, f"{command}\n{told.err}"
        assert told.out, command


def test_the_file_tree_is_the_one_there_is() -> None:
    tree = re.search(r"```text\n(.*?)```", README, flags=re.DOTALL)
    assert tree
    named = {line.split()[0] for line in tree[1].splitlines() if line.strip()}
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []
    packages = {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")}
    assert packages <= named


def test_the_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
