"""A team: split, looked up at the same time, composed, checked, and sent back at most twice."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agents import Conversation
from agents.memory import open_memory
from agents.memory.transcript import read_transcript
from agents.state import NOT_YET, Context, State, found_evidence
from agents.team import build_team, opening, split_at_joints
from agents.terminal.show import show_routing
from agents.tools.catalogue import offered_tools
from lab.llm import BaseLLM
from tests.world import Answer, ScriptedServer, calls, says

Scripted = Callable[[ScriptedServer], BaseLLM]
Setting = Callable[[str, str], None]

CURIE, UNCLEAR = "Who was Marie Curie?", "model"
A_PHYSICIST = says("Marie Curie was a physicist [1].")
CONTENT = says(json.dumps({"unsupported": []}))


def _ask(question: str, llm: BaseLLM) -> dict[str, Any]:
    catalogue = offered_tools()
    asked = State(messages=[HumanMessage(question)], routing=NOT_YET, rounds=0)
    return build_team(catalogue).invoke(opening(asked), context=Context(llm, catalogue))


def _plan(*questions: str) -> Mapping[str, Any]:
    return says(json.dumps({"questions": questions}))


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
    scripted: Scripted,
) -> None:
    false = says("Marie Curie invented the telephone in Paris.")
    found_wanting = says(json.dumps({"unsupported": [1]}))
    script = [
        _plan(CURIE),
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
    scripted: Scripted,
) -> None:
    script = [
        _plan(CURIE),
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


@pytest.mark.parametrize(
    ("tokens", "asked", "answer"),
    [
        ("30", 2, "No answer: this question has used up its 30 tokens, of 30 (BAKEOFF_TURN_TOKENS)."),
        ("45", 3, "No answer: this question has used up its 45 tokens, of 45 (BAKEOFF_TURN_TOKENS)."),
        ("60", 4, "Marie Curie was a physicist [1]. The team stopped early: this question has used up its 60 tokens"),
        ("61", 5, "Marie Curie was a physicist [1]."),
    ],
)
def test_one_budget_is_for_all_and_the_answer_says_when_it_ended(
    tokens: str, asked: int, answer: str, scripted: Scripted, setting: Setting
) -> None:
    setting("BAKEOFF_TURN_TOKENS", tokens)
    with ScriptedServer(
        _plan(CURIE), calls("wikipedia", query="Marie Curie"), says("enough"), A_PHYSICIST, CONTENT
    ) as server:
        turn = Conversation(scripted(server), team=True).answer(CURIE)
    assert len(server.requests) == asked
    assert turn.answer.startswith(answer)
    assert turn.evidence
    assert all(claim.n for claim in turn.claims), "what the team says of itself is no claim"


def test_what_a_summary_took_is_of_the_questions_budget(scripted: Scripted, setting: Setting) -> None:
    setting("BAKEOFF_CONTEXT_TOKENS", "512")
    setting("BAKEOFF_TURN_TOKENS", "15")
    long = "The kettle is blue. " * 30
    with ScriptedServer(says(long), says(long), says("The user owns a blue kettle.")) as server:
        conversation = Conversation(scripted(server))
        conversation.answer("What colour is my kettle?")
        conversation.answer("Are you sure?")
        conversation.team = True
        turn = conversation.answer("So which colour?")
    assert turn.answer.startswith("No answer: this question has used up its 15 tokens")
    assert len(server.requests) == 3


def test_a_follow_up_is_understood_by_manager_router_and_writer(scripted: Scripted, setting: Setting) -> None:
    setting("BAKEOFF_ROUTER", "embedded")
    with ScriptedServer(A_PHYSICIST, says("no list"), says("Pierre Curie, a physicist [1]."), CONTENT) as server:
        conversation = Conversation(scripted(server))
        conversation.answer(CURIE)
        conversation.team = True
        turn = conversation.answer("and her husband?")
    assert CURIE in turn.tools[0].arguments["query"]
    planned, written = (str(server.requests[number].json["messages"]) for number in (1, 2))
    assert CURIE in planned
    assert "was a physicist" not in planned, "who chooses what is looked up reads nothing that came from outside"
    assert "was a physicist" in written
    assert any("split by rule, as the LLM gave no list" in line for line in turn.trace)


def test_a_part_is_looked_up_with_the_name_that_it_refers_to(smollm2: BaseLLM) -> None:
    done = _ask("Who was Alan Turing and where was he born?", smollm2)
    assert [finding["question"] for finding in done["findings"]][-1] == "where was he born?"
    for finding in done["findings"]:
        assert "Alan" in found_evidence(finding["messages"])[0].source


def test_a_team_that_understands_nothing_asks_back(scripted: Scripted, setting: Setting) -> None:
    setting("BAKEOFF_ROUTER", "embedded")
    with ScriptedServer(_plan(UNCLEAR)) as server:
        turn = Conversation(scripted(server), team=True).answer(UNCLEAR)
    assert turn.answer.startswith("I am not sure what would help: shall I")
    assert len(server.requests) == 1, "nobody guesses"
    assert not turn.tools


def test_a_part_that_was_not_understood_is_named_and_each_part_tells_how_it_was_routed(
    scripted: Scripted, setting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    setting("BAKEOFF_ROUTER", "embedded")
    with ScriptedServer(_plan(CURIE, UNCLEAR), A_PHYSICIST, CONTENT) as server:
        conversation = Conversation(scripted(server), team=True)
        turn = conversation.answer(f"Who was Marie Curie and {UNCLEAR}?")
    assert turn.answer.startswith('Marie Curie was a physicist [1]. I do not understand "model". I am not sure what')
    assert any(line == "researcher 2: model → not understood" for line in turn.trace)
    first, second = turn.router["parts"]
    assert [first["question"], second["question"]] == [CURIE, UNCLEAR]
    assert first["scores"]["wikipedia"] > 0.5 > second["scores"]["wikipedia"]
    assert (first["asked_back"], second["asked_back"]) == (False, True)
    show_routing(conversation.last_routing())
    shown = capsys.readouterr().out
    assert shown.index(CURIE) < shown.index("█") < shown.index(UNCLEAR)


def test_a_part_routed_by_the_llm_says_so(scripted: Scripted) -> None:
    with ScriptedServer(
        _plan(CURIE), calls("wikipedia", query="Marie Curie"), says("x"), A_PHYSICIST, CONTENT
    ) as server:
        turn = Conversation(scripted(server), team=True).answer(CURIE)
    own = {"kind": "native", "scores": {}}
    part = own | {"question": CURIE, "called": ["wikipedia"], "asked_back": False}
    assert turn.router == own | {"parts": [part]}


def test_a_question_outlives_the_process_that_answers_it(scripted: Scripted) -> None:
    script = [_plan(CURIE), calls("wikipedia", query="Marie Curie"), says("enough"), A_PHYSICIST, CONTENT]
    with ScriptedServer(*script) as server, open_memory() as memory:
        conversation = Conversation(scripted(server), memory=memory, team=True)
        events = conversation.ask(CURIE)
        next(events)
        with open_memory() as other:  # what another process would find if this one ended now
            kept = read_transcript(other, conversation.id)
        events.close()
        assert (kept.unfinished, [one.question for one in kept.exchanges]) == (True, [CURIE])
        server.script.clear()
        server.script.extend(script)
        assert conversation.answer("Who was she?").answer == "Marie Curie was a physicist [1]."
        assert [one.question for one in conversation.transcript().exchanges] == [CURIE, "Who was she?"]


def test_without_evidence_nothing_is_claimed(scripted: Scripted) -> None:
    with ScriptedServer(_plan(CURIE), says("no tool"), says("Marie Curie invented the telephone in Paris.")) as server:
        turn = Conversation(scripted(server), team=True).answer(CURIE)
    assert turn.answer == 'Nothing was found about "Who was Marie Curie?".'
    assert len(server.requests) == 3, "there is nothing to correct it by"


def test_thanks_need_no_evidence(scripted: Scripted) -> None:
    with ScriptedServer(_plan("Thanks!"), says("welcome"), says("You are welcome!")) as server:
        assert Conversation(scripted(server), team=True).answer("Thanks!").answer == "You are welcome!"


def test_where_tools_find_nothing_nobody_is_asked_to_write(scripted: Scripted) -> None:
    script = [_plan("Who was Xqzzv?"), calls("classify", text="Xqzzv"), says("no classifier")]
    with ScriptedServer(*script) as server:
        turn = Conversation(scripted(server), team=True).answer("Who was Xqzzv?")
    assert turn.answer == 'Nothing was found about "Who was Xqzzv?"; classify failed.'
    assert len(server.requests) == 3


def test_a_server_that_knows_no_forms_leaves_plan_and_review_to_the_rules(scripted: Scripted) -> None:
    refused = Answer.json({"error": {"message": "response_format is not supported"}}, 400)
    script: list[Mapping[str, Any] | Answer] = [
        refused,
        calls("wikipedia", query="Marie Curie"),
        says("x"),
        A_PHYSICIST,
        refused,
    ]
    with ScriptedServer(*script) as server:
        turn = Conversation(scripted(server), team=True).answer(CURIE)
    assert turn.answer == "Marie Curie was a physicist [1]."
    assert "split by rule, as the LLM gave no list" in turn.trace[0]
    assert turn.trace[-1].endswith("by words and embeddings")
