"""How a turn is written: messages and plain data, no key in them, and nothing that runs when it is read."""

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from lab.errors import BakeoffError
from lab.redact import LEAST, secrets

KINDS = {"msgpack", "null", "bytes", "bytearray"}  # the others are JSON with constructors in it, and pickle


class PlainSerializer(JsonPlusSerializer):
    """LangGraph's serializer, held to MessagePack and to LangGraph's own list of harmless types.

    Left to itself it would import and call whatever the bytes name. A type that is not on the list comes back as
    the plain data it was written with; pickles and the older JSON form are refused.
    """

    def __init__(self) -> None:
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the kind and the bytes of a value, every secret in it overwritten with asterisks."""
        kind, data = super().dumps_typed(obj)
        for secret in (secret.encode() for secret in secrets()):
            if len(secret) >= LEAST:  # of the same length, for MessagePack counts bytes
                data = data.replace(secret, b"*" * len(secret))
        return kind, data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value.

        Raises:
            BakeoffError: it is of a kind that this serializer does not write.
        """
        if data[0] not in KINDS:
            got = f"one of the kind '{data[0]}'"
            raise BakeoffError("a turn as MessagePack", got, "delete the conversation: something else wrote it")
        return super().loads_typed(data)
