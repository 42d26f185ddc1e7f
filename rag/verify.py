"""The index of documents proved against its sources: everything is read again and compared with what Chroma holds."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lab.console import progress
from lab.workspace import fingerprint
from rag.generations import active, index_of
from rag.index import Index
from rag.ledger import Ledger, Source
from rag.passages import Passage, numbered
from rag.reading.origins import Columns, Origin
from rag.rows import PAGE
from rag.store import Store
from rag.targets import below_closed, found

SAMPLE = 32  # passages whose vectors are made anew
SAME = 0.999  # cosine from which two vectors are the same; other kernels round otherwise
SYNC, REPAIR = "bakeoff index sync", "bakeoff index sync --repair"


@dataclass(frozen=True)
class Finding:
    """One way in which the index does not say what a source says.

    Attributes:
        kind: "interrupted", "new", "gone", "changed" or "unreadable" of a source since the last sync; "missing",
            "orphan", "altered", "misplaced" or "twice" of passages; "vector".
        source: where; "" of the index as a whole.
        passages: how many are concerned; of a source that was not read, those that the index holds.
        fix: the command that mends it.
    """

    kind: str
    source: str
    passages: int
    fix: str


@dataclass(frozen=True)
class Proof:
    """What was compared, and what was found."""

    sources: int
    passages: int
    vectors: int
    findings: tuple[Finding, ...]


def verify(sample: int = SAMPLE) -> Proof:
    """Read every source again, compare passages, texts and places, and embed `sample` passages again.

    Nobody else writes meanwhile, and nothing is changed.
    """
    store = Store.current()
    with store.writing("index verify"), Ledger.open(store.folder) as ledger:
        generation = active(ledger)
        index, rows = index_of(store, generation), ledger.sources(generation.collection)
        held: dict[str, list[str]] = {}
        for identifier, place in index.held().items():
            held.setdefault(place.source, []).append(identifier)
        readable, hidden = _readable(ledger)
        findings = [Finding("new", source, 0, SYNC) for source in readable.keys() - rows.keys()]
        findings += [Finding("orphan", source, len(held[source]), REPAIR) for source in held.keys() - rows.keys()]
        with progress("sources", total=len(rows)) as bar:
            for source, row in rows.items():
                if source in hidden:
                    findings.append(Finding("unreadable", source, len(held.get(source, [])), SYNC))
                else:
                    findings += _against_source(index, row, held.get(source, []), readable.get(source))
                bar.advance()
        ids = sorted(identifier for own in held.values() for identifier in own)
        drawn = random.Random(len(ids)).sample(ids, min(sample, len(ids)))  # noqa: S311 nothing secret
        findings += _missing_vectors(index, ids) or _wrong_vectors(index, drawn)
    findings.sort(key=lambda finding: (finding.kind, finding.source))
    return Proof(len(rows), len(ids), len(drawn), tuple(findings))


def _readable(ledger: Ledger) -> tuple[dict[str, Columns], set[str]]:
    """Return what the targets have to read now, with the columns of the first target that has it.

    And those sources that lie where nobody can look.
    """
    present: dict[str, Columns] = {}
    hidden: set[str] = set()
    for target in ledger.targets():
        each = found(target.target)
        hidden |= below_closed(ledger.claimed(target.target), each)
        for one in each:
            if isinstance(one, Origin):
                present.setdefault(one.source, Columns(target.text_column, target.label_column))
    return present, hidden - present.keys()


def _against_source(index: Index, row: Source, ids: list[str], columns: Columns | None) -> list[Finding]:
    """Compare what the index holds of one source with what is read there now; `columns` is None if it is gone."""
    from rag.reading import Unreadable, read

    if row.status == "pending":
        return [Finding("interrupted", row.source, len(ids), SYNC)]
    if row.is_left_out or columns is None:  # what was always skipped is no promise broken
        return [Finding("gone" if columns is None else "unreadable", row.source, len(ids), SYNC)] if ids else []
    try:
        reading = read(Origin(row.source, ""), columns)
    except Unreadable as error:
        return [Finding("unreadable" if error.fault else "changed", row.source, len(ids), SYNC)]
    if fingerprint(reading.content, columns) != row.content:
        return [Finding("changed", row.source, len(ids), SYNC)]
    wanted = {passage.id: passage for passage in numbered(reading.passages)}
    return list(_against_passages(row.source, wanted, index.stored(ids)))


def _against_passages(source: str, wanted: Mapping[str, Passage], stored: Mapping[str, Passage]) -> Iterator[Finding]:
    """Yield what of a source is not as it should be, one finding for each kind."""
    both = wanted.keys() & stored.keys()
    spans = Counter((passage.span, passage.text) for passage in stored.values())
    counts = {
        "missing": len(wanted.keys() - stored.keys()),
        "orphan": len(stored.keys() - wanted.keys()),
        "altered": sum(stored[one].id != one or stored[one].text != wanted[one].text for one in both),
        "misplaced": sum(_place(stored[one]) != _place(wanted[one]) for one in both),
        "twice": sum(count - 1 for count in spans.values()),
    }
    return (Finding(kind, source, count, REPAIR) for kind, count in counts.items() if count)


def _place(passage: Passage) -> tuple[tuple[int, int], str]:
    return passage.span, passage.place


def _missing_vectors(index: Index, ids: list[str]) -> list[Finding]:
    """Find passages without a vector, or with one that has no length."""
    bad = 0
    for first in range(0, len(ids), PAGE):
        some = ids[first : first + PAGE]
        known = index.vectors(some)
        bad += sum(one not in known or not 0.99 < float(np.linalg.norm(known[one])) < 1.01 for one in some)
    return [Finding("vector", "", bad, REPAIR)] if bad else []


def _wrong_vectors(index: Index, ids: list[str]) -> list[Finding]:
    """Find passages whose vectors are not those that the model gives, or that a search by their vectors misses."""
    if not ids:
        return []
    known, stored = index.vectors(ids), index.stored(ids)
    texts = [stored[one].text for one in ids]
    made, there = index.embedder.embed(texts), np.stack([known[one] for one in ids])
    others = made.shape != there.shape or np.einsum("ij,ij->i", made, there) < SAME
    lost = [all(item.text != text for item in row) for row, text in zip(index.nearest(there, 5), texts, strict=True)]
    bad = int(np.sum(others | np.array(lost)))
    return [Finding("vector", "", bad, f"bakeoff index rebuild --embeddings {index.embeddings}")] if bad else []
