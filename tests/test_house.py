"""The house stands as DESIGN.md draws it: imports go down, and the front door opens fast."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOOR = {"lab": 0, "rag": 1, "finetune": 1, "agents": 2, "evals": 3, "dashboard": 4, "cli": 5}
HEAVY = {
    "torch",
    "transformers",
    "chromadb",
    "langchain_core",
    "langgraph",
    "sklearn",
    "numpy",
    "pydantic",
    "streamlit",
    "altair",
}


def _imports() -> Iterator[tuple[str, str, str]]:
    """Yield (file, its room, imported room) for every import of one of our packages."""
    for room in FLOOR:
        for path in [ROOT / f"{room}.py"] if room == "cli" else sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                else:
                    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                for name in names:
                    if (target := name.split(".")[0]) in FLOOR:
                        yield str(path.relative_to(ROOT)), room, target


def test_imports_go_down_the_house_only() -> None:
    found = list(_imports())
    assert len(found) > 50, "the walk found the imports"
    wrong = [(file, to) for file, room, to in found if to != room and FLOOR[to] >= FLOOR[room]]
    assert wrong == []


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; sys.argv = ['bakeoff', '--help']\nimport cli\ntry: cli.main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "side by side" in done.stdout
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert loaded & HEAVY == set()


def test_every_command_has_help_and_a_wrong_one_is_a_usage_error() -> None:
    from cli import COMMANDS

    for name in COMMANDS:
        done = subprocess.run([sys.executable, "-m", "cli", name, "--help"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"bakeoff {name}" in done.stdout or f"{name} [OPTIONS]" in done.stdout, done.stdout
    wrong = subprocess.run([sys.executable, "-m", "cli", "bake"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2
