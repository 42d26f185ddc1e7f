"""What the agent's tests share."""

from collections.abc import Callable

import pytest

from lab.llm import BaseLLM, resolve_llm
from tests.world import ScriptedServer


@pytest.fixture
def scripted(setting: Callable[[str, str], None]) -> Callable[[ScriptedServer], BaseLLM]:
    """Return the remote LLM that a scripted server plays."""

    def connect(server: ScriptedServer) -> BaseLLM:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        return resolve_llm("openai:scripted")

    return connect
