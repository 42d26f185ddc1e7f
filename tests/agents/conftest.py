"""What the agent's tests share."""

import csv
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.tools.mcp.trust import project_files, trust
from finetune import Classifier, Hyperparameters
from finetune.registry import classifier_folder, set_champion
from lab.datasets import Dataset, load_dataset, split_dataset
from lab.llm import BaseLLM, resolve_llm
from lab.settings import settings
from tests.world import ScriptedServer

ROOT = Path(__file__).parents[2]
MISBEHAVING = {  # the entry of an MCP server in an mcp.json
    "command": sys.executable,
    "args": ["-m", "tests.world.mcp_tools"],
    "cwd": str(ROOT),
    "env": {"MINE": "hidden-word"},
}


@pytest.fixture
def scripted(setting: Callable[[str, str], None]) -> Callable[[ScriptedServer], BaseLLM]:
    """Return the remote LLM that a scripted server plays."""

    def connect(server: ScriptedServer) -> BaseLLM:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        return resolve_llm("openai:scripted")

    return connect


@pytest.fixture(scope="session")
def mcp_servers() -> Callable[..., None]:
    """Write a trusted mcp.json into the current folder; what it starts ends with this process."""

    def name(**servers: Mapping[str, Any]) -> None:
        Path("mcp.json").write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
        for path in project_files():
            trust(path, path.read_bytes())

    return name


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> Path:
    """A workspace whose champion is a linear probe of a user's file, my.csv; copy it, do not write to it."""
    folder = tmp_path_factory.mktemp("probe")
    with (folder / "my.csv").open("w", newline="", encoding="utf-8") as file:
        rows = ((example.text, example.label) for example in tweets.examples[600:900])
        csv.writer(file).writerows([("text", "label"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(folder / "home"))
        settings.cache_clear()
        split = split_dataset(load_dataset(str(folder / "my.csv")))
        probe = Classifier(hyperparameters=Hyperparameters(method="probe")).fit(split.train, split.validation)
        probe.save(classifier_folder("mine"))
        set_champion("mine", "a test")
    settings.cache_clear()
    return folder / "home"


@pytest.fixture
def quick_champion(prepared: Path, workspace: Path) -> Path:
    """This test's workspace, with the probe as champion."""
    shutil.copytree(prepared, workspace)
    return workspace
