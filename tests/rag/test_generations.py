"""Another embedding model: built beside the index that answers, switched to at once, and back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rag import document_index
from rag.store import Store
from rag.sync import add
from tests.conftest import Outcome
from tests.rag.conftest import Spawn

Run = Callable[..., Outcome]
Setting = Callable[[str, str], None]
MINILM = "embedded:minilm"


@pytest.fixture
def notes(tmp_path: Path, tiny: str, setting: Setting, where: str) -> Path:
    """A folder of five short documents, in an index with the small model."""
    setting("BAKEOFF_EMBEDDINGS", tiny)
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"This is text {number}.")
    add([str(folder)])
    return folder


def test_another_model_takes_over_and_hands_back(notes: Path, tiny: str, bakeoff: Run, setting: Setting) -> None:
    before = set(document_index().passages())
    built = bakeoff("index", "rebuild", "--embeddings", MINILM, "--json").json
    assert (built["embedded"], built["kept"]) == (5, 0)
    status = bakeoff("index", "status", "--json").json
    assert (status["embeddings"], status["dimension"], status["passages"]) == (MINILM, 384, 5)
    assert set(document_index().passages()) == before
    assert bakeoff("index", "search", "text 3", "-k", "1", "--json").json[0]["text"] == "This is text 3."
    (notes / "3.txt").write_text("This is another text.")
    assert bakeoff("index", "sync", "--json").json["added"] == 1
    back = bakeoff("index", "switch", "--json").json
    assert (back["embeddings"], back["added"]) == (tiny, 1)
    assert "This is another text." in {passage.text for passage in document_index().passages()}
    assert bakeoff("index", "verify").code == 0
    assert len(bakeoff("index", "prune", "--json").json["deleted"]) == 1
    assert "expected an earlier index; got none" in bakeoff("index", "switch").err
    assert len(document_index()) == 5


def test_the_index_keeps_its_model_whatever_the_settings_say(notes: Path, tiny: str, setting: Setting) -> None:
    setting("BAKEOFF_EMBEDDINGS", MINILM)
    assert document_index().embeddings == tiny
    (notes / "new.txt").write_text("This is new.")
    assert add([str(notes)]).added == 1
    assert document_index().search(["This is new."], 1)[0][0].text == "This is new."


KILLED = """
import os, signal
from rag import rebuild, index, ledger
rebuild.BATCH = 2
owner = {"Index": index.Index, "Ledger": ledger.Ledger}[OWNER]
original, calls = getattr(owner, METHOD), 0
def method(*arguments, **named):
    global calls
    calls += 1
    if calls >= NUMBER:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)
setattr(owner, METHOD, method)
rebuild.rebuild("embedded:minilm")
"""


@pytest.mark.parametrize(
    ("owner", "method", "number", "kept"),
    [("Index", "add", 2, 2), ("Ledger", "inherit", 1, 5), ("Ledger", "activate", 1, 5)],
)
def test_a_killed_rebuild_leaves_the_old_index_answering_and_goes_on(
    owner: str, method: str, number: int, kept: int, notes: Path, tiny: str, spawn: Spawn, bakeoff: Run
) -> None:
    code = KILLED.replace("OWNER", repr(owner)).replace("METHOD", repr(method)).replace("NUMBER", str(number))
    child = spawn(code)
    assert child.wait() == -9, child.told
    assert document_index().embeddings == tiny
    assert document_index().search(["This is text 3."], 1)[0][0].text == "This is text 3."
    (notes / "3.txt").unlink()
    assert bakeoff("index", "sync", "--json").json["removed"] == 1
    built = bakeoff("index", "rebuild", "--embeddings", MINILM, "--json").json
    assert built["embedded"] + built["kept"] == len(document_index()) == 4
    assert built["kept"] >= kept - 1
    assert document_index().embeddings == MINILM
    assert bakeoff("index", "verify").code == 0


def test_a_model_that_is_not_there_changes_nothing(notes: Path, tiny: str, bakeoff: Run) -> None:
    outcome = bakeoff("index", "rebuild", "--embeddings", "nobody/nothing")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert document_index().embeddings == tiny
    assert len([name for name in Store.current().names() if name == document_index().collection]) == 1
