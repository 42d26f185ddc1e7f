"""The store is shared: by processes that write and read at once, embedded or behind a server."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lab.errors import BakeoffError
from rag import Index, Passage, document_index
from rag.store import Store
from tests.conftest import Outcome
from tests.rag.conftest import Spawn

Run = Callable[..., Outcome]
Setting = Callable[[str, str], None]


def write(source: str, model: str, count: int = 60) -> str:
    """Return code that makes an index hold so many passages of a source."""
    passages = f'[Passage(f"word{{n}} of {source}", "{source}", (n, n + 1)) for n in range({count})]'
    return f"from rag import Index, Passage\nIndex('shared', {model!r}).sync({passages}, {{'{source}'}})"


def test_a_process_sees_what_another_wrote_and_loses_nothing_of_it(tiny: str, spawn: Spawn, where: str) -> None:
    index = Index("shared", tiny)
    index.sync([Passage("the first", "own", (0, 9))])
    assert index.search(["word7 of other"], 1)[0][0].source == "own"
    before = index.stamp
    assert spawn(write("other", tiny)).wait() == 0
    assert index.stamp != before
    assert index.search(["word7 of other"], 1)[0][0].text == "word7 of other"
    index.sync([Passage("the second", "own", (0, 10))], {"own"})
    assert spawn(write("other", tiny, 3)).wait() == 0
    left = {"the second", "word0 of other", "word1 of other", "word2 of other"}
    assert {item.text for item in index.search(["word7"], 9)[0]} == left
    assert {item.text for item in Index("shared", tiny).search(["word2"], 9)[0]} == left


def test_two_that_add_at_once_lose_nothing(
    tiny: str, spawn: Spawn, where: str, tmp_path: Path, setting: Setting, bakeoff: Run
) -> None:
    setting("BAKEOFF_EMBEDDINGS", tiny)
    names = ["one", "two"]
    for name in names:
        (tmp_path / name).mkdir()
        for number in range(5):
            (tmp_path / name / f"{number}.txt").write_text(f"This is text {number} of {name}.")
    code = "import sys, cli; sys.argv = ['bakeoff', 'index', 'add', NAME, '--json']; cli.main()"
    children = [spawn(code.replace("NAME", repr(name))) for name in names]
    assert [child.wait() for child in children] == [0, 0], [child.told for child in children]
    assert bakeoff("index", "verify", "--json").json["passages"] == 10
    assert len(document_index()) == 10


def test_a_reader_beside_a_writer_sees_each_source_whole(tiny: str, spawn: Spawn, where: str) -> None:
    index = Index("shared", tiny)
    index.sync([Passage("word of nobody", "own", (0, 14))])
    turns = "\n".join(write("a", tiny, 40 + turn % 2) for turn in range(6))
    writer = spawn(turns)
    seen: set[int] = set()
    while "a" not in index.sources():
        time.sleep(0.01)
    until = time.monotonic() + 1.5
    while time.monotonic() < until and len(seen) < 2:
        found = index.search(["word39 of a"], 50)[0]
        assert all(item.text and item.source in ("own", "a") for item in found)
        seen.add(len(found))
    assert writer.wait() == 0, writer.told
    assert seen <= {41, 42}
    assert len(index.search(["word39 of a"], 50)[0]) == 42


def test_a_writer_killed_in_the_middle_of_a_change_stops_nobody(tiny: str, spawn: Spawn) -> None:
    index = Index("shared", tiny)
    index.sync([Passage("the first", "own", (0, 9))])
    store = Store.current()
    code = f"""
import os, signal
from rag.store import Store
with Store.current().writing("murder"), Store.current().change({index.collection!r}):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert spawn(code).wait() == -9
    assert json.loads((store.folder / "changes.json").read_text())["count"] % 2
    started = time.monotonic()
    assert index.search(["first"], 1)[0][0].text == "the first"
    assert time.monotonic() - started < 2
    assert json.loads((store.folder / "changes.json").read_text())["count"] % 2 == 0


