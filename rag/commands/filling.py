"""`bakeoff index add`, `sync` and `remove`."""

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.command_app import Json
from lab.console import Console

if TYPE_CHECKING:
    from rag.sync import DocumentSync

TOLD = 20  # faults told one by one; --json tells all


def add(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Files, folders and web addresses; default: the handbook.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Where the text stands in tables of labelled examples.")] = "text",
    label_column: Annotated[str, typer.Option(help="Where the label stands in them.")] = "label",
    json: Json = False,
) -> None:
    """Bring documents into the index, and remember them for `sync`; unchanged ones cost nothing.

    Exits with 1 if something that should have been readable was not; the rest is in the index then. Files of a kind
    without a reader, empty ones and links to elsewhere are passed over, which is no fault.
    """
    from rag.handbook import handbook_folder
    from rag.reading import Columns
    from rag.sync import add as add_targets

    _tell(add_targets(targets or [str(handbook_folder())], Columns(text_column, label_column)), json)


def sync(
    targets: Annotated[
        list[str] | None, typer.Argument(help="As they were added; default: all that ever were.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read all targets anew and mend what `verify` finds in the index.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the index in line with what was added: new files, changed ones, those that are gone.

    What a killed or failed sync has left undone is done. Exits with 1 as `add` does.
    """
    from rag.sync import sync as sync_targets

    _tell(sync_targets(targets or [], repair), json)


def remove(
    targets: Annotated[list[str], typer.Argument(help="As they were added; `status` lists them.")], json: Json = False
) -> None:
    """Forget what was added, and remove its passages from the index."""
    from rag.sync import remove as remove_targets

    _tell(remove_targets(targets), json)


def _tell(done: "DocumentSync", json: bool) -> None:
    """Print what was done; end with 1 if something could not be read."""
    console = Console()
    if json:
        console.document(_as_document(done))
    else:
        _explain(done, console)
        console.answer(
            f"{done.sources} sources: {done.added} passages added, {done.moved} moved, {done.removed} removed,"
            f" {done.unchanged} unchanged ({done.read} sources read, {done.seconds:.1f} s)"
        )
    if done.faults:
        raise typer.Exit(1)


def _explain(done: "DocumentSync", console: Console) -> None:
    """Tell what was not taken in: faults one by one, the rest by its reasons."""
    for target in done.gone:
        console.warn(f"{target} is gone, and so are its passages; forget it with: {_remove(target)}")
    faults = done.faults
    for one in faults[:TOLD]:
        hint = f"; forget it with: {_remove(one.source)}" if one.source in done.targets else ""
        console.warn(f"skipped {one.source}: {one.reason}{hint}")
    if len(faults) > TOLD:
        console.warn(f"skipped {len(faults) - TOLD} more; --json lists all")
    passed = Counter(one.reason for one in done.skipped if not one.fault)
    if passed:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in passed.most_common(TOLD))
        console.note(f"passed over {passed.total()} files ({reasons})")


def _remove(target: str) -> str:
    return f"bakeoff index remove {shlex.quote(target)}"


def _as_document(done: "DocumentSync") -> dict[str, Any]:
    counts = ("sources", "read", "added", "moved", "removed", "unchanged")
    return {name: getattr(done, name) for name in counts} | {
        "seconds": round(done.seconds, 3),
        "gone": list(done.gone),
        "skipped": [{"source": one.source, "reason": one.reason, "fault": one.fault} for one in done.skipped],
    }
