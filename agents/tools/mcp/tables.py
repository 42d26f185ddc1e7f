"""The schema of a database behind MCP, put in view of the model that writes the query.

Servers such as mcp-server-sqlite have the pair list_tables and describe_table. A model would spend two rounds on them
before it can ask; and having read a result, it may call nothing more. So they are called once, when the server starts.
Only names and types come through, never other text: a table is no place for instructions.
"""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

LIST, DESCRIBE = "list_tables", "describe_table"
MOST_TABLES = 40
_NAME, _TYPE = re.compile(r"\w{1,64}"), re.compile(r"[\w(), ]{0,32}")
QUERIES = {"query", "sql", "statement"}

Ask = Callable[[str, dict[str, Any]], str]


def read_tables(schemas: Mapping[str, Any], ask: Ask) -> list[str]:
    """Return each table as "orders(id INTEGER, state TEXT)"; none for a server that is no database.

    Args:
        schemas: the JSON schema of each tool of the server.
        ask: calls a tool with arguments and returns its text.
    """
    describing = schemas.get(DESCRIBE, {}).get("required", [])
    if LIST not in schemas or schemas[LIST].get("required") or len(describing) != 1:
        return []
    names = [name for row in _rows(ask(LIST, {})) if (name := _word(row, _NAME))]
    return [_table(name, _rows(ask(DESCRIBE, {describing[0]: name}))) for name in names[:MOST_TABLES]]


def takes_a_query(schema: Mapping[str, Any]) -> bool:
    """Say whether a tool takes a query, so that it is of use to know the tables."""
    return bool(QUERIES & set(schema.get("properties", {})))


def _table(name: str, columns: list[Any]) -> str:
    told = []
    for column in columns:
        word = _word(column, _NAME)
        kind = _word({"name": column.get("type", "")}, _TYPE) if isinstance(column, dict) else ""
        told += [f"{word} {kind}".strip()] if word else []
    return f"{name}({', '.join(told)})"


def _rows(text: str) -> list[Any]:
    """Return the rows that a server prints, as JSON or, as mcp-server-sqlite does, as Python writes them."""
    try:
        rows = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return rows if isinstance(rows, list) else []


def _word(row: Any, form: re.Pattern[str]) -> str:
    """Return the name in a row, whether it is all of the row or stands under "name"; nothing if it is no plain name."""
    value = row.get("name") if isinstance(row, dict) else row
    return value if isinstance(value, str) and form.fullmatch(value) else ""
