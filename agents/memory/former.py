"""Conversations of earlier versions, which LangGraph's checkpointers kept: each becomes one turn of its own, once."""

from collections.abc import Mapping
from typing import Any

from agents.memory.database import Database
from agents.memory.serializer import PlainSerializer
from agents.state import NOT_YET

WITHOUT_TURNS = """
SELECT id, questions FROM bakeoff_conversations
WHERE NOT EXISTS (SELECT 1 FROM bakeoff_turns WHERE conversation = id)"""
LAST = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
IN_SQLITE = f"SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_id = ({LAST})"  # noqa: S608
IN_POSTGRES = f"""
SELECT b.channel, b.type, b.blob FROM checkpoints c JOIN checkpoint_blobs b
ON b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns
AND b.version = c.checkpoint->'channel_versions'->>b.channel
WHERE c.thread_id = ? AND c.checkpoint_ns = '' AND c.checkpoint_id = ({LAST}) AND b.type <> 'empty'"""  # noqa: S608


def adopt_checkpoints(database: Database) -> None:
    """Move what checkpointers kept of our conversations into our own table; what others keep there stays.

    Raises:
        BakeoffError: another than Bakeoff wrote what is there.
    """
    waiting = database.run(WITHOUT_TURNS)
    if not waiting or "checkpoints" not in database.tables():
        return
    is_postgres = "checkpoint_blobs" in database.tables()
    beside = ("checkpoint_blobs", "checkpoint_writes") if is_postgres else ("writes",)
    for known in waiting:
        state = (_in_postgres if is_postgres else _in_sqlite)(database, known["id"])
        if state:
            kept = {"routing": NOT_YET, "rounds": 0} | {name: state[name] for name in _TURN if name in state}
            kind, data = PlainSerializer().dumps_typed(kept)
            database.run(
                "INSERT INTO bakeoff_turns (conversation, number, kind, state) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (conversation, number) DO NOTHING",
                *(known["id"], known["questions"], kind, data),
            )
        for table in (*beside, "checkpoints"):
            database.run(f"DELETE FROM {table} WHERE thread_id = ?", known["id"])  # noqa: S608 our own words


_TURN = ("messages", "routing", "summary")


def _in_sqlite(database: Database, conversation: str) -> Mapping[str, Any]:
    rows = database.run(IN_SQLITE, conversation, conversation)
    found = [PlainSerializer().loads_typed((row["type"], row["checkpoint"])) for row in rows]
    return found[0]["channel_values"] if found else {}


def _in_postgres(database: Database, conversation: str) -> Mapping[str, Any]:
    rows = database.run(IN_POSTGRES, conversation, conversation)
    return {row["channel"]: PlainSerializer().loads_typed((row["type"], bytes(row["blob"]))) for row in rows}
