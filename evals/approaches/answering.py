"""Questions answered in words: by the base LLM alone, by the base LLM out of passages, or by a sentence of one.

A label is the answer here, "" where the approach abstains. Each approach abstains where it is least sure: below a
threshold that is chosen on validation questions by the same rule for all.
"""

import re
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from agents.prompts import PASSAGES, answer_prompt
from evals.answers import Answers, Words
from evals.approach import Fit, Prediction
from evals.approaches.labelling import as_prediction
from evals.approaches.retrieval import Retrieving
from evals.grading import CITED, normalised
from evals.suite import Order, Retrieval
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import BaseLLM, LabelPrompt, LabelScores
from lab.llm.embedded import EmbeddedChat
from lab.llm.failures import kind_of
from lab.redact import reason
from lab.settings import settings
from lab.workspace import fingerprint
from rag import Evidence

UNKNOWN = "unknown"
BRIEFLY = "Answer in a few words."
KNOWS = "Do you know the answer to this question? Answer yes or no."
BRIEF = {"max_new_tokens": 24, "repetition_penalty": 1.0}  # of an embedded LLM, which would go on, and avoid its prompt


def best_threshold(sureness: Sequence[float], has_answer: Sequence[bool]) -> float:
    """Return the sureness from which on to answer, so that questions with and without an answer are told apart best.

    It has the greatest sum of both shares that are treated rightly (Youden 1950, Cancer 3): questions with an answer
    that are answered, and others on which the approach abstains. So it depends neither on how many of either there
    are nor on how often the answers are right. Without both kinds of questions all are answered.
    """
    sure, answerable = np.asarray(sureness), np.asarray(has_answer, dtype=bool)
    if answerable.all() or not answerable.any():
        return -np.inf
    candidates = np.unique([-np.inf, *sure, np.inf])
    kept = [(sure[answerable] >= one).mean() + (sure[~answerable] < one).mean() for one in candidates]
    return float(candidates[int(np.argmax(kept))])  # the lowest of equals


class ClosedBook:
    """Asks the base LLM the question and nothing else; documents teach it nothing.

    It is as sure as the LLM says "yes" to whether it knows the answer: P(IK) of Kadavath et al. 2022 (arXiv
    2207.05221), without training it.
    """

    name = "closed_book"

    def __init__(self, llm: BaseLLM, answers: Answers, instruction: str = BRIEFLY) -> None:
        self.fitted = Fit()
        self._llm, self._answers, self._instruction, self._threshold = llm, answers, instruction, -np.inf

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Choose on validation below which sureness to abstain.

        Raises:
            BakeoffError: the LLM cannot say how sure it is.
        """
        start = time.perf_counter()
        scored = self._known(validation.texts)
        failure = next((scores.failure for scores in scored if scores.failure), None)
        if failure:
            fix = f"check it with: bakeoff llm check {self._llm.name}"
            raise BakeoffError(f"{self._llm.name} to say whether it knows an answer", failure, fix)
        sure = [scores.scores["yes"] for scores in scored]
        self._threshold = best_threshold(sure, [bool(target) for target in validation.targets])
        never = "never abstains: it is as sure of what nobody can know"
        note = f"abstains where it is less than {self._threshold:.3f} sure to know" if self._threshold > 0 else never
        tokens, written = (sum(getattr(one, name) for one in scored) for name in ("tokens", "output_tokens"))
        seconds = time.perf_counter() - start + sum(scores.saved_seconds for scores in scored)
        self.fitted = Fit(seconds, note=note, tokens=tokens, output_tokens=written)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Ask how sure the LLM is, and for the answers of which it is sure enough."""
        scored = self._known(texts)
        asked = [n for n, one in enumerate(scored) if one.scores.get("yes", -np.inf) >= self._threshold]
        prompts = [answer_prompt([], f"{texts[n]}\n{self._instruction}", [], []) for n in asked]
        replies = dict(zip(asked, _replies(self._llm, self._answers, prompts), strict=True))
        return [
            as_prediction(one) if one.failure else _prediction(replies.get(number, Reply()), [], one)
            for number, one in enumerate(scored)
        ]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Take no notice: nothing was learned from documents."""
        self.fitted = Fit()
        return self

    def _known(self, texts: Sequence[str]) -> list[LabelScores]:
        """Ask for each question how sure the LLM is to know its answer."""
        return self._answers.scores(self._llm, [LabelPrompt(KNOWS, text) for text in texts], ["yes", "no"])


class _Reader(Retrieving):
    """What all that answer out of passages share: they abstain where the nearest passage is too far away."""

    def __init__(self, k: int, retrieval: Retrieval = "dense", diversity: float = 0.0) -> None:
        super().__init__(k, retrieval, diversity)
        self._threshold = -np.inf

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Retrieve for each question, and answer where the nearest passage is near enough."""
        found = self._neighbours(texts)
        sure = self._sureness(texts)
        asked = [n for n in range(len(texts)) if found[n] and sure[n] >= self._threshold]
        answers = dict(zip(asked, self._replies([texts[n] for n in asked], [found[n] for n in asked]), strict=True))
        return [_prediction(answers.get(n, Reply()), evidence) for n, evidence in enumerate(found)]

    @abstractmethod
    def _replies(self, texts: Sequence[str], found: Sequence[Sequence[Evidence]]) -> "list[Reply]":
        """Answer each question out of its passages."""

    def _learn(self, validation: Dataset) -> Fit:
        """Choose below which similarity to abstain."""
        start = time.perf_counter()
        sure = self._sureness(validation.texts)
        self._threshold = best_threshold(sure, [bool(target) for target in validation.targets])
        note = f"abstains where no passage has a cosine similarity of {self._threshold:.3f}"
        return Fit(time.perf_counter() - start, note=note)

    def _sureness(self, texts: Sequence[str]) -> list[float]:
        """Return for each question the cosine similarity of its nearest passage, however passages are ranked."""
        assert self._index is not None, "fit first"
        return [evidence[0].score if evidence else -np.inf for evidence in self._index.search(texts, 1)]


