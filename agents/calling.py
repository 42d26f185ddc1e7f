"""One tool, called without any LLM: through the graph's own node, so that it does what it does there."""

from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from agents.graph import add_tools
from agents.state import Context
from agents.tools.catalogue import Catalogue
from agents.tools.mcp.offer import SEPARATOR
from lab.errors import BakeoffError


def call_tool(catalogue: Catalogue, name: str, arguments: dict[str, Any]) -> ToolMessage:
    """Return what a tool on offer makes of `arguments`; a failure is a message with the status "error".

    Raises:
        BakeoffError: there is no such tool; says why, if it is known.
    """
    if name not in catalogue.tools:
        server = name.partition(SEPARATOR)[0]
        why = [text for key, text in catalogue.missing.items() if key in (name, server) or key.endswith(".json")]
        raise BakeoffError(f"a tool called {name}", "; ".join(why) or "none", "see: bakeoff tools list")
    graph = StateGraph(MessagesState, context_schema=Context)
    add_tools(graph, catalogue)
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    call = AIMessage("", tool_calls=[ToolCall(name=name, args=arguments, id=uuid4().hex)])
    message = graph.compile().invoke(MessagesState(messages=[call]))["messages"][-1]
    assert isinstance(message, ToolMessage)
    return message
