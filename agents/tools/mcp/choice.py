"""Which MCP tool fits a question, without a tool-calling LLM: by what the tool says of itself.

The embedded router learns its routes from examples, and nobody has written any for a server that came this morning.
So a tool's name and description stand in for them, compared with the question as embeddings. It chooses only among
tools that it can also call: those that take nothing, or one question or text. SQL is beyond it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import uuid4

import numpy as np
from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool
from numpy.typing import NDArray

from agents.tools.mcp.offer import SEPARATOR, is_outside
from lab.embeddings import Embedder

NEAR = 0.45  # cosine similarity; at it no utterance for the agent's own tools was lost to the six of the test
WORDS = {"query", "question", "text", "q", "search", "prompt", "input", "message", "topic", "keywords", "term"}


def nearest_tool(question: str, tools: Mapping[str, BaseTool], near: float = NEAR) -> tuple[ToolCall, float] | None:
    """Return a call of the MCP tool nearest to `question`, and their cosine similarity; None if none is near.

    Args:
        question: what the user said.
        tools: what is on offer; the agent's own are passed over.
        near: the least similarity.
    """
    callable_ = {name: told for name, tool in tools.items() if (told := _takes(question, tool)) is not None}
    if not callable_:
        return None
    names = sorted(callable_)
    embedder = Embedder.load()
    similarities = (
        _vectors(embedder, tuple(_said_of_itself(tools[name]) for name in names)) @ embedder.embed([question])[0]
    )
    best = int(np.argmax(similarities))
    if similarities[best] < near:
        return None
    return ToolCall(name=names[best], args=callable_[names[best]], id=uuid4().hex), float(similarities[best])


def _takes(question: str, tool: BaseTool) -> dict[str, Any] | None:
    """Return the arguments that make `question` a call of `tool`; None if there is no saying them without an LLM."""
    if not is_outside(tool.name) or not isinstance(tool.args_schema, dict):
        return None
    required = tool.args_schema.get("required", [])
    properties = tool.args_schema.get("properties", {})
    if not required:
        return {}
    kind = properties.get(required[0], {})
    free = kind.get("type") == "string" and not kind.keys() & {"enum", "pattern", "format"}
    told = f"{tool.description} {kind.get('description', '')}".lower()
    wants_words = len(required) == 1 and required[0].lower() in WORDS and free
    return {required[0]: question} if wants_words and not re.search(r"\bsql\b|\bselect\b", told) else None


def _said_of_itself(tool: BaseTool) -> str:
    name = tool.name.partition(SEPARATOR)[2].replace("_", " ").replace("-", " ")
    return f"{name}: {tool.description}"


@lru_cache(maxsize=8)
def _vectors(embedder: Embedder, texts: tuple[str, ...]) -> NDArray[np.float32]:
    return embedder.embed(texts)
