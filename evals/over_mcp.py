"""Eval runs over MCP: each one a resource to read, and two of them compared."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from agents.mcp_server import lab_server, offer
from agents.tools.mcp.library import FastMCP, Provider, Resource
from evals.gate import compare_runs
from evals.report import list_runs, open_run, score

RunId = Annotated[str, Field(description="A run's id, as the resource bakeoff://runs lists it.", min_length=1)]
RUNS, JSON = "bakeoff://runs", "application/json"


def whole_server() -> FastMCP[Any]:
    """Return the agent's server with compare, and the runs of this workspace as resources."""
    server = lab_server()
    offer(server, compare)
    server.add_provider(_Runs())
    return server


def compare(a: RunId, b: RunId) -> dict[str, Any]:
    """Compare two eval runs arm by arm, paired on the test texts that both have: difference, interval, p-value."""
    return asdict(compare_runs(open_run(a), open_run(b)))


class _Runs(Provider):
    """The runs there are when a client asks, so that one that has just ended is there."""

    async def _list_resources(self) -> Sequence[Resource]:
        rows = list_runs()
        listing = Resource.from_function(
            list_runs, RUNS, name="runs", description="All eval runs, oldest first.", mime_type=JSON
        )
        return [listing, *(self._run(row) for row in rows)]

    def _run(self, row: dict[str, Any]) -> Resource:
        identifier = row["run_id"]
        return Resource.from_function(
            partial(_results, identifier),
            f"{RUNS}/{identifier}",
            name=identifier,
            description=f"{row['dataset']}, {row['test']} test texts: {row['statement']}",
            mime_type=JSON,
        )


def _results(identifier: str) -> str:
    """Return a run's results and verdict as `bakeoff runs show --json` prints them."""
    return json.dumps(score(open_run(identifier)), ensure_ascii=False)
