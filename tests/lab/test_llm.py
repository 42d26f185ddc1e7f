"""Base LLMs: the embedded one answers, streams, stops and scores exactly; a remote one goes through the same code."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
import torch

from lab.errors import BakeoffError
from lab.llm import BaseLLM, LabelPrompt, LabelScores, check_llm, resolve_llm
from lab.llm.embedded import EmbeddedChat, _until
from lab.llm.remote import RemoteScorer
from lab.llm.scoring import LikelihoodScorer
from tests.world import MODEL, Answer, Fault, OpenAIServer, ScriptedServer, says

LABELS = ["negative", "neutral", "positive"]
LONG_LABELS = ["not good at all", "positive", "neither here nor there"]
INSTRUCTION = "Label each tweet with its sentiment: negative, neutral or positive. Answer with the label alone."
SHOTS = (("I hate rain", "negative"), ("The bus leaves at noon", "neutral"), ("Best day ever!", "positive"))


def _network(llm: BaseLLM) -> Any:
    assert isinstance(llm.chat, EmbeddedChat)
    return llm.chat.network


def _score(llm: BaseLLM, prompts: list[LabelPrompt], labels: list[str] = LABELS) -> list[LabelScores]:
    return llm.score_labels(prompts, labels)


def test_the_embedded_llm_answers_and_counts_tokens(smollm2: BaseLLM) -> None:
    answer = smollm2.chat.invoke("What is the capital of France? Answer in one word.")
    assert "Paris" in answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] > 10


def test_the_embedded_llm_streams_what_it_answers(smollm2: BaseLLM) -> None:
    question = "Name three colours."
    pieces = [chunk.text for chunk in smollm2.chat.stream(question)]
    assert len(pieces) > 3
    assert "".join(pieces) == smollm2.chat.invoke(question).text


def test_leaving_a_stream_stops_the_model(smollm2: BaseLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = mock.Mock(wraps=_network(smollm2).forward)
    monkeypatch.setattr(_network(smollm2), "forward", steps)
    stream = smollm2.chat.stream("Tell me a long story about a dragon.")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    taken = steps.call_count
    time.sleep(0.3)
    assert 0 < taken == steps.call_count < 20


def test_an_error_reaches_the_reader_and_the_thread_that_writes_goes_on(
    smollm2: BaseLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_network(smollm2), "generate", lambda *_, **__: (_ for _ in ()).throw(MemoryError("no room")))
        with pytest.raises(MemoryError, match="no room"):
            smollm2.chat.invoke("Hello.")
    written_by = list[threading.Thread]()
    generate = _network(smollm2).generate

    def noted(*arguments: Any, **named: Any) -> Any:
        written_by.append(threading.current_thread())
        return generate(*arguments, **named)

    monkeypatch.setattr(_network(smollm2), "generate", noted)
    assert all(smollm2.chat.invoke(question).text for question in ("Name a colour.", "Name a fruit."))
    assert written_by[0] is written_by[1] is not threading.current_thread()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [(["Paris", ".\nAns", "wer: x", "y"], "Paris."), (["Paris", ".\nAn", "kara"], "Paris.\nAnkara"), ([], "")],
)
def test_a_stop_string_never_shows(pieces: list[str], text: str) -> None:
    assert "".join(_until(["\nAnswer:"], pieces)) == text


def test_a_prompt_longer_than_the_context_is_refused(smollm2: BaseLLM) -> None:
    with pytest.raises(BakeoffError, match="a prompt of at most"):
        smollm2.chat.invoke("word " * 9000)


@pytest.mark.parametrize("labels", [LABELS, LONG_LABELS])
def test_scores_are_the_exact_likelihood_of_every_whole_label(
    labels: list[str], setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_PRECISION", "float32")
    chat = EmbeddedChat(model="smollm2")
    texts = ["LMAO, AMAZING!", "meh", "My phone broke again and nobody at the shop would help me with it :("]
    prompts = [LabelPrompt(INSTRUCTION, text, SHOTS[:number]) for number, text in enumerate(texts, 1)]
    scored = LikelihoodScorer(chat)(prompts, labels)
    for prompt, scores in zip(prompts, scored, strict=True):
        expected = _one_by_one(chat, prompt, labels)
        assert [scores.scores[label] for label in labels] == pytest.approx(expected, abs=1e-4)


def _one_by_one(chat: EmbeddedChat, prompt: LabelPrompt, labels: list[str]) -> list[float]:
    """Score each label by reading the whole sequence for itself: no batch, no cache, no padding."""
    start = chat.encode(chat.render(prompt.messages()))
    totals = []
    for label in labels:
        end = chat.tokenizer(label, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits = chat.network(torch.tensor([start + end])).logits[0].log_softmax(-1)
        totals.append(sum(float(logits[len(start) + i - 1, token]) for i, token in enumerate(end)))
    return [math.exp(total - max(totals)) / sum(math.exp(t - max(totals)) for t in totals) for total in totals]


def test_examples_in_the_prompt_change_the_answer(smollm2: BaseLLM) -> None:
    text = "what a day"
    bad, good = _score(
        smollm2,
        [LabelPrompt(INSTRUCTION, text, ((text, label),) * 4) for label in ("negative", "positive")],
    )
    assert bad.scores["negative"] > good.scores["negative"]
    assert sum(bad.scores.values()) == pytest.approx(1)
    assert bad.tokens > 50


def test_scoring_nothing_is_nothing(smollm2: BaseLLM) -> None:
    assert _score(smollm2, []) == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("smollm2", "provider:model"),
        ("embedded:gpt-9", "an embedded model among embedded:smollm2"),
        ("nosuchprovider:x", "a base LLM nosuchprovider:x"),
        ("openai:gpt-x", "OPENAI_API_KEY"),
        ("anthropic:claude", "pip install langchain-anthropic"),
    ],
)
def test_a_base_llm_that_cannot_be_had_is_one_line(name: str, complaint: str) -> None:
    with pytest.raises(BakeoffError, match=complaint):
        resolve_llm(name)


def test_a_slash_is_accepted_too(smollm2: BaseLLM) -> None:
    assert resolve_llm("embedded/smollm2").name == smollm2.name


def test_check_says_what_the_embedded_llm_can() -> None:
    found = check_llm("embedded:smollm2")
    assert "Paris" in found["answer"]
    assert (found["tool_calling"], found["logprobs"]) == (False, True)
    assert found["tokens_per_second"] > 1


@pytest.fixture(scope="module")
def weights() -> Iterator[OpenAIServer]:
    """The same weights behind an OpenAI-compatible server."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def remote(weights: OpenAIServer, setting: Callable[[str, str], None]) -> BaseLLM:
    """The remote base LLM, through the code that every provider goes through."""
    weights.recover()
    setting("OPENAI_BASE_URL", weights.url)
    resolve_llm.cache_clear()
    return resolve_llm(f"openai:{MODEL}")


