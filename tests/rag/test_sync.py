"""Incremental truth: the index says what its sources say, whatever was changed, moved, removed or killed meanwhile."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.errors import BakeoffError
from rag import Passage, document_index
from rag.generations import active
from rag.ledger import Ledger
from rag.store import Store
from rag.sync import add, remove, sync
from rag.verify import verify
from tests.conftest import Outcome
from tests.rag.conftest import Spawn

Run = Callable[..., Outcome]
Setting = Callable[[str, str], None]
LONG = "This sentence is about the {0} of number {1}, and it is rather long so that it fills a passage of its own. " * 5


@pytest.fixture
def notes(tmp_path: Path, tiny: str, setting: Setting) -> Path:
    """A folder with three documents, one of several passages; the index is made with the small model."""
    setting("BAKEOFF_EMBEDDINGS", tiny)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "tea.txt").write_text("Tea is made of leaves.")
    (folder / "coffee.txt").write_text("Coffee is made of beans.")
    (folder / "long.md").write_text(long("weight", range(6)))
    age(folder)
    return folder


def long(subject: str, numbers: range) -> str:
    return "\n\n".join(f"# Part {number}\n\n{LONG.format(subject, number)}" for number in numbers)


def age(folder: Path) -> None:
    """Let all files be ten seconds older than they are: too old to be changed within a tick of the clock."""
    for path in folder.rglob("*"):
        state = path.stat()
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - 10_000_000_123))


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Let nobody look into a folder, not even a superuser: this thread does without the capabilities for that."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert not libc.capget(header, before)
    without = type(before)(before[0] & ~0b110, *before[1:])  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    mode = folder.stat().st_mode
    folder.chmod(0)
    assert not libc.capset(header, without)
    try:
        yield
    finally:
        assert not libc.capset(header, before)
        folder.chmod(mode)


def contents() -> set[Passage]:
    """Return what the index of documents holds."""
    passages = document_index().passages()
    assert len(passages) == len(set(passages)) == len(document_index())
    return set(passages)


def texts() -> set[str]:
    return {passage.text for passage in contents()}


def test_a_sync_adds_what_is_new_replaces_what_changed_and_removes_what_is_gone(notes: Path, where: str) -> None:
    assert add([str(notes)]).added == 8
    assert (sync().read, sync().unchanged) == (0, 8)
    (notes / "tea.txt").unlink()
    (notes / "coffee.txt").write_text("Coffee is made of roasted beans.")
    (notes / "milk.txt").write_text("Milk comes from cows.")
    done = sync()
    assert (done.added, done.removed, done.unchanged, done.read) == (2, 2, 6, 2)
    assert {"Milk comes from cows.", "Coffee is made of roasted beans."} < texts()
    assert not {"Tea is made of leaves.", "Coffee is made of beans."} & texts()
    assert not verify().findings


def test_what_is_the_same_is_not_read_and_what_is_written_anew_is_not_embedded(notes: Path) -> None:
    add([str(notes)])
    text = (notes / "tea.txt").read_text()
    (notes / "tea.txt").write_text(text)
    done = sync()
    assert (done.read, done.added, done.moved, done.unchanged) == (1, 0, 0, 8)


def test_a_passage_that_moved_is_moved_and_not_embedded(
    notes: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add([str(notes)])
    embedded: list[str] = []
    embedder = document_index().embedder
    embed = embedder.embed
    monkeypatch.setattr(embedder, "embed", lambda texts: embed(embedded.extend(texts) or texts))  # type: ignore[func-returns-value]
    (notes / "long.md").write_text("# New\n\nThis is new.\n\n" + long("weight", range(6)))
    done = sync()
    assert (done.added, done.moved, done.removed) == (1, 6, 0)
    assert len(embedded) == 1 and "This is new." in embedded[0]
    source = (notes / "long.md").read_text()
    of_it = [passage for passage in contents() if passage.source.endswith("long.md")]
    assert len(of_it) == 7 and all(source[slice(*passage.span)] == passage.text for passage in of_it)


def test_a_file_changed_within_a_tick_of_the_clock_is_read_again(notes: Path) -> None:
    now = time.time_ns() + 60 * 10**9  # however slow the machine is, it is not older when it is read
    os.utime(notes / "tea.txt", ns=(now, now))
    add([str(notes)])
    (notes / "tea.txt").write_text("Tea is made of LEAVES.")
    os.utime(notes / "tea.txt", ns=(now, now))  # a clock too coarse to tell the two apart
    assert sync().added == 1
    assert "Tea is made of LEAVES." in texts()


def test_a_source_of_two_targets_is_held_once_and_until_the_last_lets_go(notes: Path) -> None:
    add([str(notes)])
    assert add([str(notes / "tea.txt")]).added == 0
    assert remove([str(notes)]).removed == 7
    assert texts() == {"Tea is made of leaves."}
    assert remove([str(notes / "tea.txt")]).removed == 1
    assert len(document_index()) == 0


def test_a_target_that_is_gone_takes_its_passages_along_and_comes_back(notes: Path, bakeoff: Run) -> None:
    add([str(notes / "tea.txt"), str(notes / "long.md")])
    (notes / "tea.txt").rename(notes / "elsewhere.txt")
    outcome = bakeoff("index", "sync")
    assert outcome.code == 0 and "tea.txt is gone" in outcome.err
    assert len(document_index()) == 6
    (notes / "elsewhere.txt").rename(notes / "tea.txt")
    assert sync().added == 1


def test_what_cannot_be_read_is_told_with_its_reason_and_the_rest_is_taken_in(notes: Path, bakeoff: Run) -> None:
    (notes / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    (notes / "picture.xyz").write_bytes(b"\x00")
    (notes / "blank.md").write_text(" \n\n")
    outcome = bakeoff("index", "add", "notes", "--json")
    assert outcome.code == 1
    assert outcome.json["added"] == 8
    faults = {Path(one["source"]).name: one["fault"] for one in outcome.json["skipped"]}
    assert faults == {"broken.pdf": True, "picture.xyz": False, "blank.md": False}
    told = bakeoff("index", "sync").err
    assert "broken.pdf: " in told and "passed over 2 files (no reader for '.xyz': 1, empty: 1)" in told
    (notes / "broken.pdf").unlink()
    assert bakeoff("index", "sync").code == 0
    skipped = bakeoff("index", "status", "--json").json["skipped"]
    assert [Path(one["source"]).name for one in skipped] == ["blank.md", "picture.xyz"]
    assert not any(one["fault"] for one in skipped)


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_source_that_was_emptied_leaves_nothing_behind(text: str, notes: Path) -> None:
    add([str(notes)])
    (notes / "tea.txt").write_text(text)
    done = sync()
    assert (done.removed, done.unchanged, done.faults) == (1, 7, [])
    assert "Tea is made of leaves." not in texts()
    assert not verify().findings
    (notes / "tea.txt").write_text("Tea is back.")
    assert sync().added == 1


def test_a_source_that_broke_keeps_the_passages_of_its_last_reading(notes: Path) -> None:
    add([str(notes)])
    (notes / "tea.txt").write_bytes(b"\x00\x01\x02" * 100)
    done = sync()
    assert [Path(one.source).name for one in done.faults] == ["tea.txt"]
    assert "Tea is made of leaves." in texts()
    assert [finding.kind for finding in verify().findings] == ["unreadable"]
    (notes / "tea.txt").write_text("Tea is hot.")
    assert sync().added == 1
    assert "Tea is made of leaves." not in texts()


def test_of_several_targets_the_bad_ones_are_skipped_and_not_remembered(notes: Path, bakeoff: Run) -> None:
    with (notes.parent / "huge.md").open("wb") as file:
        file.truncate(1_000_000_000)
    secret = "https://me:very-secret@example.org/page"
    outcome = bakeoff("index", "add", "absent", "notes", "huge.md", "file:///etc/hostname", secret)
    assert outcome.code == 1 and "8 passages added" in outcome.out
    for told in ("skipped absent: ", "huge.md: ", "larger than 100 MB", "file:", "https:…@example.org/page: "):
        assert told in outcome.err
    assert "secret" not in outcome.err
    assert bakeoff("index", "sync").code == 0
    assert [one["target"] for one in bakeoff("index", "status", "--json").json["targets"]] == [str(notes)]
    assert bakeoff("index", "add", "absent", "huge.md").code == 1


def test_a_single_bad_target_is_one_line_and_not_remembered(notes: Path, bakeoff: Run) -> None:
    outcome = bakeoff("index", "add", "absent")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    for command in ("sync", "remove"):
        assert "a target that was added; got 'absent'" in bakeoff("index", command, "absent").err


def test_examples_come_with_their_labels_and_are_searched_by_them(notes: Path, bakeoff: Run) -> None:
    (notes / "cases.csv").write_text("words,kind\nThe parcel is late.,delivery\nThe card was charged twice.,payment\n")
    columns = ("--text-column", "words", "--label-column", "kind")
    assert bakeoff("index", "add", "notes/cases.csv", *columns, "--json").json["added"] == 2
    found = bakeoff("index", "search", "parcel", "--label", "payment", "--min-score", "-1", "--json").json
    assert [item["label"] for item in found] == ["payment"]
    assert bakeoff("index", "sync", "--json").json["read"] == 0 or sync().added == 0
    assert bakeoff("index", "show", found[0]["id"]).code == 0


def test_a_target_that_is_refused_says_how_to_forget_it(notes: Path, bakeoff: Run) -> None:
    add([str(notes)])
    page = "http://127.0.0.1:9/page?a=1&b=2"
    hint = f"forget it with: bakeoff index remove '{page}'"
    for arguments in (("add", page), ("sync",)):
        outcome = bakeoff("index", *arguments)
        assert outcome.code == 1 and f"skipped {page}: refused" in outcome.err and hint in outcome.err
    assert bakeoff("index", "remove", page).code == bakeoff("index", "sync").code == 0


def test_what_lies_in_a_folder_that_cannot_be_looked_into_stays(notes: Path, bakeoff: Run) -> None:
    sub = notes / "sub"
    sub.mkdir()
    (sub / "milk.txt").write_text("Milk comes from cows.")
    add([str(notes)])
    (notes / "tea.txt").unlink()
    with closed(sub):
        done = sync()
        assert [(one.source, one.reason) for one in done.faults] == [(str(sub), "permission denied")]
        assert (done.removed, done.unchanged, done.sources) == (1, 8, 3)
        assert "Milk comes from cows." in texts()
        assert [(finding.kind, finding.source) for finding in verify().findings] == [
            ("unreadable", str(sub / "milk.txt"))
        ]
        assert sync().unchanged == 8, "and again"
    assert (sync().faults, verify().findings) == ([], ())
    with closed(notes):
        assert (len(sync().faults), len(contents())) == (1, 8)
    (sub / "milk.txt").unlink()
    assert sync().removed == 1


def test_a_file_that_exhausts_its_reader_does_not_end_the_sync(notes: Path) -> None:
    (notes / "deep.jsonl").write_text("[" * 90_000)
    (notes / "deep.csv").write_text("a,b\n1,2,3\n")
    done = add([str(notes)])
    assert (done.added, sorted(Path(one.source).name for one in done.faults)) == (8, ["deep.csv", "deep.jsonl"])


MOMENTS = {
    "before anything": ("Ledger", "note", 1, "before"),
    "all is noted as pending": ("Ledger", "note", 1, "after"),
    "half is stored": ("Index", "add", 2, "before"),
    "all is stored": ("Index", "move", 1, "before"),
    "what moved has moved": ("Index", "remove", 1, "before"),
    "between Chroma and the ledger": ("Ledger", "note", 2, "before"),
    "half of what is gone is gone": ("Ledger", "forget", 1, "before"),
    "before the sync is noted": ("Ledger", "ended", 1, "before"),
}
SERVED = ("half is stored", "between Chroma and the ledger", "half of what is gone is gone")  # of a server's too
KILLED = """
import os, signal
from rag import index, ledger, sync
sync.BATCH = 3
owner = {"Index": index.Index, "Ledger": ledger.Ledger}[OWNER]
original, calls = getattr(owner, METHOD), 0
def method(*arguments, **named):
    global calls
    calls += 1
    if WHEN == "after":
        original(*arguments, **named)
    if calls >= NUMBER:
        os.kill(os.getpid(), signal.SIGKILL)
    if WHEN == "before":
        original(*arguments, **named)