def test_who_holds_the_index_is_told(tiny: str, spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.WRITER_WAITS", 0.2)
    holder = spawn(
        "import time\nfrom rag.store import Store\nwith Store.current().writing('a long sync'): time.sleep(3)"
    )
    while "a long sync" not in Store.current()._changes()["writer"]:
        time.sleep(0.01)
    with pytest.raises(BakeoffError, match=rf"got 'a long sync' \(process {holder.pid}, since"):
        Index("shared", tiny).sync([Passage("mine", "own", (0, 4))])
    assert holder.wait() == 0
    Index("shared", tiny).sync([Passage("mine", "own", (0, 4))])


@pytest.fixture
def refusal() -> Iterator[Callable[[int], str]]:
    """A server that answers everything with one status; the address."""
    servers = []

    def serve(status: int) -> str:
        class Refusing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"no")

            def log_message(self, *arguments: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Refusing))
        Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "expected a token that"),
        (403, "CHROMA_TOKEN"),
        (404, "a Chroma server with api/v2"),
        (200, "update the server"),
    ],
)
def test_a_server_that_refuses_is_one_line(
    status: int, told: str, refusal: Callable[[int], str], setting: Setting, bakeoff: Run
) -> None:
    setting("BAKEOFF_CHROMA_URL", refusal(status))
    setting("BAKEOFF_CHROMA_TOKEN", "very-secret")
    outcome = bakeoff("index", "search", "anything")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
    assert told in outcome.err and "very-secret" not in outcome.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "127.0.0.1:8000", "http://me:secret@127.0.0.1:9"])
def test_an_address_without_a_server_is_one_line(url: str, setting: Setting, bakeoff: Run) -> None:
    setting("BAKEOFF_CHROMA_URL", url)
    outcome = bakeoff("index", "search", "anything")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
    assert "BAKEOFF_CHROMA_URL" in outcome.err and "secret" not in outcome.err


def test_a_broken_database_is_one_line(tiny: str, setting: Setting, bakeoff: Run) -> None:
    Index("shared", tiny).sync([Passage("the first", "own", (0, 9))])
    folder = Store.current().folder
    (folder / "chroma.sqlite3").write_bytes(b"no database" * 5000)
    (folder / "changes.json").unlink()  # as if another process had made it so
    outcome = bakeoff("index", "status")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
    assert "delete that folder" in outcome.err


def test_vectors_of_another_dimension_are_refused(tiny: str) -> None:
    Index("shared", tiny, "shared-one").sync([Passage("the first", "own", (0, 9))])
    with pytest.raises(BakeoffError, match="vectors of the index's 64 dimensions"):
        Index("shared", "embedded:minilm", "shared-one").search(["first"], 1)


FULL_DISK = """
import ctypes, os, subprocess, sys
from pathlib import Path
import cli

own = os.getuid(), os.getgid()
assert not ctypes.CDLL(None).unshare(0x10000000 | 0x00020000)  # CLONE_NEWUSER, CLONE_NEWNS
Path("/proc/self/setgroups").write_text("deny")
for name, number in zip(("uid_map", "gid_map"), own):
    Path("/proc/self", name).write_text(f"0 {number} 1")
Path("disk").mkdir()
for mount in ("--make-rprivate /", "-t tmpfs -o size=12m tmpfs disk"):
    subprocess.run(["mount", *mount.split()], check=True)

def bakeoff(*arguments):
    sys.argv = ["bakeoff", "index", *arguments]
    try:
        cli.main()
    except SystemExit as leaving:
        print("exit code", leaving.code, flush=True)

bakeoff("add", "texts/0.txt")
with open("disk/filler", "wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        filler.truncate(filler.tell() - 60_000)  # the sync shall begin
bakeoff("add", "texts")
Path("disk/filler").unlink()
bakeoff("sync")
bakeoff("verify")
"""


def test_a_full_disk_is_one_line_and_loses_nothing(tiny: str, tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "texts").mkdir()
    for number in range(30):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"This is text {number}. " * 30)
    child = spawn(FULL_DISK, BAKEOFF_HOME="disk", BAKEOFF_EMBEDDINGS=tiny)
    assert child.wait() == 0, child.told
    assert child.told.count("exit code 1") == 1, child.told
    assert child.told.count("bakeoff: expected room on the disk") == 1 and "Traceback" not in child.told
    assert "as its sources say: 30 passages of 30 sources" in child.told, child.told
