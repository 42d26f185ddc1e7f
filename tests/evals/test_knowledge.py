"""Questions over documents: graded as SQuAD does, answered by real arms, split fairly, refused where they are wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evals import run_suite
from evals.answers import Answers
from evals.approaches import build_approach
from evals.approaches.answering import NearestSentence, OpenBook, best_threshold, sentences
from evals.documents import ACCEPTED, load_documents, load_questions, sources_of
from evals.grading import CITED, is_exact, is_right, normalised, states, token_f1
from evals.leakage import find_leaks
from evals.records import Record
from evals.scenarios import grader_of, kind_of
from evals.scenarios.knowledge import NO_ANSWER, RIGHT, WRONG
from evals.suite import Suite, load_suite
from lab.datasets import Dataset, Example
from lab.errors import BakeoffError
from lab.llm import BaseLLM, resolve_llm
from tests.conftest import Outcome
from tests.world.openai import MODEL, OpenAIServer
from tests.world.scripted import ScriptedServer, says
from tests.world.server import Answer

NOTES = {
    "ferry.md": "# The ferry\n\nThe ferry to Tarn leaves at 7:40 from the north pier. A bicycle costs three crowns.",
    "mill.md": "# The mill\n\nThe mill at Ost was built in 1712 by Henrike Vale. It grinds rye on Thursdays.",
    "bees.md": "# Bees\n\nThe bees of Lund are looked after by Pavel Stone. Their honey is sold at the market.",
}
ASKED = """question,answer,source
When does the ferry to Tarn leave?,7:40,ferry.md
From which pier does the ferry to Tarn leave?,north pier|the north,ferry.md
What does a bicycle cost on the ferry?,three crowns|3 crowns,ferry.md
Who built the mill at Ost?,Henrike Vale|Vale,mill.md
In which year was the mill at Ost built?,1712,mill.md
What does the mill grind on Thursdays?,rye,mill.md
Who looks after the bees of Lund?,Pavel Stone|Stone,bees.md
Where is the honey of the bees sold?,market|the market,bees.md
,lost,bees.md
How many moons has the planet Zyx?,,
Which queen invented the umbrella of glass?,,
What is the phone number of the library in Rome?,,
"""
SUITE = """name: village
kind: knowledge
dataset: asked.csv
text_column: question
label_column: answer
documents: [notes]
reference: rag
test_limit: 3
latency_sample: 1
arms: [{approach: closed_book}, {approach: knn, k: 2}, {approach: rag, k: 2}]
"""


@pytest.fixture
def village() -> Suite:
    """Three notes and eleven questions, as a user would bring them."""
    Path("notes").mkdir()
    for name, text in NOTES.items():
        (Path("notes") / name).write_text(text, encoding="utf-8")
    Path("asked.csv").write_text(ASKED, encoding="utf-8")
    Path("village.yaml").write_text(SUITE, encoding="utf-8")
    return load_suite("village.yaml")


def test_every_question_of_the_suite_is_answered_by_the_documents_it_names_and_not_by_itself() -> None:
    suite = load_suite("knowledge")
    kinds = load_questions(suite)
    assert {kind: len(own) for kind, own in kinds.items()} == {"handbook": 60, "wikipedia": 60, "unanswerable": 30}
    questions = [question for own in kinds.values() for question in own.examples]
    documents: dict[str, str] = {}
    for passage in load_documents(suite, Dataset("all", tuple(questions))).examples:
        documents[passage.source] = f"{documents.get(passage.source, '')}\n{passage.text}"
    assert len(documents) > 240
    for question in questions:
        accepted = question.label.split(ACCEPTED) if question.label else []
        assert bool(accepted) == bool(sources_of(question.id)), question
        assert not any(states(question.text, answer) for answer in accepted), f"who repeats it is right: {question}"
        for source in sources_of(question.id):
            assert any(states(documents[source], answer) for answer in accepted), f"{source} changed: {question}"


def test_answers_are_normalised_and_compared_as_by_squad() -> None:
    assert normalised(" The Cat, a dog's  and AN ant! ") == "cat dogs and ant"
    assert is_exact("The Eiffel Tower.", ["eiffel tower"])
    assert not is_exact("at the Eiffel Tower", ["eiffel tower"])
    assert is_right("It stands in Paris, France.", ["Rome", "paris"])
    assert not is_right("It stands in Parisian streets.", ["Paris"]), "whole words"
    assert not is_right("so " * 30 + "Paris", ["Paris"]), "a recited passage answers nothing"
    assert not is_right("It is the", ["the"]), "nothing is left of that answer"
    assert token_f1("in Paris", ["Paris"]) == pytest.approx(2 / 3)
    assert token_f1("on the old north pier", ["north pier", "the north"]) == pytest.approx(2 / 3)
    assert token_f1("nowhere", ["Paris"]) == token_f1("", ["Paris"]) == 0


def test_the_threshold_tells_questions_with_an_answer_from_others_however_many_there_are() -> None:
    sure, answerable = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [True, True, False, True, False, False]
    assert best_threshold(sure, answerable) == 0.6
    assert best_threshold(sure + [0.9, 0.8, 0.6] * 50, answerable + [True] * 150) == 0.6, "their number decides nothing"
    assert best_threshold([0.1, 0.2], [True, True]) == -float("inf"), "nothing to abstain from"


def test_classes_are_made_of_answers_and_a_failure_stays_one() -> None:
    grade = grader_of("knowledge")
    told = [("7:40", "at 7:40"), ("7:40", "at 8"), ("7:40", ""), ("", ""), ("", "at 8"), ("7:40", None)]
    records = [grade(_record(target, label)) for target, label in told]
    assert [record.target for record in records] == [RIGHT, RIGHT, RIGHT, NO_ANSWER, NO_ANSWER, RIGHT]
    assert [record.label for record in records] == [RIGHT, WRONG, NO_ANSWER, NO_ANSWER, WRONG, None]
    assert [record.correct for record in records] == [True, False, False, True, False, None]
    labelled = _record("positive", "negative")
    assert grader_of("static")(labelled) == labelled


def test_findings_tell_known_figures_for_planted_answers(village: Suite) -> None:
    found = [f"notes/ferry.md{CITED}", "notes/mill.md"]
    records = [
        _record("7:40", "It leaves at 7:40.", "ferry.md#2", found),
        _record("north pier | the north", "north pier", "ferry.md#3", found),
        _record("1712", "1712", "mill.md#6", found),
        _record("rye", "", "mill.md#7", found),
        _record("", "", "#11", found, "unanswerable"),
        _record("", "Queen Anne", "#12", found, "unanswerable"),
    ]
    answers, silence = kind_of("knowledge").findings(village, records, {})  # one arm alone stands beside no other
    row = answers.data["answers"][0]
    assert [row[name]["value"] for name in ("right", "exact_match", "cited_and_right", "retrieved")] == [
        *(0.75, 0.5, 0.5, 1.0)
    ]
    assert row["token_f1"]["value"] == pytest.approx((2 / 5 + 1 + 1 + 0) / 4)
    assert row["right"]["ci"] == pytest.approx([0.3006, 0.9544], abs=1e-4), "Wilson's"
    kept = silence.data["abstention"][0]
    assert (kept["abstains_rightly"]["value"], kept["abstains_falsely"]["value"]) == (0.5, 0.25)
    assert kept["right_when_answering"]["value"] == 3 / 4


def test_the_split_is_the_same_every_time_and_no_question_is_on_two_sides(village: Suite) -> None:
    plan = kind_of("knowledge").plan
    scenario = plan(village, None).scenarios[0]
    tests = scenario.steps[0].tests
    assert {kind: len(test) for kind, test in tests.items()} == {"answerable": 3, "unanswerable": 2}
    assert len(scenario.validation) == 4
    asked = {example.id for test in tests.values() for example in test.examples}
    assert not asked & {example.id for example in scenario.validation.examples}
    assert plan(village, None) == plan(village, None)
    assert plan(village, None) != plan(village.model_copy(update={"seed": 1}), None)
    assert plan(village, "2").answers == 2
    assert plan(village, None).data["left_out"] == ["asked.csv: left out 1 rows without a question (row 10)"]


def test_a_sentence_of_the_nearest_passage_follows_documents_that_come_and_go(village: Suite) -> None:
    scenario = kind_of("knowledge").plan(village, None).scenarios[0]
    arm = NearestSentence(2).fit(scenario.steps[0].new, scenario.validation)
    question = "Who looks after the bees of Lund?"
    before = arm.predict([question])[0]
    assert before.label == "The bees of Lund are looked after by Pavel Stone."
    assert before.evidence[0] == f"notes/bees.md{CITED}"
    changed = Example("notes/bees.md#0", "The bees of Lund are looked after by Ida Moor.", "", "notes/bees.md")
    now = arm.update(Dataset("new", (changed,))).predict([question])[0]
    assert now.label == changed.text
    gone = arm.update(Dataset("none", ()), Dataset("gone", (changed,))).predict([question])[0]
    assert "notes/bees.md" not in {source.removesuffix(CITED) for source in gone.evidence}
    assert sentences("# Title\n\nOne. Two?\nThree\n- four") == ["# Title", "One.", "Two?", "Three", "- four"]


def test_the_llm_answers_out_of_passages_and_its_answer_is_traced(village: Suite, smollm2: BaseLLM) -> None:
    scenario = kind_of("knowledge").plan(village, None).scenarios[0]
    arm = OpenBook(smollm2, Answers("rag", 0), 1).fit(scenario.steps[0].new, scenario.validation)
    asked, unknown = arm.predict(["Who built the mill at Ost?", "How many moons has the planet Zyx?"])
    assert is_right(asked.label or "", ["Henrike Vale"])
    assert asked.evidence == [f"notes/mill.md{CITED}"]
    assert asked.tokens > 50
    assert unknown.label == "", "no passage is near"
    assert unknown.tokens == 0, "nothing is asked where the arm abstains"


def test_words_of_a_remote_llm_are_paid_for_once(village: Suite, setting: Callable[[str, str], None]) -> None:
    with OpenAIServer() as server:
        setting("OPENAI_BASE_URL", server.url)
        setting("BAKEOFF_CONCURRENCY", "1")
        resolve_llm.cache_clear()
        arms = [village.arms[0], village.arms[-1].model_copy(update={"k": 1})]
        remote = tuple(arm.model_copy(update={"llm": f"openai:{MODEL}", "name": arm.approach}) for arm in arms)
        suite = village.model_copy(update={"arms": remote, "latency_sample": 0})
        first = run_suite(suite, "1")
        paid = _taken(server)
        second = run_suite(suite, "2")
        more = _taken(server)
        assert any("Answer in a few words" in messages for messages in paid)
        assert more
        assert not more & paid, "what was answered is not asked again"
        records = {record.question: record for record in second.records()}
        for record in first.records():
            kept = records[record.question]
            assert (kept.label, kept.tokens, kept.evidence) == (record.label, record.tokens, record.evidence)
            assert kept.seconds == pytest.approx(record.seconds, rel=0.5, abs=0.1)
        run_suite(suite, "1", fresh=True)
        assert _taken(server) == paid


def test_an_error_in_place_of_words_is_asked_again(village: Suite, setting: Callable[[str, str], None]) -> None:
    refusal = Answer.json({"error": {"message": "no", "type": "request_forbidden", "code": "no"}}, 403)
    with ScriptedServer(refusal, says("Henrike Vale [1]")) as server:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        scenario = kind_of("knowledge").plan(village, None).scenarios[0]
        arm = OpenBook(resolve_llm("openai:scripted"), Answers("rag", 0), 1)
        arm.fit(scenario.steps[0].new, scenario.validation)
        told = [arm.predict(["Who built the mill at Ost?"])[0] for _ in range(3)]
    assert [one.label for one in told] == [None, "Henrike Vale", "Henrike Vale"], "the third is the second"
    assert [one.saved_seconds > 0 for one in told] == [False, False, True]
    assert told[1].tokens == told[2].tokens > 0


def _taken(server: OpenAIServer) -> set[str]:
    """Return the messages that were sent since the last look."""
    asked = {json.dumps(request.json["messages"]) for request in server.requests}
    server.requests.clear()
    return asked


def test_own_questions_and_documents_run_from_the_command_line(village: Suite, bakeoff: Callable[..., Outcome]) -> None:
    told = bakeoff("eval", "village.yaml", "--json")
    assert told.code == 0, told.err
    document = told.json
    results = {row["approach"]: row for row in document["results"]}
    assert {name: (row["n"], row["failures"]) for name, row in results.items()} == {
        "closed_book": (5, 0),
        "knn": (5, 0),
        "rag": (5, 0),
    }
    assert results["knn"]["accuracy"] > results["closed_book"]["accuracy"], "nobody else knows the village"
    assert [finding["title"] for finding in document["findings"]][:1] == [
        "Questions that have an answer, by where it stands"
    ]
    assert document["findings"][0]["data"]["answers"][0]["cited_and_right"] is None, "the closed book cites nothing"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("asked.csv", "missing.csv"), "a file at missing.csv"),
        (("asked.csv", "tweets"), "a file at tweets"),
        (("label_column: answer", "label_column: reply"), "a column 'reply' in asked.csv, row 2"),
        (("documents: [notes]", "documents: [nowhere]"), "a file or folder at nowhere"),
        (("documents: [notes]", "documents: []"), "a suite of kind knowledge needs documents"),
        (("approach: closed_book", "approach: finetuned"), "finetuned answers no questions"),
        (("kind: knowledge\n", ""), "a suite of kind static reads no documents"),
        (
            (SUITE, "name: x\nreference: closed_book\narms: [{approach: closed_book}]\n"),
            "closed_book answers questions",
        ),
        (("rag, k: 2", "rag, k: 2, calibration: batch"), "rag does not read calibration in a suite of kind knowledge"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(village: Suite, change: tuple[str, str], told: str) -> None:
    Path("wrong.yaml").write_text(SUITE.replace(*change), encoding="utf-8")
    with pytest.raises(BakeoffError) as wrong:
        suite = load_suite("wrong.yaml")
        kind_of(suite.kind).plan(suite, None)
    assert told in str(wrong.value)


def test_more_passages_than_the_prompt_quotes_are_refused(village: Suite) -> None:
    arm = village.arms[-1].model_copy(update={"k": 9})
    with pytest.raises(BakeoffError, match="k of 1 to 3 for rag"):
        build_approach(arm, village)


def test_a_document_that_holds_a_question_word_by_word_is_a_leak(village: Suite) -> None:
    Path("notes/quiz.md").write_text("Quiz.\n\nFrom which pier does the ferry to Tarn leave? The north pier.")
    scenario = kind_of("knowledge").plan(village, None).scenarios[0]
    questions = Dataset("all", tuple(e for own in load_questions(village).values() for e in own.examples))
    nothing = questions.subset(())
    found = find_leaks(nothing, nothing, questions, scenario.steps[0].new.texts)
    assert [(leak.kind, leak.count) for leak in found] == [("indexed", 1)]
    assert found[0].examples == ("ferry.md#3",)


def _record(
    target: str, label: str | None, example: str = "x#1", evidence: list[str] | None = None, test: str = "answerable"
) -> Record:
    failure = "refused" if label is None else None
    return Record("rag@embedded:smollm2", example, "?", target, label, failure, {}, evidence or [], 0, 0.1, test=test)
