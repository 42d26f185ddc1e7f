"""What there is to read at a path or address, told without reading it."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from lab.errors import BakeoffError
from rag.reading.kinds import kind_of

LARGEST_FILE_MB = 100
NOT_THERE = (FileNotFoundError, NotADirectoryError)
LEFT_OUT = {"node_modules", "__pycache__", "venv"}  # and whatever begins with a dot


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
    """Something that is there and is not read.

    Attributes:
        source: the absolute path or the address.
        reason: in a few words.
        fault: it should have been readable; False of what nothing reads, what is empty, and what is read elsewhere.
        closed: nobody can tell what is at or below it.
    """

    source: str
    reason: str
    fault: bool = True
    closed: bool = False

    @classmethod
    def after(cls, error: OSError, source: str) -> Self:
        """Return what the file system would not let be looked at."""
        return cls(source, (error.strerror or type(error).__name__).lower(), closed=True)


@dataclass(frozen=True)
class Columns:
    """The columns of a table that hold an example's text and its label."""

    text: str = "text"
    label: str = "label"


def origins(target: str) -> Iterator[Origin | Skipped]:
    """Yield what there is to read at `target`, a file, a folder or an address, in a fixed order.

    Hidden files and folders, and those of LEFT_OUT, are passed over in silence. No link inside a folder is followed.

    Raises:
        BakeoffError: there is nothing at `target`, or it is an address of another kind than http and https.
    """
    if is_address(target):
        yield Origin(checked_address(target), "")
        return
    try:
        path = Path(target).expanduser().resolve(strict=True)
    except (*NOT_THERE, RuntimeError, ValueError):  # RuntimeError: links in a circle
        raise BakeoffError(f"a file or folder at {target}", "none", "check the path") from None
    except OSError as error:
        yield Skipped.after(error, target)
        return
    yield from _in_folder(path) if path.is_dir() else [_file(path)]


def is_address(target: str) -> bool:
    """Tell whether `target` names something by a scheme (`https:`, `file:`) rather than by a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", target) is not None and not os.path.lexists(target)


def checked_address(target: str) -> str:
    """Return a web address without its fragment, which no server sees.

    Raises:
        BakeoffError: its scheme is not http or https, it has no host, or it holds a password; this is not repeated.
    """
    try:
        parts = urlsplit(target.strip())
        host, secret = parts.hostname, "@" in parts.netloc
    except ValueError:
        raise BakeoffError("a web address", "one that cannot be parsed", "check the address") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise BakeoffError("a path, or an address with http or https", f"'{parts.scheme}:'", "check the address")
    if secret:
        raise BakeoffError(f"an address on {host} without a name and password", "one with", "take them out")
    if not host:
        raise BakeoffError("a web address with a host", "one without", "check the address")
    return parts._replace(fragment="").geturl()


def _in_folder(folder: Path) -> Iterator[Origin | Skipped]:
    closed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=closed.append):
        visible = [name for name in sorted(folders) if not _left_out(name)]
        folders[:] = visible
        for name in visible:
            if (Path(place) / name).is_symlink():
                yield _link(Path(place) / name, folder)
        for name in sorted(files):
            if not _left_out(name):
                file = Path(place) / name
                yield _link(file, folder) if file.is_symlink() else _file(file)
    yield from (Skipped.after(error, str(error.filename)) for error in closed)


def _left_out(name: str) -> bool:
    return name.startswith(".") or name in LEFT_OUT


def _link(path: Path, folder: Path) -> Skipped:
    try:
        end = path.resolve(strict=True)
    except FileNotFoundError:
        return Skipped(str(path), "a link to nothing")
    except (OSError, RuntimeError):
        return Skipped(str(path), "a link in a circle")
    if path.is_relative_to(end):
        return Skipped(str(path), "a link in a circle")
    if end.is_relative_to(folder):
        return Skipped(str(path), f"a link to elsewhere in {folder.name}", fault=False)
    return Skipped(str(path), f"a link that leaves {folder.name}")


def _file(path: Path) -> Origin | Skipped:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Skipped(os.fsencode(path).decode("utf-8", "backslashreplace"), "its name is not UTF-8")
    try:
        state = path.lstat()
    except OSError as error:
        return Skipped.after(error, str(path))
    if not stat.S_ISREG(state.st_mode):
        return Skipped(str(path), "no regular file")
    if kind_of(path.suffix) is None:
        reason = f"no reader for '{path.suffix}'" if path.suffix else "no suffix tells its kind"
        return Skipped(str(path), reason, fault=False)
    if not state.st_size:
        return Skipped(str(path), "empty", fault=False)
    if state.st_size > LARGEST_FILE_MB * 1_000_000:
        return Skipped(str(path), f"larger than {LARGEST_FILE_MB} MB")
    return Origin(str(path), f"{state.st_size} {state.st_mtime_ns} {state.st_ino}")
