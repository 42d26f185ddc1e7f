"""A team: split, looked up at the same time, composed, checked, and sent back at most twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents import Conversation
from agents.state import Context
from agents.team import build_team, opening, split_at_joints
from agents.tools.catalogue import offered_tools
from lab.llm import BaseLLM
from tests.world import ScriptedServer, calls, says


def _ask(question: str, llm: BaseLLM) -> dict[str, Any]:
    catalogue = offered_tools()
    return build_team(catalogue).invoke(opening(question), context=Context(llm, catalogue))


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who was Marie Curie?", ["Who was Marie Curie?"]),
        (
            "Who was Marie Curie and what is photosynthesis?",
            ["Who was Marie Curie?", "what is photosynthesis?"],
        ),
        ("Why are penguins black and white?", ["Why are penguins black and white?"]),
        ("What is chess? Who invented it?", ["What is chess?", "Who invented it?"]),
    ],
)
def test_a_question_is_split_where_another_begins(question: str, parts: list[str]) -> None:
    assert split_at_joints(question) == parts


def test_the_embedded_team_says_nothing_that_is_in_no_source(smollm2: BaseLLM) -> None:
    done = _ask("Who was Marie Curie and what is photosynthesis?", smollm2)
    assert [len(finding["messages"]) for finding in done["findings"]] == [3, 3]
    assert done["unsupported"] == []
    assert any("Curie" in answer for answer in done["answers"])
    assert any("light" in answer for answer in done["answers"])
    assert [line.split(":")[0].split()[0] for line in done["trace"]][:3] == ["manager", "researcher", "researcher"]
    assert any("by rule" in line for line in done["trace"])
    assert any("by words and embeddings" in line for line in done["trace"])


def test_a_larger_llm_plans_and_reviews_and_is_sent_back_at_most_twice(
    scripted: Callable[[ScriptedServer], BaseLLM],
) -> None:
    false = says("Marie Curie invented the telephone in Paris.")
    found_wanting = says(json.dumps({"unsupported": [1]}))
    script = [
        says(json.dumps({"questions": ["Who was Marie Curie?"]})),
        calls("wikipedia", query="Marie Curie"),
        says("enough"),
        *(line for _ in range(3) for line in (false, found_wanting)),
    ]
    with ScriptedServer(*script) as server:
        done = _ask("Who was Marie Curie?", scripted(server))
    assert len(server.requests) == len(script)
    assert done["reviews"] == 3
    assert done["answers"] == []
    assert done["trace"][-1] == "writer: left out what stands in no evidence"
    assert "no evidence" in server.requests[5].json["messages"][-1]["content"]


def test_a_conversation_lets_the_team_answer_and_remembers_what_it_found(
    scripted: Callable[[ScriptedServer], BaseLLM],
) -> None:
    script = [
        says(json.dumps({"questions": ["Who was Marie Curie?"]})),
        calls("wikipedia", query="Marie Curie"),
        says("enough"),
        says("Marie Curie was a physicist [1]."),
        says(json.dumps({"unsupported": []})),
        says("not shown: who may choose tools has not read the answer"),
        says("Yes, a chemist too."),
    ]
    with ScriptedServer(*script) as server:
        conversation = Conversation(scripted(server), team=True)
        turn = conversation.answer("Who was Marie Curie?")
        conversation.team = False
        assert conversation.answer("Was she a chemist?").answer == "Yes, a chemist too."
    assert turn.answer == "Marie Curie was a physicist [1]."
    assert [run.name for run in turn.tools] == ["wikipedia"]
    assert turn.evidence[0].source.endswith("Marie_Curie")
    assert turn.document()["trace"][0].startswith("manager: 1 questions")
    assert turn.tokens == 5 * 15
    assert "Marie Curie was a physicist [1]." in str(server.requests[-1].json["messages"])
