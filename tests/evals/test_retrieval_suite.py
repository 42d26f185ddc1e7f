"""The suite retrieval: marks that hold, paraphrases that share no word, figures that can be checked by hand."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from evals.documents import ACCEPTED, load_questions
from evals.records import Record
from evals.scenarios import Plan, grader_of, kind_of
from evals.scenarios.knowledge import NO_ANSWER, RIGHT, WRONG
from evals.scenarios.retrieval import ndcg, rank
from evals.suite import Suite, load_suite
from lab.errors import BakeoffError
from tests.conftest import Outcome

# scikit-learn's list lacks forms of some auxiliaries and of the plainest verbs
MORE = "does did doing having called calls used use uses using make makes got gets given takes taken let"
MORE += " anybody everybody somebody away far hardly just like quite way"
STOP_WORDS = ENGLISH_STOP_WORDS.union(MORE.split())
ENDING = re.compile("(ations?|ingly|ments?|ness|ings?|edly|ies|ied|ers?|ed|es|ly|s|y|e)$")

SUITE = """name: harbour
kind: retrieval
dataset: asked.csv
text_column: question
label_column: passage
documents: [notes]
reference: fused
latency_sample: 1
arms: [{approach: dense}, {approach: bm25}, {approach: fused}, {approach: reranked}]
"""
NOTES = {
    "ferry.md": "# The ferry\n\nThe ferry to Tarn leaves at 7:40 from the north pier.",
    "mill.md": "# The mill\n\nThe mill at Ost was built in 1712\nby Henrike Vale.",
    "bees.md": "# Bees\n\nThe bees of Lund are looked after by Pavel Stone.",
}
ASKED = """question,passage,source
When does the ferry to Tarn leave?,leaves at 7:40,ferry.md
From which pier does the ferry leave?,from the north pier,ferry.md
Who built the mill at Ost?,built in 1712 by Henrike Vale,mill.md
Since when has there been a mill?,1712,
Who looks after the bees of Lund?,Pavel Stone,bees.md
Which beekeeper lives in Lund?,Pavel Stone,bees.md
How many moons has the planet Zyx?,,
Which queen invented the umbrella?,,
What is the phone number of the zoo?,,
"""


@pytest.fixture(scope="module")
def built_in() -> Plan:
    """The plan of the suite that comes with Bakeoff: all passages, and the questions with their marks."""
    plan: Plan = kind_of("retrieval").plan(load_suite("retrieval"), None)
    return plan


@pytest.fixture
def harbour() -> Suite:
    """Three notes and nine questions, as a user would bring them."""
    Path("notes").mkdir()
    for name, text in NOTES.items():
        (Path("notes") / name).write_text(text, encoding="utf-8")
    Path("asked.csv").write_text(ASKED, encoding="utf-8")
    Path("harbour.yaml").write_text(SUITE, encoding="utf-8")
    return load_suite("harbour.yaml")


def test_every_marked_phrase_stands_in_a_passage_and_no_question_is_asked_twice(built_in: Plan) -> None:
    scenario = built_in.scenarios[0]
    tests = scenario.steps[0].tests
    asked = [*scenario.validation.examples, *(example for test in tests.values() for example in test.examples)]
    assert len(scenario.steps[0].new) > 10_033
    assert len({question.text for question in asked}) == len(asked)
    assert sum(bool(question.label) for question in asked) >= 150
    assert len(tests["unanswerable"]) >= 20
    ids = {passage.id for passage in scenario.steps[0].new.examples}
    assert len(ids) == len(scenario.steps[0].new)
    assert all(mark in ids for question in asked if question.label for mark in question.label.split(ACCEPTED))


def test_a_third_is_paraphrased_and_shares_no_content_word_with_its_passages(built_in: Plan) -> None:
    kinds = load_questions(load_suite("retrieval"))
    paraphrased = [one.text for kind, own in kinds.items() if kind.endswith("paraphrased") for one in own.examples]
    assert len(paraphrased) >= sum(len(own) for kind, own in kinds.items() if kind != "unanswerable") / 3
    scenario = built_in.scenarios[0]
    texts = {passage.id: passage.text for passage in scenario.steps[0].new.examples}
    marked = {
        question.text: question.label.split(ACCEPTED)
        for part in (scenario.validation, *scenario.steps[0].tests.values())
        for question in part.examples
        if question.label
    }
    shared = {
        question: stems & _stems(texts[mark])
        for question in paraphrased
        for mark in marked[question]
        if (stems := _stems(question)) & _stems(texts[mark])
    }
    assert not shared
    assert _stems("The builders built boats") == {"build", "built", "boat"}


def test_the_first_marked_passage_counts(harbour: Suite) -> None:
    first, third, lost = (_record("a | b", ["a", "c"]), _record("a | b", ["x", "y", "b", "a"]), _record("a", ["x"]))
    assert [rank(record) for record in (first, third, lost)] == [1, 3, float("inf")]
    assert [ndcg(record) for record in (first, third, lost)] == [1, 0.5, 0]
    grade = grader_of("retrieval")
    told = [first, third, _record("a", ["a"], label=""), _record("", ["a"], label=""), _record("", ["a"])]
    assert [grade(record).label for record in told] == [RIGHT, WRONG, NO_ANSWER, NO_ANSWER, WRONG]
    assert [grade(record).correct for record in told] == [True, False, False, True, False]


def test_findings_tell_known_figures_for_planted_answers(harbour: Suite) -> None:
    found = {"fused": [["a"], ["x", "a"], ["a"], ["x"]], "dense": [["x", "a"], ["x", "a"], ["x"], ["x"]]}
    records = [
        _record(target, evidence, f"#{n}", arm, "" if n == 3 else evidence[0])
        for arm, own in found.items()
        for n, (target, evidence) in enumerate(zip(["a", "a", "a", ""], own, strict=True))
    ]
    table, duels, silence = kind_of("retrieval").findings(harbour, records, {})
    rows = {row["arm"]: row for row in table.data["found"] if row["questions"] == "all"}
    assert [rows["fused"][name]["value"] for name in ("recall@1", "recall@5", "mrr")] == pytest.approx(
        [2 / 3, 1, 5 / 6]
    )
    assert rows["dense"]["ndcg@10"]["value"] == pytest.approx(2 * 0.63093 / 3, abs=1e-4)
    assert duels.data["duels"][0]["difference"] == pytest.approx((1 - 0.63093 + 1) / 3, abs=1e-4)
    assert duels.data["duels"][0]["p_value"] == 0.5, "two questions differ, both in favour: 2 of 4 signs"
    assert [silence.data["silence"][0][name]["value"] for name in ("rightly", "falsely")] == [1, 0]


def test_a_mark_is_a_phrase_wherever_the_document_is_cut(harbour: Suite) -> None:
    scenario = kind_of("retrieval").plan(harbour, None).scenarios[0]
    parts = (scenario.validation, *scenario.steps[0].tests.values())
    marks = {question.text: question.label for part in parts for question in part.examples}
    assert marks["Who built the mill at Ost?"] == "notes/mill.md#0", "a line break in the document does not matter"
    assert marks["Since when has there been a mill?"] == "notes/mill.md#0", "without a source all documents count"
    assert marks["How many moons has the planet Zyx?"] == ""
    Path("asked.csv").write_text(ASKED.replace("Pavel Stone", "Paul Stone"), encoding="utf-8")
    with pytest.raises(BakeoffError, match=r"'Paul Stone' in bees\.md; got no passage"):
        kind_of("retrieval").plan(harbour, None)


def test_own_questions_run_from_the_command_line_and_go_on(harbour: Suite, bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("eval", "harbour.yaml", "--json")
    assert told.code == 0, told.err
    results = {row["approach"]: row for row in told.json["results"]}
    assert {name: (row["n"], row["failures"]) for name, row in results.items()} == dict.fromkeys(
        ("dense", "bm25", "fused", "reranked"), (6, 0)
    )
    assert told.json["findings"][0]["data"]["found"][0]["recall@5"]["value"] == 1
    again = bakeoff("eval", "harbour.yaml", "--json")
    assert again.json["run_id"] == told.json["run_id"]
    assert "all 6 answers are there" in again.err
    own = bakeoff("eval", "--data", "asked.csv", "--documents", "notes", "--estimate")
    assert "the columns question and passage ask for the suite retrieval" in own.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("approach: bm25", "approach: finetuned"), "finetuned answers no questions of kind retrieval"),
        (("approach: bm25", "approach: bm25, reranker: x"), "bm25 does not read reranker"),
        (("kind: retrieval", "kind: static"), "reads no documents"),
        (("documents: [notes]", "documents: []"), "a suite of kind retrieval needs documents"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(harbour: Suite, change: tuple[str, str], told: str) -> None:
    Path("wrong.yaml").write_text(SUITE.replace(*change), encoding="utf-8")
    with pytest.raises(BakeoffError) as wrong:
        load_suite("wrong.yaml")
    assert told in str(wrong.value)


def test_the_questions_are_one_json_object_a_line() -> None:
    path = Path(__file__).parents[2] / "evals" / "suites" / "retrieval.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {tuple(row) for row in rows} == {("question", "source", "passage", "wording")}


def _stems(text: str) -> set[str]:
    """Return the content words of a text, without the commonest endings."""
    return {_stem(word) for word in re.findall(r"[^\W_]+", text.lower()) if word not in STOP_WORDS and len(word) > 1}


def _stem(word: str) -> str:
    bare = ENDING.sub("", word)
    return bare if len(bare) > 2 else word


def _record(
    target: str, evidence: list[str], example: str = "#1", arm: str = "fused", label: str | None = None
) -> Record:
    label = evidence[0] if label is None else label
    return Record(
        arm, example, "?", target, label, None, {}, evidence, 0, 0.1, test="answerable" if target else "unanswerable"
    )
