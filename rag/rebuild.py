"""Another embedding model for the index of documents: built beside the one that answers, then put in its place."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.console import progress
from lab.embeddings import Embedder
from lab.errors import BakeoffError, GateFailed
from rag.generations import NAME, active, index_of, new_generation
from rag.index import BATCH, Index
from rag.ledger import Generation, Ledger
from rag.rows import moved_since
from rag.store import Store
from rag.sync import DocumentSync, bring_in_line


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: passages embedded, and those that an interrupted one had done already."""

    embeddings: str
    collection: str
    embedded: int
    kept: int


def rebuild(embeddings: str) -> Rebuilt:
    """Build the index of documents anew with another embedding model, and let it answer once it is whole.

    Until then the old one answers, and it is kept. The passages are taken from the old one, so that sources which are
    out of reach stay. A rebuild that was interrupted goes on where it was.

    Raises:
        BakeoffError: there is no such embedding model.
        GateFailed: the new index does not hold what the old one holds; the old one stays.
    """
    store, name = Store.current(), str(Path(embeddings).resolve()) if Path(embeddings).is_dir() else embeddings
    Embedder.load(name)
    with store.writing(f"index rebuild --embeddings {embeddings}"), Ledger.open(store.folder) as ledger:
        old, new = active(ledger), _begun(ledger, name)
        there, here = index_of(store, old), index_of(store, new)
        embedded = _embed(there, here)
        if here.held() != there.held():
            got = f"{len(here)} in the new one"
            raise GateFailed(f"{len(there)} passages, as in the index that answers", got, "run the same command again")
        ledger.inherit(new.collection, old.collection)
        ledger.activate(new.collection)
        return Rebuilt(name, new.collection, embedded, len(here) - embedded)


def switch(to: str | None = None) -> tuple[Generation, DocumentSync]:
    """Let an earlier index answer again, once it is brought in line with its targets.

    Args:
        to: its name or its embedding model; by default the newest of the earlier ones.

    Raises:
        BakeoffError: there is none such.
    """
    store = Store.current()
    with store.writing("index switch"), Ledger.open(store.folder) as ledger:
        kept = [one for one in ledger.generations() if one.state == "kept"]
        fitting = [one for one in kept if to in (None, one.collection, one.embeddings)]
        if not fitting:
            names = ", ".join(f"{one.collection} ({one.embeddings})" for one in kept) or "none"
            raise BakeoffError(
                "an earlier index" + (f" '{to}'" if to else ""), names, "see: bakeoff index switch --list"
            )
        done = bring_in_line(ledger, fitting[0], ledger.targets())
        ledger.activate(fitting[0].collection)
        return fitting[0], done


def prune() -> list[str]:
    """Delete all indexes of documents but the one that answers; return their names."""
    store = Store.current()
    with store.writing("index prune"), Ledger.open(store.folder) as ledger:
        others = {one.collection for one in ledger.generations()} - {active(ledger).collection}
        if store.url is None:  # on a server, another workspace may answer from those that this one does not know
            mine = {name for name, metadata in store.names().items() if metadata.get("index") == NAME}
            others |= mine - {active(ledger).collection}
        for name in sorted(others):
            with suppress(LookupError):  # deleted, before the ledger was told
                store.delete(name)
            ledger.drop(name)
        return sorted(others)


def _begun(ledger: Ledger, embeddings: str) -> Generation:
    """Return the generation that is being built with a model, begun now if none is."""
    for generation in ledger.generations():
        if (generation.state, generation.embeddings) == ("building", embeddings):
            return generation
    generation = new_generation(embeddings, "building")
    ledger.begin(generation)
    return generation


def _embed(there: Index, here: Index) -> int:
    """Bring one index to hold what another holds; return how many passages had to be embedded."""
    wanted, known = there.held(), here.held()
    here.remove([identifier for identifier in known if identifier not in wanted])
    missing = [identifier for identifier in wanted if identifier not in known]
    with progress(f"passages with {here.embeddings}", total=len(missing)) as bar:
        for some in _batches(missing):
            here.add(list(there.stored(some).values()))
            bar.advance(len(some))
    kept = {identifier: place for identifier, place in known.items() if identifier in wanted}
    elsewhere = [identifier for identifier, place in kept.items() if place != wanted[identifier]]
    here.move(moved_since(kept, there.stored(elsewhere)))
    return len(missing)


def _batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[first : first + BATCH] for first in range(0, len(ids), BATCH))
