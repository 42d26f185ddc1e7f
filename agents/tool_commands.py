"""`bakeoff tools`: what the agent can call, called without it; and which projects may start MCP servers."""

from json import JSONDecodeError, loads
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.command_app import Json, command_app
from lab.console import Console
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

app = command_app("The agent's tools: list, call; trust a project's MCP servers.")


@app.command("list")
def list_(json: Json = False) -> None:
    """List the tools on offer, each with what it takes (with --json its JSON schema), and why others are missing."""
    from agents.tools import offered_tools

    console, catalogue = Console(), offered_tools()
    if json:
        tools = catalogue.tools.values()
        offered = [{"name": t.name, "description": t.description, "schema": _schema(t)} for t in tools]
        console.document([*offered, *({"name": name, "missing": why} for name, why in catalogue.missing.items())])
        return
    for tool in catalogue.tools.values():
        console.answer(f"{tool.name}({_parameters(_schema(tool))})\n    {tool.description}")
    for line in catalogue.missing.values():
        console.note(line)


@app.command()
def call(
    name: Annotated[str, typer.Argument(help="A tool, as `bakeoff tools list` names it.")],
    json: Annotated[str, typer.Option(help="Its arguments, as one JSON object.")] = "{}",
) -> None:
    """Call one tool as the agent would, and print what it found as one JSON document."""
    from agents.calling import call_tool
    from agents.tools import own_tools
    from agents.tools.mcp import is_outside, mcp_catalogue

    arguments = _arguments(json)
    message = call_tool(mcp_catalogue(only=name) if is_outside(name) else own_tools(), name, arguments)
    if message.status == "error":
        typer.echo(f"bakeoff: {message.text}", err=True)
        raise typer.Exit(1)
    found = message.artifact or {"evidence": [], "note": ""}
    seconds = message.additional_kwargs.get("seconds")
    Console().document({"tool": name, "text": message.text, **found, "seconds": seconds})


@app.command()
def trust(
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Trust it no longer.")] = False,
) -> None:
    """Let the mcp.json of the current folder start its servers, as long as it stays as it is now."""
    from agents.tools.mcp.trust import described, distrust, project_files
    from agents.tools.mcp.trust import trust as trust_

    files = project_files()
    if not files:
        raise BakeoffError("an mcp.json in the current folder", "none", "go to the folder that has it")
    for path in files:
        content = path.read_bytes()
        if withdraw:
            distrust(path)
        else:
            trust_(path, content)
        Console().answer("\n".join([f"{'not trusted' if withdraw else 'trusted'}: {path}", *described(content)]))


def _schema(tool: "BaseTool") -> dict[str, Any]:
    """Return a tool's schema as JSON has it; an MCP server's comes as that."""
    return tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_jsonschema()


def _parameters(schema: dict[str, Any]) -> str:
    """Return what a tool takes, like "query: string, limit?: integer": what may be left out has a question mark."""
    required, told = schema.get("required", []), []
    for name, kind in schema.get("properties", {}).items():
        types = kind.get("type", "any") if isinstance(kind, dict) else "any"
        words = types if isinstance(types, str) else "|".join(map(str, types))
        told.append(f"{name}{'' if name in required else '?'}: {words}")
    return ", ".join(told)


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = loads(text)
    except JSONDecodeError as error:
        got = f"{error.msg} at character {error.pos + 1}"
        raise BakeoffError("arguments as a JSON object", got, 'quote them: --json \'{"query": "…"}\'') from None
    if not isinstance(arguments, dict):
        raise BakeoffError("arguments as a JSON object", text, 'name them: --json \'{"query": "…"}\'')
    return arguments
