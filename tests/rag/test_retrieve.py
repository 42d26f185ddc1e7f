"""Search: by meaning, by words, by both, reranked, varied, filtered, and silent where nothing is near."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from lab.embeddings import Embedder, model_folder
from lab.errors import BakeoffError
from rag import Index, document_index
from rag.lexical import Lexical, words
from rag.passages import Evidence, Passage, Within
from rag.rerank import EMBEDDED, RERANKED, CrossEncoding, LateInteraction, Reranker
from rag.retrieve import QUESTIONS, Retriever, fuse, search_documents
from tests.conftest import Outcome
from tests.rag.conftest import Spawn

Run = Callable[..., Outcome]

TEXTS = {
    "fees.md": "A refund of the fee takes fourteen days.",
    "birds.md": "Penguins live in the southern hemisphere.",
    "part.md": "Order the spare part QX-7731 from the depot in Lyon.",
    "coffee.md": "The café opens at nine and sells croissants.",
    "tea.md": "The tea room opens at ten and sells scones.",
}


@pytest.fixture
def index() -> Index:
    """Five short documents."""
    made = document_index()
    made.sync(Passage(text, source, (0, len(text)), "", f"place of {source}") for source, text in TEXTS.items())
    return made


def test_each_way_of_searching_finds_what_it_should(where: str, index: Index) -> None:
    question = "Where do animals that swim under the ice dwell?"
    assert _sources(Retriever.over(index, "dense").search([question], 1)[0]) == ["birds.md"]
    assert Retriever.over(index, "bm25").search(["qx 7731"], 3)[0][0].source == "part.md"
    fused = Retriever.over(index, "fused").search([question, "qx 7731"], 2)
    assert [row[0].source for row in fused] == ["birds.md", "part.md"]


def test_scores_are_cosine_similarities_whatever_ranks_the_passages(index: Index) -> None:
    queries = ["the café in Lyon", "refund of a fee", "penguins"]
    nearest = {item.source: item.score for item in index.search(queries[:1], 5)[0]}
    for how in ("dense", "bm25", "fused"):
        for item in Retriever.over(index, how).search(queries, 4)[0]:
            assert item.score == pytest.approx(nearest[item.source], abs=1e-5)
            assert item.place == f"place of {item.source}"


def test_nothing_is_found_where_the_best_passage_is_too_far_away(index: Index) -> None:
    for how in ("dense", "bm25", "fused"):
        retriever = Retriever.over(index, how, min_score=0.45)
        far, near = retriever.search(["the orbit of the moons of Neptune", "how long does a refund take"], 2)
        assert far == []
        assert near[0].source == "fees.md"
    assert search_documents("the orbit of the moons of Neptune", min_score=0.45) == []
    assert search_documents("how long does a refund take", 1)[0].source == "fees.md"


def test_filters_hold_for_every_way_of_searching(where: str, index: Index) -> None:
    only = Within(source="tea.md")
    for how in ("dense", "bm25", "fused"):
        found = Retriever.over(index, how).search(["the café that opens at nine"], 5, only)
        assert _sources(found[0]) == ["tea.md"]


def test_varied_passages_are_less_alike(index: Index) -> None:
    query = ["opens at nine and sells croissants"]
    assert _sources(Retriever.over(index, "fused").search(query, 2)[0]) == ["coffee.md", "tea.md"]
    varied = _sources(Retriever.over(index, "fused", diversity=0.9).search(query, 2)[0])
    assert varied[0] == "coffee.md"
    assert varied[1] != "tea.md"


def test_a_passage_that_has_just_left_the_index_does_not_stop_a_varied_search(index: Index) -> None:
    before = Retriever.over(index, "fused", diversity=0.9)
    gone = next(passage for passage in index.passages() if passage.source == "tea.md")
    found = before._candidates(["tea room"], index.embedder.embed(["tea room"]), 5, None)[0]
    with index.store.writing("test"):
        index.remove([gone.id])
    assert gone.source in _sources(found)
    assert sorted(_sources(before._varied(index.embedder.embed(["tea room"])[0], found, 5))) == sorted(
        TEXTS.keys() - {"tea.md"}
    )


def test_the_command_is_silent_where_nothing_is_near_and_shows_it_when_asked(index: Index, bakeoff: Run) -> None:
    far = ("index", "search", "the orbit of the moons of Neptune")
    silent = bakeoff(*far)
    assert (silent.code, silent.out) == (0, "") and "nothing relevant was found" in silent.err
    assert bakeoff(*far, "--json").json == []
    assert len(bakeoff(*far, "--min-score", "-1", "--json").json) == 4
    near = ("index", "search", "opens at nine and sells croissants", "-k", "2", "--json")
    assert [item["source"] for item in bakeoff(*near).json] == ["coffee.md", "tea.md"]
    assert bakeoff(*near, "--diversity", "0.9").json[1]["source"] != "tea.md"


def test_words_are_compared_without_case_and_accents() -> None:
    assert words("The CAFÉ's Straße, bakeoff_home 3×ﬁ!") == ["the", "cafe", "s", "strasse", "bakeoff_home", "3", "fi"]
    lexical = Lexical([Passage(text, source, (0, 1)) for source, text in TEXTS.items()])
    assert _sources(lexical.search(["CAFE"], 5)[0]) == ["coffee.md"]
    assert lexical.search(["?!", "unheard"], 5) == [[], []], "no word, no passage"


def test_a_passage_that_holds_but_common_words_is_not_found_by_words() -> None:
    lexical = Lexical([Passage(text, source, (0, 1)) for source, text in TEXTS.items()])
    query = ["the quarterly sales of the newest telescopes"]
    assert _sources(lexical.search(query, 5)[0]), "they share 'the' and 'of'"
    assert lexical.search(query, 5, least_share=0.2) == [[]]
    assert _sources(lexical.search(["spare part from Lyon"], 5, least_share=0.2)[0]) == ["part.md"]


def test_the_index_of_words_is_kept_on_disk_until_the_passages_change(index: Index, workspace: Path) -> None:
    first = Lexical.of(index)
    assert Lexical.of(index) is first, "a process opens it once"
    kept = list((workspace / "bm25" / "documents").iterdir())
    assert [folder.name for folder in kept] == [index.stamp]
    assert not [path for path in kept[0].iterdir() if path.suffix in (".pkl", ".pickle")]
    before = (kept[0] / "vocab.index.json").stat().st_mtime_ns
    code = (
        "from rag import document_index; from rag.lexical import Lexical;"
        "print(Lexical.of(document_index()).search(['cafe'], 1)[0][0].source)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_here())
    assert told.stdout.strip() == "coffee.md", told.stderr
    assert (kept[0] / "vocab.index.json").stat().st_mtime_ns == before, "another process reads it and builds nothing"
    index.sync([Passage("A lighthouse stands here.", "new.md", (0, 25))])
    assert Lexical.of(index).search(["lighthouse", "cafe"], 3)[1] == []
    assert [folder.name for folder in (workspace / "bm25" / "documents").iterdir()] == [index.stamp], "the old one went"


def test_a_filter_of_the_index_on_disk_admits_what_the_passages_would(index: Index) -> None:
    more = [Passage(f"The café number {n}.", f"notes/{n % 7}.md", (0, 1), "ab"[n % 2], f"row {n}") for n in range(40)]
    index.sync(more)
    for within in (Within("notes/3.md"), Within("[12].md", "a"), Within(label="b"), Within("absent"), Within()):
        found = Lexical.of(index).search(["cafe"], 99, within)[0]
        assert sorted(item.id for item in found) == sorted(one.id for one in more if within.admits(one))


class Leisurely(mmap):
    """A memory-mapped file that lets other threads go on between a seek and the reading after it."""

    def seek(self, *where: Any) -> None:
        super().seek(*where)
        time.sleep(1e-4)


def test_threads_that_share_an_index_of_words_read_whole_passages(tmp_path: Path) -> None:
    passages = [Passage(f"word{n} " + "tea " * (n % 50), f"{n}.md", (n, n + 1)) for n in range(100)]
    Lexical(passages)._save(tmp_path)
    lexical = Lexical._opened(tmp_path)
    lexical._rows.mmap_obj = Leisurely(lexical._rows.file_obj.fileno(), 0, access=ACCESS_READ)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [lexical._passage(row) for row in range(len(passages))], range(4)))
    assert all(each == passages for each in found)


def test_threads_open_an_index_of_words_once(index: Index) -> None:
    start = Barrier(6)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: start.wait() * 0 or Lexical.of(index), range(6)))
    assert all(one is found[0] for one in found)


BUILDING = """
import time
from rag import document_index
from rag.lexical import Lexical
save = Lexical._save
def slowly(self, folder):
    print("built")
    save(self, folder)
    time.sleep(1)