def test_a_remote_base_llm_answers_and_scores_labels(remote: BaseLLM) -> None:
    assert "Paris" in remote.chat.invoke("What is the capital of France? Answer in one word.").text
    scored = _score(remote, [LabelPrompt(INSTRUCTION, "Best day ever, I love it!", SHOTS)])[0]
    assert scored.failure is None
    assert max(scored.scores, key=lambda label: scored.scores[label]) == "positive"
    assert sum(scored.scores.values()) == pytest.approx(1)


def test_a_rate_limit_is_waited_out(remote: BaseLLM, weights: OpenAIServer) -> None:
    weights.requests.clear()
    weights.fail_next(Fault.RATE_LIMIT, retry_after=1)
    assert _score(remote, [LabelPrompt(INSTRUCTION, "fine", SHOTS)])[0].failure is None
    assert len(weights.requests) >= 2


@pytest.mark.parametrize(("fault", "kind"), [(Fault.FORBIDDEN, "retryable"), (Fault.PLAN_LIMIT, "budget")])
def test_a_refusal_is_a_failure_never_a_label(fault: Fault, kind: str, remote: BaseLLM, weights: OpenAIServer) -> None:
    weights.fail_next(fault)
    first, second = (_score(remote, [LabelPrompt(INSTRUCTION, "fine", SHOTS)])[0] for _ in range(2))
    assert first.scores == {}
    assert first.failure
    assert first.failure_kind == kind
    assert second.failure is None


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.MALFORMED, Fault.DISCONNECT])
def test_a_failure_that_passes_is_asked_again(fault: Fault, remote: BaseLLM, weights: OpenAIServer) -> None:
    weights.requests.clear()
    weights.fail_next(fault, retry_after=0)
    assert _score(remote, [LabelPrompt(INSTRUCTION, "fine", SHOTS)])[0].failure is None
    assert len(weights.requests) >= 2


