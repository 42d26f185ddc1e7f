"""What an MCP tool answered, as evidence: text only, bounded, without control characters."""

import json
from collections.abc import Sequence
from typing import Any

from lab.console import printable
from rag import Evidence

MOST_PASSAGES, CHARACTERS = 8, 8_000  # of one result; the characters count for all its passages together


def as_evidence(source: str, blocks: Sequence[dict[str, Any]], structured: Any) -> tuple[list[Evidence], str]:
    """Return a result's texts as evidence from `source`, and a note on what was left out.

    Args:
        source: "mcp:server/tool".
        blocks: the content, as langchain converts it; blocks that are no text are counted, not read.
        structured: the structured content; it speaks where there is no text.
    """
    texts = [clean(block["text"]) for block in blocks if block["type"] == "text"]
    notes = [f"{len(blocks) - len(texts)} parts that are no text"] if len(texts) < len(blocks) else []
    texts = [text for text in texts if text]
    if not texts and structured is not None:
        texts = [clean(json.dumps(structured, ensure_ascii=False))]
    evidence, room = [], CHARACTERS
    for text in texts[:MOST_PASSAGES]:
        shown = text[:room]
        room -= len(shown)
        if shown:
            evidence.append(Evidence(shown, source, (0, len(shown)), 1.0))
    lost = sum(map(len, texts)) - sum(len(item.text) for item in evidence)
    notes += [f"{lost:,} characters beyond the first {CHARACTERS:,}"] if lost else []
    return evidence, f"of what {source} gave were left out: {' and '.join(notes)}" if notes else ""


def clean(text: str) -> str:
    """Return text from outside with plain line ends and no control characters."""
    return printable(text.replace("\r\n", "\n")).strip()
