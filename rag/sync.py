"""The index of documents kept true to its targets: what is new is added, what changed replaced, what is gone removed.

What costs time is done as seldom as can be: a source whose stamp is the same is not read, one whose content is the same
is not compared, and a passage whose text is the same is not embedded, wherever it has moved to.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from lab.console import Bar, progress
from lab.errors import BakeoffError
from lab.workspace import fingerprint
from rag.generations import active, index_of
from rag.index import BATCH, SOURCES, Index, Sync
from rag.ledger import Generation, Ledger, Source, Status, Target
from rag.passages import Passage, numbered
from rag.reading.origins import Columns, Origin, Skipped
from rag.rows import Held, moved_since
from rag.store import Store
from rag.targets import below_closed, check_readable, chosen, found, is_gone, lasting_stamp, resolved, shown


@dataclass(frozen=True)
class DocumentSync(Sync):
    """What one synchronisation of the documents did.

    Attributes:
        sources: how many sources the targets have that the index holds now.
        read: how many were read, for they are new or may have changed.
        skipped: what was passed over, with the reasons.
        gone: targets that are no longer there, so that nothing of them is held any more.
        targets: what was gone through.
    """

    sources: int = 0
    read: int = 0
    skipped: tuple[Skipped, ...] = ()
    gone: tuple[str, ...] = ()
    targets: frozenset[str] = frozenset()

    @property
    def faults(self) -> list[Skipped]:
        """Return what was skipped although it should have been readable."""
        return [one for one in self.skipped if one.fault]


def add(targets: Sequence[str], columns: Columns = Columns()) -> DocumentSync:
    """Bring files, folders and addresses into the index of documents as they are now, and remember them for `sync`.

    One of several that is not there, or of which nothing can be read, is skipped and not remembered.

    Raises:
        BakeoffError: it is the only one.
    """
    wanted: list[Target] = []
    bad: list[Skipped] = []
    for target in targets:
        try:
            name = resolved(target)
            check_readable(name)
        except BakeoffError as error:
            if len(targets) == 1:
                raise
            bad.append(Skipped(shown(target), f"expected {error.expected}; got {error.got}"))
        else:
            wanted.append(Target(name, columns.text, columns.label))
    if not wanted:
        return DocumentSync(skipped=tuple(bad))
    with _held("index add") as (ledger, generation):
        for one in wanted:
            ledger.add_target(one)
        done = bring_in_line(ledger, generation, wanted)
    return replace(done, skipped=(*bad, *done.skipped))


def add_documents(path: Path) -> DocumentSync:
    """Bring the documents at `path`, a file or a folder, into the index of documents as they are now.

    Raises:
        BakeoffError: nothing readable is there.
    """
    return add([str(path)])


def sync(targets: Sequence[str] = (), repair: bool = False) -> DocumentSync:
    """Bring the index in line with these targets, or with all that were ever added.

    Args:
        targets: as they were added.
        repair: read everything anew, and compare it with what the index really holds.

    Raises:
        BakeoffError: a target was never added.
    """
    with _held("index sync") as (ledger, generation):
        return bring_in_line(ledger, generation, chosen(ledger, targets), repair)


def remove(targets: Sequence[str]) -> DocumentSync:
    """Forget targets, and remove the passages of sources that no other target has.

    Raises:
        BakeoffError: a target was never added.
    """
    with _held("index remove") as (ledger, generation):
        for target in chosen(ledger, targets):
            ledger.forget_target(target.target)
        return bring_in_line(ledger, generation, [])


def bring_in_line(
    ledger: Ledger, generation: Generation, targets: Sequence[Target], repair: bool = False
) -> DocumentSync:
    """Bring one generation in line with targets, and with whatever an interrupted sync has left; the store is held."""
    index = index_of(Store.current(), generation)
    wanted = {target.target for target in targets} | ledger.claimants(generation.collection, "pending")
    is_lost = bool(ledger.sources(generation.collection)) and index.store.is_empty
    every = [target for target in ledger.targets() if target.target in wanted or is_lost]
    done = _Run(ledger, index, repair or is_lost).over(every)
    ledger.ended(generation.collection)
    return done


@contextmanager
def _held(doing: str) -> Iterator[tuple[Ledger, Generation]]:
    store = Store.current()
    with store.writing(doing), Ledger.open(store.folder) as ledger:
        yield ledger, active(ledger)


@dataclass
class _Change:
    """What has to be done to the index for one source."""

    source: Source  # as it is once that is done
    new: list[Passage]
    moved: list[Passage]
    gone: list[str]


@dataclass
class _Run:
    """One run over some targets, and what it has done so far."""

    ledger: Ledger
    index: Index
    repair: bool
    started: float = field(default_factory=time.perf_counter)
    done: DocumentSync = DocumentSync()
    known: dict[str, Source] = field(default_factory=dict)
    waiting: list[_Change] = field(default_factory=list)

    @cached_property
    def built(self) -> float:
        """Return how long the index took to build before this run."""
        return self.index.built_seconds

    def over(self, targets: Sequence[Target]) -> DocumentSync:
        """Bring the index in line with these targets, and free it from what no target has."""
        self.done = replace(self.done, targets=frozenset(target.target for target in targets))
        self.known = self.ledger.sources(self.index.collection)
        to_read = self._look_through(targets)
        strange = set(self.index.sources() - self.known.keys()) if self.repair else set()
        self._take_away({*self.ledger.unclaimed(self.index.collection), *strange})
        if to_read:
            self._bring_in(to_read)
        return replace(self.done, seconds=time.perf_counter() - self.started)

    def _look_through(self, targets: Sequence[Target]) -> dict[str, tuple[Origin, Columns]]:
        """Return what has to be read, each source once; note what the targets have, and what has to be skipped."""
        to_read: dict[str, tuple[Origin, Columns]] = {}
        seen: set[str] = set()  # the first target that has a source says with which columns it is read
        for target in targets:
            columns = Columns(target.text_column, target.label_column)
            present = found(target.target)
            if is_gone(target.target):
                self.done = replace(self.done, gone=(*self.done.gone, target.target))
            for one in present:
                if one.source in seen:
                    continue
                seen.add(one.source)
                if isinstance(one, Skipped):
                    self._skip(one)
                elif self._is_same(one, columns):
                    self._count(sources=1, unchanged=self.known[one.source].passages)
                else:
                    to_read[one.source] = one, columns
            hidden = below_closed(self.ledger.claimed(target.target), present)
            self._keep(hidden - seen)
            seen |= hidden
            self.ledger.claim(target.target, {*(one.source for one in present), *hidden})
        return to_read

    def _keep(self, hidden: Collection[str]) -> None:
        """Leave what is held of sources as it is, for nobody can tell whether they have changed."""
        rows = [self.known[source] for source in hidden if source in self.known]
        self._count(sources=sum(not row.is_left_out for row in rows), unchanged=sum(row.passages for row in rows))

    def _is_same(self, origin: Origin, columns: Columns) -> bool:
        row = self.known.get(origin.source)
        if row is None or row.status != "done" or self.repair:
            return False
        return bool(origin.stamp) and row.stamp == _with(origin.stamp, columns)

    def _bring_in(self, to_read: dict[str, tuple[Origin, Columns]]) -> None:
        with progress("documents", total=len(to_read)) as bar:
            for origin, columns in to_read.values():
                self._read(origin, columns, bar)
                if sum(len(change.new) for change in self.waiting) >= BATCH or len(self.waiting) >= SOURCES:
                    self._carry_out(bar)
            self._carry_out(bar)

    def _read(self, origin: Origin, columns: Columns, bar: Bar) -> None:
        """Read a source, and find out what has to be done for it."""
        from rag.reading import Unreadable, read

        begun = time.time_ns()
        try:
            reading = read(origin, columns)
        except Unreadable as error:
            self._skip(Skipped(origin.source, str(error), error.fault))
            bar.advance()
            return
        self._count(sources=1, read=1)
        stamp = _with(lasting_stamp(origin, begun), columns)
        wanted = {passage.id: passage for passage in numbered(reading.passages)}
        row = Source(origin.source, "done", stamp, fingerprint(reading.content, columns), len(wanted))
        before = self.known.get(origin.source)
        if before and before.status == "done" and before.content == row.content and not self.repair:
            self.waiting.append(_Change(row, [], [], []))
            self._count(unchanged=len(wanted))
            return
        held = self.index.held([origin.source]) if before or self.repair else {}
        if self.repair:
            held = self._sound(held, wanted)
        new = [passage for identifier, passage in wanted.items() if identifier not in held]
        gone = [identifier for identifier in held if identifier not in wanted]
        self._count(unchanged=len(held) - len(gone))
        self.waiting.append(_Change(row, new, moved_since(held, wanted), gone))

    def _sound(self, held: dict[str, Held], wanted: dict[str, Passage]) -> dict[str, Held]:
        """Return what is held without what is not as it was stored: another text, or no vector."""
        stored, vectors = self.index.stored(held.keys()), self.index.vectors(held.keys())
        broken = [one for one in held.keys() & wanted.keys() if stored[one].id != one or one not in vectors]
        return {identifier: place for identifier, place in held.items() if identifier not in broken}

    def _carry_out(self, bar: Bar) -> None:
        """Do what has to be done for the sources that wait; each step may be done twice, in this order."""
        changes, self.waiting = self.waiting, []
        pending = [change for change in changes if change.new or change.moved or change.gone]
        self._note(replace(change.source, status="pending") for change in pending)
        weighed = [(passage, 1 / len(change.new)) for change in pending for passage in change.new]
        size = -(-len(weighed) // max(1, len(weighed) // BATCH))  # like parts, of one to two BATCHes
        for first in range(0, len(weighed), size or 1):
            batch = weighed[first : first + size]
            self.index.add([passage for passage, _ in batch])
            bar.advance(sum(weight for _, weight in batch))
        self.index.move([passage for change in pending for passage in change.moved])
        self.index.remove([identifier for change in pending for identifier in change.gone])
        if pending:
            self.index.note(self.built + time.perf_counter() - self.started)
        self._note(change.source for change in changes)
        bar.advance(sum(not change.new for change in changes))
        for change in changes:
            self._count(added=len(change.new), moved=len(change.moved), removed=len(change.gone))

    def _skip(self, skipped: Skipped) -> None:
        """Pass over a source; what was read of it before stays after a fault, as the last that is known of it."""
        before = self.known.get(skipped.source)
        if before and (before.status == "pending" or not skipped.fault):  # else half of it stayed, or what is no more
            self._take_away({skipped.source})
            before = None
        status: Status = "skipped" if skipped.fault else "passed over"
        row = Source(skipped.source, status, "", "", before.passages if before else 0, skipped.reason)
        if row != before:
            self._note([row])
        self._count(unchanged=row.passages)
        self.done = replace(self.done, skipped=(*self.done.skipped, skipped))

    def _take_away(self, sources: set[str]) -> None:
        """Remove what the index holds of sources."""
        left = iter(sorted(sources))
        while some := list(islice(left, SOURCES)):
            ids = list(self.index.held(some))
            self.index.remove(ids)
            self.ledger.forget(self.index.collection, some)
            self._count(removed=len(ids))

    def _note(self, sources: Iterable[Source]) -> None:
        rows = list(sources)
        self.ledger.note(self.index.collection, rows)
        self.known |= {row.source: row for row in rows}

    def _count(self, **news: int) -> None:
        self.done = replace(self.done, **{name: getattr(self.done, name) + count for name, count in news.items()})


def _with(stamp: str, columns: Columns) -> str:
    """Return a stamp that other columns change too."""
    return stamp and f"{stamp} {columns.text} {columns.label}"
