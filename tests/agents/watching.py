"""What this process reaches for while it is watched, told by the interpreter itself (PEP 578)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn"}
CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.truncate", "os.symlink", "os.link", "os.chmod", "shutil.rmtree"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Reached:
    """The hosts that were asked for or connected to, the files written or changed, the commands started."""

    hosts: set[str] = field(default_factory=set)
    written: set[Path] = field(default_factory=set)
    started: list[str] = field(default_factory=list)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an audit event, if it is of interest."""
        if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
            self.hosts.add(str(arguments[1][0]))
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self.hosts.add(str(arguments[0]))
        elif event in CHANGES or (event == "open" and _writes(*arguments)):
            self.written.add(Path(os.fsdecode(arguments[0])).absolute())
        elif event in STARTS:
            self.started.append(f"{event}: {arguments[0]}")


def _writes(path: object, mode: object, flags: int) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and bool(flags & WRITES)


_watched: list[Reached] = []
_hooked: list[bool] = []


@contextmanager
def watched() -> Iterator[Reached]:
    """Note what the process reaches for within the block; an audit hook stays for ever, but then it is idle."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    reached = Reached()
    _watched.append(reached)
    try:
        yield reached
    finally:
        _watched.remove(reached)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for reached in _watched:
        reached.note(event, arguments)
