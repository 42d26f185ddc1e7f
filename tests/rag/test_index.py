"""The index tells the truth about its passages, whatever happened before."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.embeddings import Embedder
from lab.errors import BakeoffError
from rag import Index, Within
from rag.documents import load_passages
from rag.generations import document_index
from rag.passages import Passage
from rag.sync import add_documents
from tests.conftest import Outcome

PASSAGES = [
    Passage("The warm-up raises the learning rate slowly.", "a.md", (0, 44)),
    Passage("Penguins live in the southern hemisphere.", "a.md", (44, 85)),
    Passage("The invoice is due within thirty days.", "b.md", (0, 38)),
]


@pytest.fixture
def index() -> Index:
    """An empty index."""
    return Index("test", Embedder.load())


def test_search_finds_what_is_nearest_with_its_place(index: Index) -> None:
    index.sync(PASSAGES)
    best, second = index.search(["Where do penguins live?"], 2)[0]
    assert (best.text, best.source, best.span) == (PASSAGES[1].text, "a.md", (44, 85))
    assert 1 >= best.score > second.score


def test_of_equally_near_passages_the_first_ids_are_found_in_whatever_order_they_came() -> None:
    text = "Penguins live in the southern hemisphere."
    copies = [Passage(text.upper() if n % 2 else text, f"{n}.md", (0, 41)) for n in range(9)]  # one to the embedder
    found = []
    for name, order in (("forth", copies), ("back", copies[::-1])):
        index = Index(name, Embedder.load())
        index.sync([PASSAGES[0], *order])
        found.append([one.id for one in index.search(["Where do penguins live?"], 2)[0]])
        assert found[-1] == sorted(one.id for one in index.search(["Where do penguins live?"], 9)[0])[:2]
    assert found[0] == found[1]


def test_a_sync_adds_replaces_removes_and_leaves_the_same_alone(index: Index) -> None:
    assert index.sync(PASSAGES).added == 3
    again = index.sync(PASSAGES)
    assert (again.added, again.removed, again.unchanged) == (0, 0, 3)
    changed = [PASSAGES[0], Passage("Penguins are birds.", "a.md", (44, 63))]
    done = index.sync(changed, sources={"a.md"})
    assert (done.added, done.removed, done.unchanged) == (1, 1, 1)
    assert len(index) == 3
    assert index.sync(PASSAGES[:1]).removed == 2


def test_an_empty_index_finds_nothing(index: Index) -> None:
    assert index.search(["anything"], 3) == [[]]


def test_each_embedding_model_has_an_index_of_its_own(index: Index, tmp_path: Path) -> None:
    index.sync(PASSAGES)
    other = Embedder.__new__(Embedder)
    other.__dict__ |= {**index.embedder.__dict__, "name": "another"}
    assert len(Index("test", other)) == 0


def test_vectors_have_length_one() -> None:
    vectors = Embedder.load().embed(["one", "two words"])
    assert vectors.shape == (2, 384)
    assert (vectors**2).sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_an_embedding_model_that_is_not_there_is_one_line() -> None:
    with pytest.raises(BakeoffError, match="an embedding model 'nobody/nothing'"):
        Embedder("nobody/nothing")


def test_spans_point_back_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.md"
    path.write_text("# One\n\n" + "A sentence about tea. " * 60 + "\n\n## Two\n\n" + "A sentence about coffee. " * 60)
    text, passages = path.read_text(), list(load_passages(path))
    assert len(passages) > 3
    assert all(text[slice(*passage.span)] == passage.text for passage in passages)


def test_documents_come_and_change(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# Refunds\n\nWe refund within 14 days.")
    (folder / "b.txt").write_text("The office opens at nine.")
    (folder / "c.bin").write_bytes(b"\x00")
    assert add_documents(folder).added == 2
    (folder / "a.md").write_text("# Refunds\n\nWe refund within 30 days.")
    done = add_documents(folder)
    assert (done.added, done.removed, done.unchanged) == (1, 1, 1)
    assert "30 days" in document_index().search(["refund period"], 1)[0][0].text


@pytest.mark.parametrize("name", ["absent", "junk"])
def test_nothing_to_index_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "junk").mkdir()
    with pytest.raises(BakeoffError):
        add_documents(tmp_path / name)


def test_a_document_that_is_not_text_is_named(bakeoff: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "x.md").write_bytes(b"caf\xe9")
    outcome = bakeoff("index", "add", "x.md")
    assert outcome.code == 1
    assert re.search(r"skipped .*x\.md: .*UTF-8 text: the byte 0xe9 at 3", outcome.err)


def test_nothing_is_no_query_and_a_span_that_ends_before_it_begins_no_citation(bakeoff: Callable[..., Outcome]) -> None:
    assert "expected something to look for; got nothing" in bakeoff("index", "search", " ").err
    Path("notes.md").write_text("Kettles are blue.")
    told = bakeoff("index", "show", "notes.md:12-3")
    assert (told.code, "expected a passage's id, or SOURCE:START-END" in told.err) == (1, True)


def test_the_commands_add_search_and_show(bakeoff: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "handbook.md").write_text("# Steps\n\nWarm-up steps raise the rate slowly.\n\n# Tea\n\nTea is hot.")
    assert "index add" in bakeoff("index", "status").err
    assert "index is empty" in bakeoff("index", "search", "warm-up").err
    added = bakeoff("index", "add", "handbook.md", "--json")
    assert added.json["added"] == 2
    assert bakeoff("index", "add", "handbook.md", "--json").json["added"] == 0
    found = bakeoff("index", "search", "warm-up steps", "-k", "2", "--json").json
    assert [item["n"] for item in found] == [1, 2]
    shown = bakeoff("index", "show", found[0]["id"], "--json").json
    assert shown["text"] == found[0]["text"] and "Tea is hot." in shown["after"]
    span = "{}-{}".format(*found[0]["span"])
    assert bakeoff("index", "show", f"handbook.md:{span}", "--json").json["text"] == shown["text"]
    status = bakeoff("index", "status", "--json").json
    assert (status["passages"], status["dimension"], status["inconsistent"]) == (2, 384, [])
    assert bakeoff("index", "verify", "--json").json["ok"]
    for command in ("search tea", "status", "verify", f"show {found[0]['id']}"):
        assert bakeoff("index", *command.split()).code == 0


@pytest.mark.parametrize(
    ("within", "sources"),
    [
        (Within("b.md"), {"b.md"}),
        (Within("?.md", "due"), {"b.md"}),
        (Within(label="due"), {"b.md"}),
        (Within("c"), set()),
    ],
)
def test_a_search_stays_within_what_it_is_told(where: str, index: Index, within: Within, sources: set[str]) -> None:
    index.sync([*PASSAGES, Passage("Pay the invoice.", "b.md", (39, 55), "due")])
    found = index.search(["penguins"], 9, within)[0]
    assert {item.source for item in found} == sources
    assert all(within.admits(item) for item in found)


def test_a_passage_that_moved_keeps_its_id_and_twins_are_told_apart(index: Index) -> None:
    index.sync([Passage("Tea.", "a", (0, 4)), Passage("Tea.", "a", (5, 9), place="line 2")])
    assert len(index) == 2 and {passage.span for passage in index.passages()} == {(0, 4), (5, 9)}
    assert {passage.id for passage in index.passages()} == {item.id for item in index.search(["tea"], 2)[0]}


def test_the_stamp_changes_with_the_index(index: Index) -> None:
    before = index.stamp
    index.sync(PASSAGES)
    assert index.stamp not in (before, None)
    assert index.stamp == Index("test", index.embedder).stamp
