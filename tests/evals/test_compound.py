"""Questions in several parts: what counts as covered, what it costs, and who is asked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.team import split_at_joints
from evals.approaches import build_approach
from evals.documents import load_documents, load_questions, sources_of
from evals.grading import states
from evals.records import Record
from evals.scenarios import grader_of, kind_of
from evals.scenarios.compound import ALL, NONE, SOME, covered, parts_of
from evals.suite import Suite, load_suite
from evals.verdict import decide
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import resolve_llm
from lab.statistics import compare
from tests.world import ScriptedServer, calls, says

ASKED = """question,answer,source
"When does the ferry leave, and who built the mill?",7:40 && Henrike Vale|Vale,ferry.md|mill.md
"What does a bicycle cost, and what does the mill grind?",three crowns && rye,ferry.md|mill.md
Name the pier of the ferry and the year of the mill.,north pier && 1712,ferry.md|mill.md
"From where does the ferry leave, and when does the mill grind?",north pier && Thursdays,ferry.md|mill.md
"""
NOTES = {
    "ferry.md": "# The ferry\n\nThe ferry leaves at 7:40 from the north pier. A bicycle costs three crowns.",
    "mill.md": "# The mill\n\nThe mill was built in 1712 by Henrike Vale. It grinds rye on Thursdays.",
}
SUITE = """name: village
kind: compound
dataset: asked.csv
text_column: question
label_column: answer
documents: [notes]
reference: team
latency_sample: 0
arms: [{approach: agent, llm: "openai:scripted"}, {approach: team, llm: "openai:scripted"}]
"""


@pytest.fixture
def village() -> Suite:
    """Two notes and four questions in two parts, as a user would bring them."""
    Path("notes").mkdir()
    for name, text in NOTES.items():
        (Path("notes") / name).write_text(text, encoding="utf-8")
    Path("asked.csv").write_text(ASKED, encoding="utf-8")
    Path("village.yaml").write_text(SUITE, encoding="utf-8")
    return load_suite("village.yaml")


def test_every_part_of_every_question_stands_in_a_page_it_names_and_not_in_the_question() -> None:
    suite = load_suite("team")
    kinds = load_questions(suite)
    assert {kind: len(own) for kind, own in kinds.items()} == {
        "handbook, one sentence": 30,
        "handbook, two questions": 30,
    }
    questions = [question for own in kinds.values() for question in own.examples]
    pages: dict[str, str] = {}
    for passage in load_documents(suite, Dataset("all", tuple(questions))).examples:
        pages[passage.source] = f"{pages.get(passage.source, '')}\n{passage.text}"
    for question in questions:
        parts = parts_of(question.label)
        assert len(parts) == 2
        for part in parts:
            assert not any(states(question.text, answer) for answer in part), f"who repeats it is right: {question}"
            stated = [states(pages[source], answer) for source in sources_of(question.id) for answer in part]
            assert any(stated), f"the handbook changed: {question}"
    asked = kinds["handbook, one sentence"].texts
    assert sum(len(split_at_joints(text)) == 1 for text in asked) >= 0.9 * len(asked), "a rule cannot split these"


def test_a_question_is_covered_part_by_part() -> None:
    told = ["At 7:40. Henrike Vale built it.", "At 7:40.", "Nobody knows.", "", None]
    records = [grader_of("compound")(_record("7:40 && Henrike Vale | Vale", label)) for label in told]
    assert [record.label for record in records] == [ALL, SOME, NONE, NONE, None]
    assert {record.target for record in records} == {ALL}
    assert covered(_record("a b && c && d", "It is a b, and d.")) == pytest.approx(2 / 3)


def test_findings_tell_known_figures(village: Suite) -> None:
    agent = [_record("7:40 && Vale", "At 7:40.", "1", tokens=100, seconds=2.0), _record("rye && 1712", "?", "2")]
    team = [
        _record("7:40 && Vale", "At 7:40. By Vale, I think.", "1", "team", tokens=300, seconds=3.0),
        _record("rye && 1712", "Rye since 1712.", "2", "team", tokens=100, seconds=1.0),
    ]
    one, both = village.arms
    records = [*(_of(record, one.key) for record in agent), *(_of(record, both.key) for record in team)]
    coverage, gains, costs = kind_of("compound").findings(village, records, {})
    first, second = coverage.data["coverage"]
    assert [row["all_parts"]["value"] for row in (first, second)] == [0, 1]
    assert [row["parts"]["value"] for row in (first, second)] == [0.25, 1]
    assert [row["documents_found"]["value"] for row in (first, second)] == [0.5, 0.5]
    assert gains.data["gains"][0]["difference"] == 1
    assert costs.data["costs"][0]["tokens"] == 50
    assert costs.data["costs"][0]["tokens_ratio"] == 4
    assert costs.data["costs"][0]["seconds_ratio"] == 2


def test_the_verdict_is_between_the_team_and_one_agent() -> None:
    rows = [
        {"key": key, "approach": key, "accuracy": share, "n": 40, "failures": 0, "fit_seconds": 1.0, "llm": None}
        for key, share in (("agent", 0.1), ("team", 0.9))
    ]
    outcomes = {"agent": {str(n): float(n < 4) for n in range(40)}, "team": {str(n): float(n < 36) for n in range(40)}}
    found = decide(rows, compare([("team", "agent")], outcomes, 0), "team")
    assert found.winner == "team"
    assert found.statement.startswith("Let a team answer: team is 80.0 points more accurate than agent")


def test_a_question_with_one_part_is_refused(village: Suite) -> None:
    Path("asked.csv").write_text(ASKED.replace("7:40 && Henrike Vale|Vale", "7:40"), encoding="utf-8")
    with pytest.raises(BakeoffError, match=r"two parts of a question, or more; got '7:40' in asked.csv"):
        kind_of("compound").plan(village, None)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("{approach: agent,", "{approach: rag,"), "rag answers no questions of kind compound: use agent, team"),
        (("{approach: agent,", "{approach: agent, base: x,"), "agent does not read base in a suite of kind compound"),
        (("kind: compound", "kind: knowledge"), "agent answers no questions of kind knowledge"),
        (("documents: [notes]\n", ""), "a suite of kind compound needs documents"),
    ],
)
def test_a_suite_that_cannot_be_is_refused(village: Suite, change: tuple[str, str], complaint: str) -> None:
    Path("village.yaml").write_text(SUITE.replace(*change), encoding="utf-8")
    with pytest.raises(BakeoffError, match=complaint):
        load_suite("village.yaml")


def test_one_agent_and_a_team_are_asked_over_the_suites_own_documents(
    village: Suite, setting: Callable[[str, str], None]
) -> None:
    scenario = kind_of("compound").plan(village, None).scenarios[0]
    plan = says(json.dumps({"questions": ["When does the ferry leave?"]}))
    content = says(json.dumps({"unsupported": []}))
    scripts = {
        "agent": [calls("knowledge", query="ferry"), says("It leaves at 7:40 [1].")],
        "team": [plan, calls("knowledge", query="ferry"), says("enough"), says("It leaves at 7:40 [1]."), content],
    }
    for arm in village.arms:
        with ScriptedServer(*scripts[arm.approach]) as server:
            setting("OPENAI_BASE_URL", server.url)
            resolve_llm.cache_clear()
            approach = build_approach(arm, village).fit(scenario.steps[0].new, scenario.validation)
            answer = approach.predict(["When does the ferry leave, and who built the mill?"])[0]
        assert answer.label == "It leaves at 7:40 ."
        assert "notes/ferry.md" in answer.evidence
        assert answer.tokens == 15 * len(scripts[arm.approach])
        offered = {tool["function"]["name"] for request in server.requests for tool in request.json.get("tools", ())}
        assert offered == {"knowledge"}


def _record(
    target: str, label: str | None, number: str = "1", arm: str = "agent", tokens: int = 0, seconds: float = 0.0
) -> Record:
    failure = "no answer" if label is None else None
    found = ["notes/ferry.md", "notes/other.md"]
    return Record(arm, f"ferry.md|mill.md#{number}", "?", target, label, failure, {}, found, tokens, seconds)


def _of(record: Record, arm: str) -> Record:
    return Record(**{**record.__dict__, "arm": arm})
