"""How fast this machine does what arms are made of: each kind of work is timed once, on a few of the suite's texts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from evals.suite import Suite
from finetune import Hyperparameters
from lab.datasets import Dataset, Example
from lab.errors import BakeoffError
from lab.llm import BaseLLM, LabelPrompt

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

EMBEDDED, COUNTED = 48, 32  # texts that are embedded, prompts whose tokens are counted
TIMED_TOKENS, FEWEST, MOST = 900, 3, 16  # of the prompts that an embedded LLM reads to be timed
BYTES = 4  # of UTF-8 in a token of a remote LLM, whose tokenizer is not here
LONGEST = 200_000  # characters of a text that are tokenized: no embedded LLM reads as many
TURN, WRITTEN = 4, 8  # tokens around each turn of a chat; those that a remote LLM may write for a label
WORDS, WRITTEN_WORDS = 2, 40  # answers in words that are timed; tokens of one that a remote LLM may write
T = TypeVar("T", str, LabelPrompt)


@dataclass(frozen=True)
class TrainingRate:
    """Seconds of one training: for loading the model, per step, per validation text."""

    setup: float
    step: float
    validation: float


@dataclass(frozen=True)
class PromptRate:
    """Tokens of one prompt, read and written, and its seconds, which of a remote LLM are unknown (None).

    Attributes:
        too_long: share of the prompts that do not fit the LLM, in [0, 1].
    """

    read: float
    written: float
    seconds: float | None
    too_long: float = 0.0


class Rates:
    """Measured when they are first asked for; no remote LLM is asked, and nothing is left behind."""

    def __init__(self, suite: Suite, train: Dataset, validation: Dataset, asked: Sequence[str]) -> None:
        """Measure on these parts.

        Args:
            suite: whose instruction the LLM is given.
            train: what is learned at first.
            validation: what choices are made on.
            asked: texts that are to be answered.
        """
        self._suite, self._train, self._validation = suite, train, validation
        self._texts = _spread(asked, EMBEDDED)
        self._trainings: dict[str, TrainingRate] = {}
        self._readings: dict[str, float] = {}
        self._prompts: dict[tuple[str, str], PromptRate] = {}

    @cached_property
    def embedding(self) -> float:
        """Return the seconds in which one training text is embedded for retrieval; storing it adds about a tenth."""
        from lab.embeddings import Embedder

        return _seconds(Embedder.load().embed, _spread(self._train.texts, EMBEDDED))

    def training(self, base: str, knobs: Hyperparameters) -> TrainingRate:
        """Return the rates of fine-tuning `base`, by `bakeoff train --estimate`'s few real steps.

        Raises:
            BakeoffError: the base cannot be loaded.
        """
        key = f"{base} {knobs.model_copy(update={'seed': 0, 'num_train_epochs': 1}).model_dump_json()}"
        if key not in self._trainings:
            self._trainings[key] = self._time_training(base, knobs.resolved())
        return self._trainings[key]

    def _time_training(self, base: str, knobs: Hyperparameters) -> TrainingRate:
        from finetune.estimate import estimate_training
        from finetune.folder import TrainingFolder
        from finetune.methods import prepare
        from finetune.schedule import Schedule
        from lab.workspace import Workspace

        nowhere = TrainingFolder(Workspace.current().trainings)
        prepare(base, knobs, self._train.labels, nowhere)  # what is loaded but once in a process is not counted
        start = time.perf_counter()
        training = prepare(base, knobs, self._train.labels, nowhere)
        loading = time.perf_counter() - start
        estimate, schedule = (
            estimate_training(training, self._train, self._validation),
            Schedule.of(len(self._train), knobs),
        )
        watching = max(0.0, estimate.seconds - estimate.seconds_per_step * schedule.total_steps)
        validation = watching / (schedule.validations * len(self._validation))
        return TrainingRate(loading, estimate.seconds_per_step, validation)

    def classifying(self, base: str, knobs: Hyperparameters) -> float:
        """Return the seconds in which a classifier on `base` reads one text: a linear probe's, for heads are quick.

        Raises:
            BakeoffError: the base cannot be loaded.
        """
        key = f"{base} {knobs.max_length}"
        if key not in self._readings:
            from finetune import Classifier

            few = self._train.subset(self._train.targets.index(label) for label in self._train.labels)
            probe = Classifier(base, knobs.model_copy(update={"method": "probe"})).fit(few, few)
            self._readings[key] = _seconds(probe.predict_proba, self._texts)
        return self._readings[key]

    def labelling(self, llm: str, shots: int) -> PromptRate:
        """Return the rates of asking `llm` for a label after `shots` examples, taken at random from the training part.

        Raises:
            BakeoffError: there is no such LLM, or its key is missing.
        """
        return self._prompting(llm, f"{shots} examples", lambda: self._label_prompts(shots), self._train.labels)

    def knowing(self, llm: str) -> PromptRate:
        """Return the rates of asking `llm` whether it knows an answer; raises as `labelling` does."""
        from evals.approaches.answering import KNOWS

        return self._prompting(llm, "knows", lambda: [LabelPrompt(KNOWS, text) for text in self._texts], ["yes", "no"])

    def answering(self, llm: str, passages: int) -> PromptRate:
        """Return the rates of an answer in words out of so many passages; raises as `labelling` does."""
        key = (llm, f"{passages} passages")
        if key not in self._prompts:
            from lab.llm import resolve_llm

            found = resolve_llm(llm)
            self._prompts[key] = _answering(found, self._answer_prompts(passages, WORDS if found.embedded else COUNTED))
        return self._prompts[key]

    def reading(self, passages: int) -> float:
        """Return the seconds in which the sentences of so many passages are embedded beside a question."""
        from evals.approaches.answering import sentences
        from lab.embeddings import Embedder

        found = [one for text in _spread(self._train.texts, passages) for one in sentences(text)]
        return _seconds(lambda texts: Embedder.load().embed(texts), found) * len(found)

    def _prompting(
        self, llm: str, asked: str, make: Callable[[], list[LabelPrompt]], labels: Sequence[str]
    ) -> PromptRate:
        if (llm, asked) not in self._prompts:
            from lab.llm import resolve_llm

            found = resolve_llm(llm)
            self._prompts[llm, asked] = _scoring(found, make(), labels) if found.embedded else _counted(make())
        return self._prompts[llm, asked]

    def _label_prompts(self, shots: int) -> list[LabelPrompt]:
        from evals.approaches.labelling import fill

        instruction = fill(self._suite.instruction, self._train.labels)
        shown = [tuple((one.text, one.label) for one in self._drawn(shots, turn)) for turn in range(COUNTED)]
        return [
            LabelPrompt(instruction, text, own) for text, own in zip(_spread(self._texts, COUNTED), shown, strict=False)
        ]

    def _answer_prompts(self, passages: int, size: int) -> "list[list[BaseMessage]]":
        from agents.prompts import answer_prompt
        from rag import Evidence

        texts = _spread(self._texts, size)
        drawn = [self._drawn(passages, turn) for turn in range(len(texts))]
        found = [[Evidence(one.text, one.source, (0, 0), 0.0) for one in own] for own in drawn]
        asked = [f"{text}\n{self._suite.instruction}" for text in texts]
        return [answer_prompt([], question, own, []) for question, own in zip(asked, found, strict=True)]

    def _drawn(self, size: int, turn: int) -> tuple[Example, ...]:
        """Return training examples at random, in place of those that retrieval would find."""
        order = np.random.default_rng((self._suite.seed, turn)).permutation(len(self._train))
        return self._train.subset(map(int, order[:size])).examples


def _scoring(llm: BaseLLM, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> PromptRate:
    """Count the tokens of all prompts that fit, and time some; the first one loads the LLM and warms it up."""
    lengths = [(prompt, _tokens(llm, prompt)) for prompt in prompts]
    fitting = [(prompt, tokens) for prompt, tokens in lengths if tokens]
    if not fitting:
        return PromptRate(0.0, 0.0, 0.0, too_long=1.0)
    mean = float(np.mean([tokens for _, tokens in fitting]))
    timed = _spread([prompt for prompt, _ in fitting], int(np.clip(TIMED_TOKENS // mean, FEWEST, MOST)))
    llm.score_labels(timed[:1], labels)
    start = time.perf_counter()
    read = sum(scores.tokens for scores in llm.score_labels(timed, labels))
    return PromptRate(mean, 0.0, (time.perf_counter() - start) * mean / read, 1 - len(fitting) / len(prompts))


def _answering(llm: BaseLLM, prompts: "Sequence[list[BaseMessage]]") -> PromptRate:
    """Let an embedded LLM answer in words, timed; of a remote one only count the tokens."""
    from evals.approaches.answering import write

    if not llm.embedded:
        return _counted(prompts, WRITTEN_WORDS)
    write(llm, prompts[:1])
    start = time.perf_counter()
    tokens = sum(words.tokens for words in write(llm, prompts))
    return PromptRate(tokens / len(prompts), 0.0, (time.perf_counter() - start) / len(prompts))


def _tokens(llm: BaseLLM, prompt: LabelPrompt) -> int:
    """Return how many tokens of a prompt an embedded LLM reads; 0 for one that does not fit it."""
    from lab.llm.embedded import EmbeddedChat

    assert isinstance(llm.chat, EmbeddedChat)
    try:
        return len(llm.chat.encode(llm.chat.render(replace(prompt, text=prompt.text[:LONGEST]).messages())))
    except BakeoffError:
        return 0


def _counted(prompts: "Sequence[LabelPrompt | list[BaseMessage]]", written: float = WRITTEN) -> PromptRate:
    """Return the tokens of prompts for a remote LLM, from the bytes they have; nothing is asked."""
    turns = [prompt.messages() if isinstance(prompt, LabelPrompt) else prompt for prompt in prompts]
    read = [sum(len(message.text.encode()) / BYTES + TURN for message in own) for own in turns]
    return PromptRate(float(np.mean(read)), written, None)


def _seconds(work: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Return the seconds of `work` per text; a first text only warms up."""
    work(texts[:1])
    start = time.perf_counter()
    work(texts)
    return (time.perf_counter() - start) / len(texts)


def _spread(items: Sequence[T], size: int) -> list[T]:
    """Return at most `size` items, evenly spaced from the shortest to the longest, which cost what all cost."""
    ordered = sorted(items, key=lambda item: len(item if isinstance(item, str) else item.text))
    size = min(size, len(ordered))
    return [ordered[(2 * number + 1) * len(ordered) // (2 * size)] for number in range(size)]
