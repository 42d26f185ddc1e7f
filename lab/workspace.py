"""Where runs, classifiers and indexes live, and how a file is written so that a crash never halves it."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lab.errors import BakeoffError
from lab.settings import settings

REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
FULL_DISK = 2_000_000  # bytes free below which a failed write is taken for a full disk


@dataclass(frozen=True)
class Workspace:
    """The folders of one project (`home`), and the one for what can be made again (`cache`)."""

    home: Path
    cache: Path

    @classmethod
    def current(cls) -> "Workspace":
        """Return the workspace that the settings name.

        Raises:
            BakeoffError: it would lie in a file.
        """
        home = settings().home
        there = next((path for path in (home, *home.absolute().parents) if path.exists()), None)
        if there is not None and not there.is_dir():
            raise BakeoffError("a folder for the workspace", f"the file {there}", "set BAKEOFF_HOME to a folder")
        return cls(home, settings().cache)

    @property
    def runs(self) -> Path:
        """Return the folder of eval runs, one folder each."""
        return self.home / "runs"

    @property
    def classifiers(self) -> Path:
        """Return the folder of fine-tuned classifiers, one folder each."""
        return self.home / "classifiers"

    @property
    def trainings(self) -> Path:
        """Return the folder of training runs, one folder each: settings, curve and checkpoints."""
        return self.home / "trainings"

    @property
    def indexes(self) -> Path:
        """Return the folder of the Chroma database."""
        return self.home / "chroma"


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with room_on_disk(path), os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, document: object) -> None:
    """Write `document` as JSON, atomically."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, *needed: str) -> Any:
    """Read a JSON file that Bakeoff wrote.

    Args:
        path: of the file.
        needed: what the object in it must tell.

    Raises:
        BakeoffError: the file is not JSON, for instance edited by hand, or lacks what is needed.
    """
    fix = "delete the file, or restore it, and run again"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise BakeoffError(f"JSON in {path}", str(error), fix) from error
    lacking = [name for name in needed if not isinstance(document, dict) or name not in document]
    if lacking:
        raise BakeoffError(f"JSON with {', '.join(needed)} in {path}", f"none with {lacking[0]}", fix)
    return document


def is_plain(name: str) -> bool:
    """Return whether a name is a bare one, which cannot lead out of the folder that it is looked for in."""
    return name == Path(name).name and not name.startswith(".")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    aside = draft.with_name(f"{draft.name}.old")
    try:
        with room_on_disk(path):
            yield draft
            draft.chmod(0o755)
            if path.exists():
                path.replace(aside)  # to remove it takes time, in which a crash would leave neither
            draft.replace(path)
    finally:
        if aside.exists() and not path.exists():
            aside.replace(path)
        for rest in (draft, aside):
            shutil.rmtree(rest, ignore_errors=True)


@contextmanager
def room_on_disk(folder: Path, setting: str = "BAKEOFF_HOME") -> Iterator[None]:
    """Turn whatever a library raises when the disk is full, each its own way, into one clear error.

    Args:
        folder: that is written to.
        setting: what names another disk.

    Raises:
        BakeoffError: the disk that holds `folder` is full.
    """
    try:
        yield
    except BakeoffError:
        raise
    except Exception as error:
        there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
        free = shutil.disk_usage(there).free
        if "No space left" not in str(error) and free > FULL_DISK:
            raise
        fix = f"free some space, or set {setting} to a folder on another disk, and run again"
        raise BakeoffError(f"room on the disk for {folder}", f"{free / 1e6:.0f} MB free", fix) from error


def refusal(error: OSError) -> BakeoffError | None:
    """Return the one line for what the system would not write; None for errors that are ours."""
    said, home = (error.strerror or str(error)).lower(), settings().home
    if error.errno == errno.ENOSPC and not error.filename:
        return BakeoffError("to write the answer", said, "send it elsewhere")
    if error.errno == errno.ENOENT and not home.exists():  # so /proc says to whoever makes something in it
        return BakeoffError(f"to make the folder {home}", said, "set BAKEOFF_HOME to a folder that can be written")
    if error.errno in REFUSALS and error.filename:
        return BakeoffError(
            f"to use {error.filename}", said, "choose another place; BAKEOFF_HOME names the workspace's"
        )
    return None


@contextmanager
def lock(path: Path, what: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold `path` as a lock for the block.

    Raises:
        BakeoffError: another process still holds it after `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=wait_seconds):
            yield
    except Timeout:
        raise BakeoffError(
            f"{what} to be free", "another Bakeoff process working on it", "wait for it to end, or stop it"
        ) from None


def fingerprint(*parts: object) -> str:
    """Return 16 hex digits that change whenever any of `parts` changes (SHA-256 over their JSON)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()[:16]


def folder_fingerprint(folder: Path) -> str:
    """Return 16 hex digits that change whenever a file in `folder` does."""
    parts = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            parts.append((path.relative_to(folder).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()))
    return fingerprint(parts)