class OpenBook(_Reader):
    """The base LLM answers out of the passages found, under the rules and the numbering of the agent's own prompt.

    The nearest passage comes last by default, as a small LLM leans on what it read last (Zhao et al. 2021, arXiv
    2102.09690). It cites by number. Where it cites nothing, the passage that has most of the words of its answer counts
    as cited: attribution after the fact, as in Bohnet et al. 2022 (arXiv 2212.08037).
    """

    name = "rag"

    def __init__(
        self,
        llm: BaseLLM,
        answers: Answers,
        k: int,
        retrieval: Retrieval = "dense",
        diversity: float = 0.0,
        order: Order = "nearest_last",
        instruction: str = BRIEFLY,
    ) -> None:
        """Prepare to read k passages.

        Raises:
            BakeoffError: the prompt does not hold so many.
        """
        super().__init__(k, retrieval, diversity)
        if k > PASSAGES:
            raise BakeoffError(f"k of 1 to {PASSAGES} for rag, whose prompt quotes so many passages", f"{k}", "lower k")
        self._llm, self._answers, self._order, self._instruction = llm, answers, order, instruction

    def _replies(self, texts: Sequence[str], found: Sequence[Sequence[Evidence]]) -> "list[Reply]":
        places = [self._places(text, len(evidence)) for text, evidence in zip(texts, found, strict=True)]
        prompts = [
            answer_prompt([], f"{text}\n{self._instruction}", [evidence[place] for place in own], [])
            for text, evidence, own in zip(texts, found, places, strict=True)
        ]
        replies = (
            replace(reply, cited=tuple(own[number - 1] + 1 for number in reply.cited if 1 <= number <= len(own)))
            for reply, own in zip(_replies(self._llm, self._answers, prompts), places, strict=True)
        )
        return [_attributed(*row) for row in zip(replies, texts, found, strict=True)]

    def _places(self, text: str, size: int) -> list[int]:
        """Return the ranks of the passages, from 0, in the order of the prompt; it depends on the question alone."""
        if self._order == "random":
            return [int(rank) for rank in np.random.default_rng(int(fingerprint(text), 16)).permutation(size)]
        return list(reversed(range(size))) if self._order == "nearest_last" else list(range(size))


class NearestSentence(_Reader):
    """Answers with the sentence nearest to the question, of those in the passages found: retrieval without an LLM."""

    name = "knn"

    def _replies(self, texts: Sequence[str], found: Sequence[Sequence[Evidence]]) -> "list[Reply]":
        return [self._nearest(text, evidence) for text, evidence in zip(texts, found, strict=True)]

    def _nearest(self, text: str, found: Sequence[Evidence]) -> "Reply":
        assert self._index is not None
        pairs = [(sentence, number) for number, item in enumerate(found, 1) for sentence in sentences(item.text)]
        vectors = self._index.embedder.embed([text, *(sentence for sentence, _ in pairs)])
        sentence, number = pairs[int(np.argmax(vectors[1:] @ vectors[0]))]
        return Reply(sentence, (number,))