def test_rate_limits_shrink_the_requests_at_once_and_answers_let_them_grow_again(
    remote: BaseLLM, weights: OpenAIServer
) -> None:
    assert isinstance(remote.score_labels, RemoteScorer)
    throttle = remote.score_labels.throttle
    assert throttle.limit == 4
    weights.fail_next(Fault.RATE_LIMIT, retry_after=1)
    start = time.monotonic()
    assert _score(remote, [LabelPrompt(INSTRUCTION, "fine", SHOTS)])[0].failure is None
    assert throttle.limit == 2
    assert time.monotonic() - start >= 1
    prompts = [LabelPrompt(INSTRUCTION, text, SHOTS) for text in "abcdefgh"]
    assert not any(scored.failure for scored in _score(remote, prompts))
    assert throttle.limit == 4


def test_a_provider_that_asks_for_an_hour_is_not_waited_for(remote: BaseLLM, weights: OpenAIServer) -> None:
    weights.fail_next(Fault.RATE_LIMIT, retry_after=3600)
    scored = _score(remote, [LabelPrompt(INSTRUCTION, "fine", SHOTS)])[0]
    assert (scored.scores, scored.failure_kind) == ({}, "retryable")


def test_a_prompt_that_does_not_fit_fails_alone(smollm2: BaseLLM) -> None:
    fits, long = _score(smollm2, [LabelPrompt(INSTRUCTION, "fine"), LabelPrompt(INSTRUCTION, "word " * 9000)])
    assert fits.failure is None
    assert fits.scores
    assert long.scores == {}
    assert "a prompt of at most" in str(long.failure)


def test_a_provider_that_knows_no_log_probs_is_asked_for_json(setting: Callable[[str, str], None]) -> None:
    error = {"message": "'logprobs' is not supported with this model.", "type": "invalid_request_error"}
    answers = (says('{"label": "neutral"}'), says('{"label": "positive"}'))
    with ScriptedServer(Answer.json({"error": error}, 400), *answers) as server:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        llm = resolve_llm("openai:scripted")
        first, second = (_score(llm, [LabelPrompt(INSTRUCTION, "fine")])[0] for _ in range(2))
    assert (first.scores["neutral"], second.scores["positive"]) == (1, 1)
    assert ["logprobs" in request.json for request in server.requests] == [True, False, False]


def test_without_log_probs_the_answer_is_constrained_to_the_labels(setting: Callable[[str, str], None]) -> None:
    with ScriptedServer(
        says("Well, I think"), says('{"label": "neutral"}'), says("Hm"), says('{"label": "odd"}')
    ) as server:
        setting("OPENAI_BASE_URL", server.url)
        resolve_llm.cache_clear()
        llm = resolve_llm("openai:scripted")
        chosen, odd = (_score(llm, [LabelPrompt(INSTRUCTION, "fine")])[0] for _ in range(2))
    assert chosen.scores == {"negative": 0.0, "neutral": 1.0, "positive": 0.0}
    assert odd.scores == {}
    assert odd.failure is not None
    schema = server.requests[1].json["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == LABELS
