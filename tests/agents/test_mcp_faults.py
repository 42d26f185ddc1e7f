"""MCP servers that die, hang, print junk, or plant instructions: they cost their own tools and nothing else."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents import Conversation
from agents.calling import call_tool
from agents.tools.catalogue import Catalogue
from agents.tools.mcp import mcp_catalogue
from lab.llm import BaseLLM
from lab.settings import settings
from tests.agents.conftest import MISBEHAVING
from tests.world import ScriptedServer, calls, says

Servers = Callable[..., None]
TIME_OUT = 6.0
BROKEN = {
    "gone": {"command": "no-such-command"},
    "dead": {"command": "sh", "args": ["-c", "echo hidden-word at once >&2; exit 1"], "env": {"A": "hidden-word"}},
    "silent": {"command": "sleep", "args": ["60"], "timeout": 300},
    "away": {"url": "http://127.0.0.1:9/mcp"},
}


@pytest.fixture(scope="module")
def odd(mcp_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The tools of a server that misbehaves, beside four servers that cannot even start."""
    folder = tmp_path_factory.mktemp("odd")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("OPENAI_API_KEY", "sk-very-secret")
        settings.cache_clear()
        mcp_servers(odd=MISBEHAVING, **BROKEN)
        return mcp_catalogue()


def _text(catalogue: Catalogue, tool: str, **arguments: object) -> str:
    return call_tool(catalogue, f"odd__{tool}", arguments).text


def test_what_goes_wrong_with_a_server_stays_with_it(odd: Catalogue) -> None:
    assert set(odd.missing) == {"gone", "dead", "silent", "away"}
    assert "No such file or directory: 'no-such-command'" in odd.missing["gone"]
    assert "the last that it printed" in odd.missing["dead"]
    assert "… at once" in odd.missing["dead"]
    assert "no answer within 0.3 s" in odd.missing["silent"]
    assert "connection attempts failed" in odd.missing["away"]
    assert _text(odd, "say", text="after its junk") == "after its junk"
    died = call_tool(odd, "odd__die", {})
    assert died.status == "error"
    assert "the last that it printed" in died.text
    assert "lived" in died.text
    assert "\x1b" not in died.text
    assert _text(odd, "say", text="risen") == "risen"  # it was started anew
    names = _text(odd, "variables")
    assert "MINE" in names
    assert "PATH" in names
    assert "OPENAI_API_KEY" not in names
    long = call_tool(odd, "odd__ramble", {"characters": 10_000})
    assert len(long.text) == 8_000
    assert "1 parts that are no text and 2,000 characters" in long.artifact["note"]
    assert "\x1b" not in odd.tools["odd__plant"].description


def test_a_call_that_hangs_is_given_up_and_the_next_one_is_answered(mcp_servers: Servers) -> None:
    mcp_servers(odd={**MISBEHAVING, "timeout": TIME_OUT * 1000})
    catalogue, began = mcp_catalogue(), time.monotonic()
    hung = call_tool(catalogue, "odd__hang", {})
    assert "no answer within 6 s" in hung.text
    assert time.monotonic() - began < TIME_OUT + 3
    assert _text(catalogue, "say", text="again") == "again"


def test_a_lost_call_is_repeated_if_the_tool_only_reads(odd: Catalogue, tmp_path: Path) -> None:
    assert _text(odd, "stumble", file=str(tmp_path / "stumbled")) == "up again"
    assert call_tool(odd, "odd__lurch", {"file": str(tmp_path / "lurched")}).status == "error"
    assert _text(odd, "lurch", file=str(tmp_path / "lurched")) == "up again"


@pytest.mark.parametrize(("tool", "ok"), [("plant", True), ("refuse", False)])
def test_planted_text_calls_no_further_tool_and_reaches_no_terminal_raw(
    tool: str, ok: bool, odd: Catalogue, scripted: Callable[[ScriptedServer], BaseLLM]
) -> None:
    obeying = [calls(f"odd__{tool}", topic="kettles"), calls("wikipedia", 2, query="Marie Curie"), says("Nothing.")]
    with ScriptedServer(*obeying) as server:
        turn = Conversation(scripted(server), odd).answer("Tell me about kettles")
    assert [(run.name, run.ok) for run in turn.tools] == [(f"odd__{tool}", ok)]
    assert turn.answer == "Nothing."
    assert any("BAKEOFF_FOLLOW_UPS" in note for note in turn.notes)
    assert "\x1b" not in str(turn.document())
    assert "\x07" not in str(turn.document())


def test_without_native_tool_calling_a_tool_is_chosen_by_what_it_says_of_itself(
    odd: Catalogue, scripted: Callable[[ScriptedServer], BaseLLM], setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_ROUTER", "embedded")
    with ScriptedServer(says("From nine to five [1].")) as server:
        turn = Conversation(scripted(server), odd).answer("When does the shop open today?")
    assert [(run.name, run.arguments) for run in turn.tools] == [("odd__shop_hours", {})]
    assert turn.evidence[0].text == "The shop is open from nine to five."
    assert turn.router["scores"]["odd__shop_hours"] > 0.45


def test_without_the_library_one_line_says_how_to_get_it(mcp_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    mcp_servers(odd={"command": "true"})
    for module in [name for name in sys.modules if name.startswith("agents.tools.mcp.") or name == "fastmcp"]:
        if module.endswith(("library", "connection", "fastmcp")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "fastmcp", None)
    monkeypatch.delattr("agents.tools.mcp.connection", raising=False)
    assert mcp_catalogue().missing == {
        "mcp": "expected the library fastmcp, for MCP; got no such library; install it with: pip install 'bakeoff[mcp]'"
    }
