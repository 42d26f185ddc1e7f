"""`bakeoff mcp`: the lab as an MCP server."""

from typing import Annotated

import typer

from lab.command_app import command_app

app = command_app()


@app.command()
def mcp(
    http: Annotated[bool, typer.Option("--http", help="Listen on 127.0.0.1, for who has the token.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port for --http; 0 takes a free one.")] = 8765,
) -> None:
    """Offer the lab's tools and runs to MCP clients such as Claude Desktop, Cursor and VS Code."""
    from agents.mcp_server import serve_http, serve_stdio
    from evals.over_mcp import whole_server

    if http:
        serve_http(whole_server(), port)
    else:
        serve_stdio(whole_server())
