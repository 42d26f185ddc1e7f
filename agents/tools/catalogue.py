"""Which tools the agent has right now, each with its schema, and why one is missing."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt.tool_node import ToolInvocationError
from pydantic import BaseModel, Field

from agents.tools.alerts import alerts
from agents.tools.classifier import classify
from agents.tools.knowledge import search_knowledge
from agents.tools.web import search_web
from agents.tools.wikipedia import WikipediaTool
from lab.errors import BakeoffError
from lab.loading import loaded_once
from lab.settings import settings
from rag import Evidence

Find = Callable[[str], list[Evidence]]


class Query(BaseModel):
    """What to look for."""

    query: str = Field(description="What to look for, in a few words or as a question.", min_length=1)


class Text(BaseModel):
    """What to classify."""

    text: str = Field(description="The text to classify, without quotes around it.", min_length=1)


class Artifact(TypedDict):
    """What a tool found, beside the words the LLM reads, as plain data that the memory can hold."""

    evidence: list[dict[str, Any]]
    note: str


@dataclass(frozen=True)
class Catalogue:
    """The tools on offer, by name, and the reason for each one that is not."""

    tools: dict[str, BaseTool]
    missing: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: "Catalogue") -> "Catalogue":
        """Return both catalogues in one."""
        return Catalogue(self.tools | other.tools, self.missing | other.missing)


def offered_tools() -> Catalogue:
    """Return all tools this workspace can offer: the agent's own, and those of the MCP servers in mcp.json."""
    from agents.tools.mcp import mcp_catalogue

    return own_tools() | mcp_catalogue()


@loaded_once
def shared_tools() -> Catalogue:
    """Return the tools on offer, the same ones at each call: LangGraph's server opens the graph at every access.

    So each MCP server is started once per process.
    """
    return offered_tools()


def own_tools(label: Find = classify, search: Find = search_knowledge) -> Catalogue:
    """Return the agent's own tools; web search needs a key.

    Args:
        label: what the classify tool does with a text; by default it asks the champion.
        search: what the knowledge tool does with a query; by default it asks the index of documents.
    """
    look_up = WikipediaTool()
    tools = {
        "wikipedia": _tool(
            "wikipedia",
            "Look up established facts in Wikipedia: people, places, history, science, how things work.",
            Query,
            look_up,
        ),
        "knowledge": _tool(
            "knowledge",
            "Search the user's own indexed documents and the Bakeoff handbook.",
            Query,
            lambda query: (search(query), ""),
        ),
        "classify": _tool(
            "classify",
            "Label a given text (for instance the sentiment of a tweet) with the fine-tuned classifier.",
            Text,
            lambda text: (label(text), ""),
        ),
        "alerts": _tool(
            "alerts",
            "Tell what the watch noticed: loss spikes, diverging trainings, drift of production predictions.",
            Query,
            lambda query: (alerts(query), ""),
        ),
    }
    if settings().tavily_api_key is None:
        return Catalogue(tools, {"web": "web search is off: it needs TAVILY_API_KEY in the environment or .env"})
    return Catalogue(tools | {"web": web_tool()})


def web_tool() -> BaseTool:
    """Return the web search, whether there is a key for it or not."""
    description = "Search the web for news, prices, weather and whatever changed recently."
    return _tool("web", description, Query, lambda query: (search_web(query), ""))


def _tool(
    name: str, description: str, schema: type[BaseModel], run: Callable[..., tuple[list[Evidence], str]]
) -> BaseTool:
    def call(**arguments: str) -> tuple[str, Artifact]:
        evidence, note = run(**arguments)
        note = note if evidence else f"{name} found nothing; the answer is the LLM's own"
        artifact = Artifact(evidence=[asdict(item) for item in evidence], note=note)
        return "\n".join(item.text for item in evidence) or "Nothing relevant was found.", artifact

    return StructuredTool.from_function(
        call,
        name=name,
        description=description,
        args_schema=schema,
        response_format="content_and_artifact",
        handle_tool_error=False,
    )


def refused_arguments(tool: str, wrong: Mapping[str, Any]) -> BakeoffError:
    """Return the first of pydantic's errors about a tool's arguments as one of ours."""
    got = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
    return BakeoffError(f"arguments that {tool} takes", got, "its schema: bakeoff tools list --json")


def explain_failure(error: Exception) -> str:
    """Return a tool's failure as the words the model and the user read."""
    if isinstance(error, ToolInvocationError):
        error = refused_arguments(error.tool_name, (error.filtered_errors or error.source.errors())[0])
    return str(error) if isinstance(error, BakeoffError) else f"the tool failed: {type(error).__name__}"