Lexical._save = slowly
print(Lexical.of(document_index()).search(["cafe"], 1)[0][0].source)
"""


def test_processes_build_an_index_of_words_once(index: Index, spawn: Spawn) -> None:
    children = [spawn(BUILDING) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0], [child.told for child in children]
    told = [child.told.split() for child in children]
    assert [lines[-1] for lines in told] == ["coffee.md"] * 2
    assert sum(lines.count("built") for lines in told) == 1


def test_an_empty_index_finds_nothing_in_any_way() -> None:
    empty = Index("empty", Embedder.load())
    for how in ("dense", "bm25", "fused"):
        assert Retriever.over(empty, how).search(["anything"], 3) == [[]]
    assert Retriever.over(empty).search([], 3) == []


def test_ranks_by_words_weigh_a_little_more() -> None:
    a, b = (Evidence(text, f"{text}.md", (0, 1), 0.5) for text in "ab")
    assert _sources(fuse([[a, b], [b, a]], QUESTIONS.weights)) == ["b.md", "a.md"]
    assert _sources(fuse([[a, b], [b, a]])) == ["a.md", "b.md"], "a tie goes to the first ranking"


def test_late_interaction_ranks_anew_and_leaves_the_rest(index: Index) -> None:
    reranker = Reranker.load(EMBEDDED)
    assert isinstance(reranker, LateInteraction)
    texts = [TEXTS["tea.md"], TEXTS["fees.md"]]
    points = reranker.points("how many days until I get my refund", texts)
    assert points[1] > points[0]
    assert reranker.points(TEXTS["tea.md"], texts)[0] == pytest.approx(1, abs=1e-3), "each token finds itself"
    many = [Evidence(TEXTS["tea.md"], f"{n}.md", (0, 1), 0.1) for n in range(RERANKED)]
    last = Evidence(TEXTS["fees.md"], "late.md", (0, 1), 0.1)
    assert reranker.rank(["refund"], [[*many, last]])[0][-1] == last, "behind the candidates that are reranked"
    assert reranker.rank(["refund"], [[*many[1:], last]])[0][0] == last


def test_any_cross_encoder_in_a_folder_reranks(index: Index, cross_encoder: Path) -> None:
    retriever = Retriever.over(index, "dense", reranker=Reranker.load(str(cross_encoder)))
    found = retriever.search(["which drink?", "which bird?"], 2)
    assert [row[0].source for row in found] == ["tea.md", "birds.md"]


def test_a_cross_encoder_that_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match="a cross-encoder 'nobody/nothing' in safetensors"):
        CrossEncoding("nobody/nothing")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that prefers tea for drinks and penguins for birds, trained in seconds on the embedded MiniLM."""
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(0)
    model = CrossEncoder(model_folder(EMBEDDED), num_labels=1, device="cpu")
    right = {"which drink?": "tea.md", "which bird?": "birds.md"}
    pairs = [[question, text] for question in right for text in TEXTS.values()]
    targets = torch.tensor([float(TEXTS[right[question]] == text) for question, text in pairs])
    network = model.model if hasattr(model, "model") else model[0].auto_model
    batch = model.tokenizer([pair[0] for pair in pairs], [pair[1] for pair in pairs], padding=True, return_tensors="pt")
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-4)
    for _ in range(12):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(**batch).logits[:, 0], targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("cross-encoder")
    model.save_pretrained(str(folder), safe_serialization=True)
    return folder


def _sources(found: list[Evidence]) -> list[str]:
    return [item.source for item in found]


def _here() -> dict[str, str]:
    """Return the environment with the checkout's modules, for a process in the test's folder."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
