"""Why a document could not be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Unreadable(Exception):
    """A document cannot be read; the message is the reason, in a few words.

    Attributes:
        fault: it should have been readable; False of an empty one.
    """

    def __init__(self, reason: str, fault: bool = True) -> None:
        super().__init__(reason)
        self.fault = fault


@contextmanager
def reasons(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever is raised at a broken file into its reason: libraries raise of everything.

    Raises:
        Unreadable: instead of any other exception.
    """
    try:
        yield
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("too large when opened") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except Exception as error:
        told = " ".join(str(error).replace(str(path), "it").split())[:100]
        raise Unreadable(f"broken {kind.upper()}: {told or type(error).__name__}") from None
