"""Labels from the embedded LLM: Bakeoff's batched scoring against plain loops over the same few-shot prompts.

The prompts are those that the suite `sentiment` makes for its rag arm: eight labelled tweets found for each test tweet.
Loop one asks the chat model for a short answer to each and looks which label it says, as anybody would. Loop two is the
textbook form of what Bakeoff computes, one prompt with one label at a time: it chooses the same labels, but where they
are nearly as likely and bfloat16 rounds them to the same number; BAKEOFF_PRECISION=float32 shows it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from unittest import mock

from benchmarks.side_by_side import Comparison, by_turns
from evals.approaches import build_approach
from evals.suite import load_suite
from lab.datasets import load_dataset, split_dataset
from lab.llm import LabelPrompt, resolve_llm
from lab.llm.embedded import EmbeddedChat
from lab.llm.scoring import LikelihoodScorer

LLM = "embedded:smollm2"
AT_ONCE = 32  # prompts that `bakeoff eval` hands over together
SHORT = 6  # tokens that a chat answer may have, enough for each of the labels
GOAL = 1.5

Labelled = list[str | None]


@dataclass(frozen=True)
class Scored:
    """What was found: the comparisons of speed, and which share of Bakeoff's labels each loop chose too."""

    texts: int
    precision: str
    comparisons: tuple[Comparison, ...]
    same_labels: dict[str, float]


def measure(texts: int, rounds: int) -> Scored:
    """Label `texts` tweets each way, by turns, and compare; the textbook loop, the slowest, runs once."""
    prompts, labels = few_shot_prompts(texts)
    said: dict[str, Labelled] = {}
    chat = cast(EmbeddedChat, resolve_llm(LLM).chat)
    sides: dict[str, Callable[[], Labelled]] = {
        "Bakeoff": lambda: _batched(prompts, labels),
        "chat": lambda: _chatting(chat, prompts, labels),
        "likelihood": lambda: _one_by_one(chat, prompts, labels),
    }

    def lap(name: str) -> Callable[[int], float]:
        def rate(_: int) -> float:
            start = time.perf_counter()
            said[name] = sides[name]()
            return len(prompts) / (time.perf_counter() - start)

        return rate

    laps = by_turns({name: lap(name) for name in ("Bakeoff", "chat")}, rounds)
    likelihood = lap("likelihood")(0)
    same = {
        name: sum(ours == theirs for ours, theirs in zip(said["Bakeoff"], said[name], strict=True)) / len(prompts)
        for name in ("chat", "likelihood")
    }
    compared = (
        Comparison("a plain loop of chat calls", "texts/s", laps["Bakeoff"], laps["chat"], GOAL),
        Comparison("a plain loop over prompts and labels", "texts/s", laps["Bakeoff"], [likelihood] * rounds, GOAL),
    )
    return Scored(len(prompts), str(chat.network.dtype).removeprefix("torch."), compared, same)


def few_shot_prompts(texts: int) -> tuple[list[LabelPrompt], list[str]]:
    """Return the prompts that the rag arm of `sentiment` makes for the first test tweets, and the labels.

    They are noted down while the arm asks them, which also warms the model.
    """
    suite = load_suite("sentiment")
    arm = next(arm for arm in suite.arms if arm.approach == "rag" and arm.llm == LLM)
    split = split_dataset(load_dataset(suite.dataset), suite.seed)
    approach = build_approach(arm, suite).fit(split.train, split.validation)
    asked: list[LabelPrompt] = []
    score = LikelihoodScorer.__call__

    def noting(self: LikelihoodScorer, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> object:
        asked.extend(prompts)
        return score(self, prompts, labels)

    with mock.patch.object(LikelihoodScorer, "__call__", noting):
        approach.predict(split.test.texts[:texts])
    return asked, split.train.labels


def _batched(prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> Labelled:
    """Label as `bakeoff eval` does."""
    score, said = resolve_llm(LLM).score_labels, Labelled()
    for start in range(0, len(prompts), AT_ONCE):
        for scored in score(prompts[start : start + AT_ONCE], labels):
            said.append(max(scored.scores, key=lambda label: scored.scores[label], default=None))
    return said


def _chatting(chat: EmbeddedChat, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> Labelled:
    """Ask for each prompt's answer and take the label that it names."""
    brief = chat.model_copy(update={"max_new_tokens": SHORT})
    answers = [brief.invoke(prompt.messages()).text.lower() for prompt in prompts]
    return [next((label for label in labels if label in answer), None) for answer in answers]


def _one_by_one(chat: EmbeddedChat, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> Labelled:
    """Read each prompt with each label after it, and take the label whose tokens are likeliest."""
    said = Labelled()
    for prompt in prompts:
        text = chat.render(prompt.messages())
        endings = {label: (" " if text.endswith(":") else "") + label for label in labels}
        found = {label: _likelihood(chat, chat.encode(text), ending) for label, ending in endings.items()}
        said.append(max(found, key=lambda label: found[label]))
    return said


def _likelihood(chat: EmbeddedChat, prompt: list[int], ending: str) -> float:
    import torch

    own = chat.tokenizer(ending, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = chat.network(torch.tensor([prompt + own], device=chat.network.device)).logits[0]
    shares = logits[len(prompt) - 1 : -1].float().log_softmax(-1)
    return float(shares[torch.arange(len(own)), torch.tensor(own)].sum())
