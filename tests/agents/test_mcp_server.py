"""`bakeoff mcp` as its clients see it: the official MCP client, over stdio and over HTTP."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from agents.calling import call_tool
from agents.mcp_server import access_token
from agents.tools.mcp import mcp_catalogue
from rag import add_documents
from tests.conftest import Outcome
from tests.world import Fault, FaultyProxy

ROOT = Path(__file__).parents[2]
SUITE = "name: x\nlatency_sample: 0\nreference: {name}\narms: [{{approach: majority, name: {name}}}]\n"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def run_id(my_csv: Path, bakeoff: Callable[..., Outcome]) -> str:
    """A small run in this workspace."""
    Path("x.yaml").write_text(SUITE.format(name="floor"))
    told = bakeoff("eval", "x.yaml", "--no-estimate", "--data", str(my_csv), "--json")
    assert told.code == 0, told.err
    return str(told.json["run_id"])


@pytest.fixture
def listening() -> Iterator[tuple[str, str]]:
    """The address of `bakeoff mcp --http`, and the token that it says."""
    command = [sys.executable, "-m", "cli", "mcp", "--http", "--port", "0"]
    process = subprocess.Popen(command, env=_environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr
    assert process.stdout
    try:
        address, token = (process.stderr.readline().split()[-1] for _ in range(2))
        yield address, token
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.wait(timeout=30) in (0, 130)
    finally:
        process.kill()


def test_over_stdio_the_tools_answer_and_the_runs_are_there(quick_champion: Path, run_id: str) -> None:
    Path("kettle.md").write_text("# Kettles\n\nThe refund period of the Zephyr kettle is 45 days.\n")
    add_documents(Path("kettle.md"))
    # What the server writes to stdout is kept, to see that it is the protocol and nothing else.
    command = f"{sys.executable} -m cli mcp | tee protocol"
    server = StdioServerParameters(command="sh", args=["-c", command], env=_environment())

    async def ask() -> None:
        async with stdio_client(server) as (read, write), ClientSession(read, write) as client:
            told = await client.initialize()
            assert told.server_info.name == "bakeoff"
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"search_index", "classify", "wikipedia", "suggest", "compare"}
            assert tools["classify"].input_schema["required"] == ["text"]
            found = await _call(client, "search_index", query="How long is the refund period of the kettle?")
            assert "45 days" in found["evidence"][0]["text"]
            assert (await _call(client, "classify", text="I love this!"))["label"] == "positive"
            suggested = await _call(client, "suggest", text="I love this, what a wonderful")
            assert len(suggested["cases"]) == 5
            assert suggested["cases"][0].keys() >= {"text", "label", "score"}
            looked_up = await _call(client, "wikipedia", query="Marie Curie")
            assert "Marie_Curie" in looked_up["evidence"][0]["source"]
            assert "snapshot" in looked_up["note"]
            compared = await _call(client, "compare", a=run_id, b=run_id)
            assert compared["arms"][0]["comparison"]["difference"] == 0
            refused = await client.call_tool("compare", {"a": run_id, "b": "../.."})
            assert refused.is_error
            assert "expected the name of a run; got '../..'" in str(refused.content)
            for wrong, words in (({"query": ""}, "query: String should have"), ({"z": 1}, "query: Missing required")):
                refused = await client.call_tool("search_index", wrong)
                assert refused.is_error
                assert f"expected arguments that search_index takes; got {words}" in str(refused.content)
            resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
            assert resources == ["bakeoff://runs", f"bakeoff://runs/{run_id}"]
            assert (await _read(client, "bakeoff://runs"))[0]["run_id"] == run_id
            assert (await _read(client, f"bakeoff://runs/{run_id}"))["results"][0]["approach"] == "floor"

    asyncio.run(asyncio.wait_for(ask(), 120))
    lines = Path("protocol").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 9
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)


def test_over_http_the_token_opens_for_this_machine_alone(
    listening: tuple[str, str], mcp_servers: Callable[..., None], setting: Callable[[str, str], None]
) -> None:
    address, token = listening
    right = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    for wrong, status in [
        ({"Authorization": ""}, 401),
        ({"Authorization": f"Bearer {token}x"}, 401),
        ({"Host": "rebound.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
    ]:
        refused = requests.post(address, json={}, headers={**right, **wrong}, timeout=30)
        assert refused.status_code == status, wrong
        assert token not in refused.text

    async def ask() -> None:
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {token}"})
        async with (
            http,
            streamable_http_client(address, http_client=http) as streams,
            ClientSession(streams[0], streams[1]) as client,
        ):
            await client.initialize()
            looked_up = await _call(client, "wikipedia", query="Marie Curie")
            assert "Marie_Curie" in looked_up["evidence"][0]["source"]
            assert await _read(client, "bakeoff://runs") == []

    asyncio.run(asyncio.wait_for(ask(), 60))
    setting("OUR_TOKEN", token)
    mcp_servers(lab={"url": address, "headers": {"Authorization": "Bearer ${OUR_TOKEN}"}})  # and the agent is a client
    catalogue = mcp_catalogue()
    assert catalogue.missing == {}
    assert "train one with: bakeoff train" in call_tool(catalogue, "lab__classify", {"text": "x"}).text
    with FaultyProxy(address) as proxy:  # a connection that is lost before a call is opened again
        mcp_servers(lab={"url": f"{proxy.url}/mcp", "headers": {"Authorization": "Bearer ${OUR_TOKEN}"}})
        proxy.fail_next(Fault.DISCONNECT)
        dropped = mcp_catalogue()
        assert dropped.missing == {}
        proxy.fail_next(Fault.DISCONNECT)
        assert "Marie_Curie" in str(call_tool(dropped, "lab__wikipedia", {"query": "Marie Curie"}).artifact)
    mcp_servers(lab={"url": address, "headers": {"Authorization": "Bearer not-this-one"}})
    refused_to_us = mcp_catalogue().missing["lab"]
    assert "check its url and headers in mcp.json" in refused_to_us
    assert "not-this-one" not in refused_to_us


def test_a_token_of_the_users_own_is_used_and_not_printed(
    setting: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    setting("BAKEOFF_MCP_TOKEN", "my-own-token")
    assert access_token(8765) == "my-own-token"
    assert "my-own-token" not in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_line(bakeoff: Callable[..., Outcome]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = bakeoff("mcp", "--http", "--port", str(taken.getsockname()[1]))
    assert told.code == 1
    assert "choose another with --port" in told.err


async def _call(client: ClientSession, tool: str, **arguments: str) -> Any:
    found = await client.call_tool(tool, arguments)
    assert not getattr(found, "is_error", True), found
    return found.structured_content


async def _read(client: ClientSession, uri: str) -> Any:
    found = await client.read_resource(uri)
    return json.loads(found.contents[0].text)  # type: ignore[union-attr]
