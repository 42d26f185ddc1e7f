"""What an answer says beyond its evidence is marked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents import Conversation
from agents.claims import check_claims
from agents.terminal.show import open_source
from agents.tools.catalogue import own_tools
from agents.tools.classifier import labelled
from agents.tools.wikipedia import SNAPSHOT
from lab.llm import BaseLLM
from lab.packages import package_folder
from lab.workspace import read_json
from rag import Evidence
from rag.reading import Columns
from rag.sync import add
from tests.world import ScriptedServer, calls, says

Scripted = Callable[[ScriptedServer], BaseLLM]
SILENT = [
    "Would you like to know more?",
    "I do not know.",
    "I could not find anything on that.",
    "Nothing that was found answers the question.",
    "No answer: this question has used up its tokens.",
    "Sure!",
    "",
]
CLAIMS = [json.loads(line) for line in Path(__file__).with_name("claims.jsonl").read_text("utf-8").splitlines()]
CURIE = Evidence(
    "Marie Curie was a physicist and chemist. She shared the 1903 Nobel Prize in Physics.", "a.md", (0, 84), 0.9
)
PENGUINS = Evidence("Penguins are flightless birds of the Southern Hemisphere.", "b.md", (0, 57), 0.8)


@pytest.fixture(scope="module")
def articles() -> dict[str, Evidence]:
    """The Wikipedia summaries that the claims are about."""
    rows: Any = read_json(package_folder(*SNAPSHOT) / "data" / "summaries_en-us.json").values()
    about = {claim["article"] for claim in CLAIMS}
    return {row["title"]: Evidence(row["extract"], row["title"], (0, 1), 1.0) for row in rows if row["title"] in about}


def test_claims_that_were_not_looked_at_are_told_apart(articles: dict[str, Evidence]) -> None:
    titles = list(articles)
    kept_back = [claim for claim in CLAIMS if sorted(titles).index(claim["article"]) % 2]
    right = [
        (check_claims(claim["claim"], [articles[claim["article"]]])[0].n is not None) == claim["stands"]
        for claim in kept_back
    ]
    assert len(right) >= 30
    assert sum(right) / len(right) >= 0.85


def test_each_sentence_is_traced_to_the_passage_it_stands_in() -> None:
    answer = "Marie Curie was a chemist. [1] Penguins cannot fly, they are flightless birds [2]. Bananas are yellow."
    first, second, third = check_claims(answer, [CURIE, PENGUINS])
    assert (first.n, second.n, third.n) == (1, 2, None)
    assert all(answer[slice(*claim.span)] == claim.text for claim in (first, second, third))
    assert first.text.endswith("[1]")


@pytest.mark.parametrize("wrong", ["She shared the 1913 Nobel Prize in Physics.", "She and Linus Pauling shared it."])
def test_a_number_or_a_name_that_is_in_no_passage_is_never_supported(wrong: str) -> None:
    assert check_claims(wrong, [CURIE])[0].n is None


@pytest.mark.parametrize("sentence", SILENT)
def test_what_claims_nothing_is_not_marked(sentence: str) -> None:
    assert check_claims(sentence, [CURIE]) == []
    assert check_claims(sentence, []) == []


def test_a_source_without_text_says_nothing_whatever_it_is_called() -> None:
    empty = Evidence("", "moons of the planets.md", (0, 0), 0.9)
    assert [claim.n for claim in check_claims("The planets have moons.", [empty])] == [None]


NEPTUNE = "Neptune has sixteen moons. I could not find their names."


def test_what_is_said_after_a_search_that_found_nothing_stands_nowhere(scripted: Scripted, cases: Path) -> None:
    with ScriptedServer(calls("knowledge", query="the orbit of the moons of Neptune"), says(NEPTUNE)) as server:
        turn = Conversation(scripted(server)).answer("What do my notes say about the moons of Neptune?")
    assert turn.evidence == []
    assert [(claim.text, claim.n) for claim in turn.claims] == [("Neptune has sixteen moons.", None)]


def test_talk_without_a_tool_claims_nothing(scripted: Scripted) -> None:
    with ScriptedServer(says("Good morning to you too, dear friend of the lab!")) as server:
        assert Conversation(scripted(server)).answer("Good morning!").claims == []


def test_a_label_from_a_table_is_a_source_and_that_of_the_classifier_a_judgement(
    scripted: Scripted, cases: Path
) -> None:
    answer = says("The parcel from Lyon was late by eleven days.")
    with ScriptedServer(calls("knowledge", query="late parcel"), answer) as server:
        turn = Conversation(scripted(server)).answer("Which case was about a late parcel?")
    assert {item.label for item in turn.evidence} == {"delivery"}
    assert [claim.n for claim in turn.claims] == [None]
    judged = own_tools(label=lambda text: [labelled(text, {"delivery": 0.9, "payment": 0.1}, "a")])
    with ScriptedServer(calls("classify", text="late parcel"), says("This text is about a delivery.")) as server:
        turn = Conversation(scripted(server), judged).answer("Label this: late parcel")
    assert (len(turn.evidence), turn.claims) == (1, [])


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """An index of one labelled example, whose columns have names of their own."""
    path = tmp_path / "cases.csv"
    path.write_text("words,kind\nThe parcel came too late.,delivery\n")
    add([str(path)], Columns("words", "kind"))
    return path


def test_a_source_read_with_columns_of_its_own_opens_as_it_is(
    scripted: Scripted, cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(calls("knowledge", query="late parcel"), says("It came too late [1].")) as server:
        turn = Conversation(scripted(server)).answer("Which case was about a late parcel?")
    open_source(1, turn.evidence[0])
    printed = capsys.readouterr()
    assert "»The parcel came too late.«" in printed.out and "changed" not in printed.err
