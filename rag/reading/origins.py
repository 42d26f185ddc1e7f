"""What there is to read at a path or address, told without reading it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import BakeoffError

SUFFIXES = {".md", ".txt", ".rst"}


@dataclass(frozen=True)
class Origin:
    """Something that can be read.

    Attributes:
        source: the absolute path or the address.
        stamp: changes whenever the content may have changed, and is had without reading it (a file's size, time of
            change and inode); "" where nothing tells.
    """

    source: str
    stamp: str


@dataclass(frozen=True)
class Skipped:
    """Something that is there and is not read, with the reason in a few words."""

    source: str
    reason: str


def origins(target: str) -> Iterator[Origin | Skipped]:
    """Yield what there is to read at `target`, a file, a folder or an address.

    Raises:
        BakeoffError: there is nothing at `target`.
    """
    path = Path(target).resolve()
    if not path.exists():
        raise BakeoffError(f"a file or folder at {path}", "none", "check the path")
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        if file.suffix.lower() in SUFFIXES:
            state = file.stat()
            yield Origin(str(file), f"{state.st_size} {state.st_mtime_ns} {state.st_ino}")
        else:
            yield Skipped(str(file), f"no reader for '{file.suffix}'")
