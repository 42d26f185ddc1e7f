"""What MCP servers offer, as tools of the agent: namespaced, on the allow-list, checked by their schema."""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from langchain_core.tools import BaseTool, StructuredTool

from agents.tools.catalogue import Artifact, Catalogue
from agents.tools.mcp.results import as_evidence, clean
from agents.tools.mcp.schemas import check_arguments, schema_problem
from agents.tools.mcp.servers import Server, configured_servers
from agents.tools.mcp.tables import read_tables, takes_a_query
from lab.console import printable
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from agents.tools.mcp.connection import Connection

SEPARATOR = "__"
LONGEST_NAME, LONGEST_DESCRIPTION = 64, 1024  # OpenAI takes no longer ones
MOST_TOOLS = 64  # of one server


def is_outside(name: str) -> bool:
    """Say whether a tool is an MCP server's: what it says, its errors included, was written by others."""
    return SEPARATOR in name


def mcp_catalogue(only: str | None = None) -> Catalogue:
    """Start the configured servers, all at once, and return their tools; a server that fails costs only its own.

    Args:
        only: a tool; then no server is started but the one that its name tells.
    """
    servers = configured_servers()
    found = [server for server in servers.found.values() if only is None or only.startswith(_tool_name(server, ""))]
    tools, missing = dict[str, BaseTool](), dict(servers.missing)
    if not found:
        return Catalogue(tools, missing)
    try:
        from agents.tools.mcp import connection  # noqa: F401  # fastmcp takes a second to import, and may be missing
    except BakeoffError as error:
        return Catalogue(tools, missing | {"mcp": str(error)})
    with ThreadPoolExecutor(len(found), "mcp-start") as pool:
        for offer in pool.map(_offered, found):
            missing |= offer.missing
            missing |= {name: f"two MCP tools would be called {name}" for name in tools.keys() & offer.tools.keys()}
            tools = offer.tools | tools
    return Catalogue(tools, missing)


def _offered(server: Server) -> Catalogue:
    """Return the tools of one server, and why one of them, or all, are missing."""
    from agents.tools.mcp.connection import Connection

    connection = Connection(server)
    try:
        remote = connection.tools()
    except BakeoffError as error:
        return Catalogue({}, {server.name: str(error)})
    allowed = {name: tool for name, tool in remote.items() if server.allow is None or name in server.allow}
    tables = _tables(connection, allowed)
    offered = [_tool(connection, tool, tables) for tool in allowed.values() if not schema_problem(_schema(tool))]
    return Catalogue({tool.name: tool for tool in offered[:MOST_TOOLS]}, dict(_missing(server, remote, allowed)))


def _missing(
    server: Server, remote: Mapping[str, StructuredTool], allowed: Mapping[str, StructuredTool]
) -> Iterator[tuple[str, str]]:
    """Yield why tools of a server that answers are not on offer, the allow-list's doing excepted."""
    of = f"of MCP server {printable(server.name)}"
    for name in sorted(set(server.allow or ()) - remote.keys()):
        yield f"{server.name}/{name}", f"the allow-list {of} names {printable(name)!r}, which is none of its tools"
    for tool in allowed.values():
        if problem := schema_problem(_schema(tool)):
            yield f"{server.name}/{tool.name}", f"{printable(tool.name)[:LONGEST_NAME]} {of} is off: {problem}"
    if len(allowed) > MOST_TOOLS:
        yield f"{server.name}/…", f"{len(allowed) - MOST_TOOLS} tools {of} are off: {MOST_TOOLS} are taken at most"


def _tables(connection: "Connection", tools: Mapping[str, StructuredTool]) -> list[str]:
    """Return the tables behind a server, as far as they are told in the time that a call may take."""
    until = time.monotonic() + connection.server.seconds

    def ask(name: str, arguments: dict[str, Any]) -> str:
        blocks, _ = connection.call(name, arguments)
        if time.monotonic() > until:
            raise BakeoffError("the tables of a database", "no answer in time", "raise its timeout in mcp.json")
        return "".join(block["text"] for block in blocks if block["type"] == "text")

    try:
        return read_tables({name: _schema(tool) for name, tool in tools.items()}, ask)
    except BakeoffError:
        return []


def _tool(connection: "Connection", remote: StructuredTool, tables: list[str]) -> BaseTool:
    server, schema = connection.server, _schema(remote)
    name = _tool_name(server, remote.name)

    def call(**arguments: Any) -> tuple[str, Artifact]:
        check_arguments(name, schema, arguments)
        blocks, structured = connection.call(remote.name, arguments)
        evidence, note = as_evidence(f"mcp:{server.name}/{remote.name}", blocks, structured)
        words = "\n".join(item.text for item in evidence) or "It answered nothing."
        note = note if evidence else f"{name} found nothing; the answer is the LLM's own"
        return words, Artifact(evidence=[asdict(item) for item in evidence], note=note)

    return StructuredTool(
        name=name,
        description=_description(remote, tables),
        args_schema=schema,
        func=call,
        response_format="content_and_artifact",
        handle_tool_error=False,
    )


def _description(tool: StructuredTool, tables: list[str]) -> str:
    """Return a tool's own description, and for one that takes a query the tables, as far as there is room."""
    text = " ".join(clean(tool.description).split())
    if tables and takes_a_query(_schema(tool)):
        text = f"{text[: LONGEST_DESCRIPTION // 2]} Tables: {'; '.join(tables)}"
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 2] + " …"


def _tool_name(server: Server, remote: str) -> str:
    """Return the name under which the agent knows a server's tool, in the letters that every provider takes."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", f"{server.name}{SEPARATOR}{remote}")[:LONGEST_NAME]


def _schema(tool: StructuredTool) -> dict[str, Any]:
    return cast(dict[str, Any], tool.args_schema)
