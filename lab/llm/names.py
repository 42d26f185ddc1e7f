"""How a base LLM is written."""

from lab.errors import BakeoffError


def canonical_name(name: str) -> str:
    """Return "provider:model" for either spelling of it, "provider/model" being the other.

    Raises:
        BakeoffError: it is neither.
    """
    cut = min((name.find(mark) for mark in ":/" if mark in name), default=-1)
    provider, model = name[:cut], name[cut + 1 :]
    if cut <= 0 or not model:
        raise BakeoffError("a base LLM as provider:model", f"'{name}'", "write it like embedded:smollm2")
    return f"{provider}:{model}"
