"""Targets: the files, folders and addresses that the index of documents follows, and what there is in them."""

import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.errors import BakeoffError
from rag.handbook import handbook_folder, handbook_pages
from rag.ledger import Ledger, Target
from rag.reading.origins import NOT_THERE, Origin, Skipped, checked_address, is_address, origins

COARSE_TICK, FINE_TICK = 2_000_000_000, 50_000_000  # ns within which a file may change and its time of change stay


def resolved(target: str) -> str:
    """Return a target under the one name by which it is known: its absolute path or its address."""
    return checked_address(target) if is_address(target) else str(Path(target).expanduser().resolve())


def shown(target: str) -> str:
    """Return a target as it may be printed: an address without the name and password in it."""
    return re.sub(":.*@", ":…@", target, flags=re.DOTALL) if is_address(target) else target


def is_gone(target: str) -> bool:
    """Tell whether a file or folder is no longer there; whether an address is, only reading tells."""
    if is_address(target):
        return False
    try:
        Path(target).stat()
    except ValueError:
        return True
    except OSError as error:
        return isinstance(error, NOT_THERE) or error.errno == errno.ELOOP
    return False


def found(target: str) -> list[Origin | Skipped]:
    """Return what there is at a target; nothing where it is gone.

    Raises:
        BakeoffError: nobody can tell what is there.
    """
    if is_gone(target):
        return []
    return list(handbook_pages() if target == str(handbook_folder().resolve()) else origins(target))


def below_closed(sources: Iterable[str], present: Iterable[Origin | Skipped]) -> set[str]:
    """Return those sources that lie where nobody can look: they may be as they were."""
    closed = tuple(f"{one.source}{os.sep}" for one in present if isinstance(one, Skipped) and one.closed)
    return {source for source in sources if source.startswith(closed)} if closed else set()


def check_readable(target: str) -> None:
    """Check that there is something to read at a target.

    Raises:
        BakeoffError: there is nothing, or nothing of it can be read.
    """
    passed = []
    for one in origins(target) if is_gone(target) else found(target):
        if isinstance(one, Origin):
            return
        passed.append(one.reason)
    why = f", the first: {passed[0]}" if passed else ""
    got = f"{len(passed)} files, none that can be read{why}"
    raise BakeoffError(f"documents at {target}", got, "see docs/documents.md")


def chosen(ledger: Ledger, names: Sequence[str]) -> list[Target]:
    """Return the targets of these names, or all.

    Raises:
        BakeoffError: one of them was never added.
    """
    known = {target.target: target for target in ledger.targets()}
    for name in names:
        if resolved(name) not in known:
            fix = "see: bakeoff index status; or add it: bakeoff index add"
            raise BakeoffError("a target that was added", f"'{name}'", fix)
    return [known[resolved(name)] for name in names] if names else list(known.values())


def lasting_stamp(origin: Origin, read_at: int) -> str:
    """Return an origin's stamp, or "" if it may change and keep it.

    A file that is changed twice within a tick of the clock that dates it has the same stamp after both (what git calls
    racily clean), so a stamp is relied upon only if the file was older than a tick when it was read, at `read_at` (ns).
    """
    if not origin.stamp:
        return ""
    try:
        changed = Path(origin.source).stat().st_mtime_ns
    except OSError:
        return ""
    tick = FINE_TICK if changed % 1_000_000_000 else COARSE_TICK  # FAT and HFS+ know full seconds only
    return origin.stamp if changed + tick < read_at else ""
