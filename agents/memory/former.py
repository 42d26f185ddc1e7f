"""Conversations of earlier versions, which LangGraph's checkpointers kept: each becomes one turn of its own, once."""

from collections.abc import Mapping
from typing import Any

from agents.memory.database import Database
from agents.memory.serializer import PlainSerializer
from agents.state import NOT_YET
from lab.console import Console
from lab.redact import reason

KEPT = ("messages", "routing", "summary")
SQLITE, POSTGRES = {"checkpoints", "writes"}, {"checkpoints", "checkpoint_blobs", "checkpoint_writes"}  # LangGraph's
OURS = "SELECT id, questions FROM bakeoff_conversations WHERE id IN (SELECT thread_id FROM checkpoints)"
LAST = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
IN_SQLITE = f"SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_id = ({LAST})"  # noqa: S608
IN_POSTGRES = f"""
SELECT b.channel, b.type, b.blob FROM checkpoints c JOIN checkpoint_blobs b
ON b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns
AND b.version = c.checkpoint->'channel_versions'->>b.channel
WHERE c.thread_id = ? AND c.checkpoint_ns = '' AND c.checkpoint_id = ({LAST}) AND b.type <> 'empty'"""  # noqa: S608


def adopt_checkpoints(database: Database) -> None:
    """Move what checkpointers kept of our conversations into our own table; what others keep there stays.

    A conversation that cannot be read is said, and left where it is.
    """
    there = next((tables for tables in (POSTGRES, SQLITE) if tables <= database.tables()), None)
    for known in database.run(OURS) if there else ():
        try:
            state = (_in_postgres if there is POSTGRES else _in_sqlite)(database, known["id"])
        except Exception as error:  # bytes that another wrote, or that are damaged
            Console().warn(f"the conversation {known['id']} of an earlier version cannot be read ({reason(error)})")
            continue
        turn = {"messages": [], "routing": NOT_YET, "rounds": 0} | {k: state[k] for k in KEPT if k in state}
        kind, data = PlainSerializer().dumps_typed(turn)
        database.run(
            "INSERT INTO bakeoff_turns (conversation, number, kind, state) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            *(known["id"], known["questions"], kind, data),
        )
        for table in sorted(there or (), key="checkpoints".__eq__):  # that one last: by it the others are found again
            database.run(f"DELETE FROM {table} WHERE thread_id = ?", known["id"])  # noqa: S608 our own words


def _in_sqlite(database: Database, conversation: str) -> Mapping[str, Any]:
    ((kind, data),) = (row.values() for row in database.run(IN_SQLITE, conversation, conversation))
    state: Mapping[str, Any] = PlainSerializer().loads_typed((kind, data))["channel_values"]
    return state


def _in_postgres(database: Database, conversation: str) -> Mapping[str, Any]:
    rows = database.run(IN_POSTGRES, conversation, conversation)
    return {row["channel"]: PlainSerializer().loads_typed((row["type"], bytes(row["blob"]))) for row in rows}