setattr(owner, METHOD, method)
sync.sync()
"""


@pytest.mark.parametrize(
    ("moment", "where"),
    [*((moment, "embedded") for moment in MOMENTS), *((moment, "server") for moment in SERVED)],
    indirect=["where"],
)
def test_a_sync_that_was_killed_is_completed_by_the_next(
    moment: str, where: str, notes: Path, spawn: Spawn, setting: Setting, tmp_path: Path
) -> None:
    (notes / "old.txt").write_text("This is old.")
    add([str(notes)])
    (notes / "old.txt").unlink()
    (notes / "tea.txt").write_text("Tea is hot.")
    (notes / "long.md").write_text(long("length", range(4)) + "\n\n" + long("weight", range(5)))
    code = KILLED
    for name, value in zip(("OWNER", "METHOD", "NUMBER", "WHEN"), MOMENTS[moment], strict=True):
        code = code.replace(name, repr(value))
    child = spawn(code)
    assert child.wait() == -9, child.told
    sync()
    assert sync().read == 0 or sync().added == 0
    found = contents()
    assert not verify().findings
    setting("BAKEOFF_HOME", str(tmp_path / "another"))
    add([str(notes)])
    assert found == contents()


def test_a_sync_killed_at_any_time_is_completed_by_the_next(notes: Path, spawn: Spawn) -> None:
    for number in range(40):
        (notes / f"{number}.txt").write_text(LONG.format("height", number))
    for delay in (0.35, 0.5):
        child = spawn("import rag.sync\nrag.sync.BATCH = 1\nrag.sync.add(['notes'])")
        time.sleep(delay)
        os.kill(child.pid, 9)
        assert child.wait() in (-9, 0), child.told
    sync() if Ledger(Store.current().folder).targets() else add([str(notes)])
    assert len(contents()) == 48
    assert not verify().findings


def test_an_interrupted_sync_is_told_by_status_and_verify(notes: Path, bakeoff: Run) -> None:
    add([str(notes)])
    with Store.current().writing("a crash"), Ledger.open(Store.current().folder) as ledger:
        collection = active(ledger).collection
        rows = ledger.sources(collection).values()
        ledger.note(collection, [type(row)(row.source, "pending") for row in rows if row.source.endswith("tea.txt")])
    assert "index sync" in bakeoff("index", "status", "--json").json["inconsistent"][0]
    outcome = bakeoff("index", "verify", "--json")
    assert (outcome.code, outcome.json["findings"][0]["kind"]) == (3, "interrupted")
    assert bakeoff("index", "sync").code == bakeoff("index", "verify").code == 0


def test_verify_finds_whatever_is_wrong_and_names_what_mends_it(notes: Path, where: str, bakeoff: Run) -> None:
    add([str(notes)])
    index = document_index()
    tea, coffee = (next(p for p in contents() if p.source.endswith(f"{name}.txt")) for name in ("tea", "coffee"))
    with index.store.writing("damage"):
        index.remove([tea.id])
        index.add([Passage("Nobody wrote this.", str(notes / "none.txt"), (0, 18))])
        index.move([Passage(coffee.text, coffee.source, (7, 9))])
    (notes / "long.md").write_text(long("length", range(6)))
    (notes / "new.txt").write_text("This is new.")
    outcome = bakeoff("index", "verify", "--json")
    kinds = {finding["kind"]: finding["fix"] for finding in outcome.json["findings"]}
    assert outcome.code == 3
    assert set(kinds) == {"missing", "orphan", "misplaced", "changed", "new"}
    assert bakeoff("index", "sync", "--repair").code == 0
    assert bakeoff("index", "verify").code == 0


def test_verify_finds_vectors_that_the_model_does_not_give(notes: Path, where: str, bakeoff: Run) -> None:
    add([str(notes)])
    index = document_index()
    one, other = sorted(contents(), key=lambda passage: passage.id)[:2]
    with index.store.writing("damage"):
        index.add([one], {one.id: index.vectors([other.id])[other.id]})
    outcome = bakeoff("index", "verify", "--json")
    assert (outcome.code, [finding["kind"] for finding in outcome.json["findings"]]) == (3, ["vector"])
    assert bakeoff("index", "rebuild", "--embeddings", index.embeddings).code == 0
    assert bakeoff("index", "verify").code == 0


def test_a_target_never_added_is_refused() -> None:
    with pytest.raises(BakeoffError, match="a target that was added"):
        sync(["nothing"])