@dataclass(frozen=True)
class Reply:
    """An answer in words, "" to abstain, and the numbers of the passages it cites, from 1; or an error instead."""

    text: str = ""
    cited: tuple[int, ...] = ()
    tokens: int = 0
    output_tokens: int = 0
    error: Exception | None = None
    saved_seconds: float = 0.0


def write(llm: BaseLLM, prompts: Sequence[list[BaseMessage]]) -> list[Words]:
    """Let a base LLM write a short answer to each prompt."""
    if not prompts:
        return []
    chat, width = (_brief(llm.chat), 1) if llm.embedded else (llm.chat, settings().concurrency)
    messages = chat.batch(list(prompts), config={"max_concurrency": width}, return_exceptions=True)
    return [_words(message) for message in messages]


def _words(message: object) -> Words:
    if isinstance(message, Exception):
        return Words(failure=message)
    assert isinstance(message, BaseMessage)
    usage = getattr(message, "usage_metadata", None)
    tokens, written = (usage["total_tokens"], usage["output_tokens"]) if usage else (0, 0)
    return Words(str(message.text), tokens, output_tokens=written)


def _brief(chat: BaseChatModel) -> BaseChatModel:
    """Return the embedded model such that it writes little and may repeat its prompt, whose words are the answer."""
    assert isinstance(chat, EmbeddedChat)
    _ = chat.network  # loaded once, and shared by the copy
    return chat.model_copy(update=BRIEF)


def _replies(llm: BaseLLM, answers: Answers, prompts: Sequence[list[BaseMessage]]) -> list[Reply]:
    """Return the base LLM's short answer to each prompt."""
    options = BRIEF if llm.embedded else {}
    return [_reply(words) for words in answers.words(llm, prompts, lambda some: write(llm, some), options)]


def _reply(words: Words) -> Reply:
    """Return what is said; of what an LLM writes, the first line with something counts."""
    if words.failure is not None:
        return Reply(error=words.failure)
    line = next((line for line in words.text.splitlines() if line.strip()), "")
    cited = tuple(int(number) for number in re.findall(r"\[(\d+)\]", line))
    text = " ".join(re.sub(r"\[\d+\]", " ", line).split())
    known = not normalised(text).startswith(UNKNOWN)
    said = (text, cited) if known else ("", ())
    return Reply(*said, words.tokens, words.output_tokens, saved_seconds=words.saved_seconds)


def _attributed(reply: Reply, question: str, found: Sequence[Evidence]) -> Reply:
    """Return a reply that cites: the passages it names, else the one with most of its words beyond the question's."""
    if not reply.text or reply.cited:
        return reply
    words = set(normalised(reply.text).split()) - set(normalised(question).split())
    shared = [len(words & set(normalised(item.text).split())) for item in found]
    return replace(reply, cited=(int(np.argmax(shared)) + 1,) if any(shared) else ())


def _prediction(reply: Reply, found: Sequence[Evidence], before: LabelScores | None = None) -> Prediction:
    """Return a reply as a prediction, its evidence the sources of all passages found, the cited ones marked.

    What was asked `before`, to know whether to answer, is counted with it; where either was asked now, both were.
    """
    before = before or LabelScores()
    tokens, written = before.tokens + reply.tokens, before.output_tokens + reply.output_tokens
    asked_now = any(part.tokens and not part.saved_seconds for part in (before, reply))
    saved = 0.0 if asked_now else before.saved_seconds + reply.saved_seconds
    if reply.error is not None:
        told = reply.error
        why = str(told) if isinstance(told, BakeoffError) else f"{type(told).__name__}: {reason(told)}"
        kind = "permanent" if isinstance(told, BakeoffError) else kind_of(told)
        unread = [item.source for item in found]
        return Prediction(None, why, {}, unread, tokens, kind, output_tokens=written)
    sources = [item.source + (CITED if number in reply.cited else "") for number, item in enumerate(found, 1)]
    return Prediction(reply.text, None, {}, sources, tokens, saved_seconds=saved, output_tokens=written)


def sentences(text: str) -> list[str]:
    """Return the sentences of a passage, headings and items of lists among them."""
    paragraphs = re.split(r"\n\s*\n|\n(?=[#*\-|] ?)", text)
    found = [s for one in paragraphs for s in re.split(r"(?<=[.!?])\s+(?=\S)", " ".join(one.split()))]
    return [sentence for sentence in found if re.search(r"\w", sentence)] or [text]
