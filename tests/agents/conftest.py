"""What the agent's tests share."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.tools.mcp.trust import project_files, trust
from lab.llm import BaseLLM, resolve_llm
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
