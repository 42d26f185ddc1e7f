"""Labels from a base LLM, with its bias towards some of them divided out if that is wanted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from evals.answers import Answers
from evals.approach import Fit, Prediction, best
from evals.suite import Calibration
from lab.console import Console
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import BaseLLM, LabelPrompt, LabelScores

CONTENT_FREE = ("N/A", "[MASK]", "")  # the three of Zhao et al.
LEAST = 1e-6  # a label that is never likely would be divided by zero

MakePrompts = Callable[[Sequence[str]], list[LabelPrompt]]


class Labeller:
    """Scores labels with a base LLM and divides each score by the LLM's prior for that label.

    The prior is what the LLM says in the same context (instruction and examples) without a text to judge: about
    "N/A", "[MASK]" and "" (content_free: Zhao et al. 2021, arXiv 2102.09690), or on average over texts (batch: Zhou
    et al. 2023, arXiv 2309.17249). Those are validation texts here, so that the prior is the same for every batch.
    """

    def __init__(
        self, llm: BaseLLM, answers: Answers, calibration: Calibration = "none", validation_texts: int = 200
    ) -> None:
        self._llm, self._answers = llm, answers
        self._calibration, self._validation_texts = calibration, validation_texts
        self._prior: LabelScores | None = None

    def learn(self, prompts: MakePrompts, labels: Sequence[str], validation: Dataset) -> Fit:
        """Estimate the prior where one serves all texts: for batch, and for content_free without examples.

        Raises:
            BakeoffError: the LLM answered none of the prompts.
        """
        texts = {"none": (), "content_free": CONTENT_FREE, "batch": validation.texts[: self._validation_texts]}
        start = time.perf_counter()
        asked = prompts(texts[self._calibration])
        self._prior = None
        if not asked or (self._calibration == "content_free" and any(prompt.shots for prompt in asked)):
            return Fit()
        if len(asked) > len(CONTENT_FREE):
            Console().note(f"{self._llm.name} is calibrated on {len(asked)} validation texts")
        self._prior = _mean(self._answers.scores(self._llm, asked, labels))
        if self._prior.failure:
            fix = f"check it with: bakeoff llm check {self._llm.name}, or set calibration: none"
            raise BakeoffError(f"answers of {self._llm.name} to calibrate on", self._prior.failure, fix)
        seconds = time.perf_counter() - start + self._prior.saved_seconds
        return Fit(seconds, tokens=self._prior.tokens, output_tokens=self._prior.output_tokens)

    def __call__(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Score every label for every prompt, in order."""
        if self._calibration == "content_free" and self._prior is None:
            return self._each_by_its_context(prompts, labels)
        scored = self._answers.scores(self._llm, prompts, labels)
        return [_without(self._prior, scores) for scores in scored] if self._prior else scored

    def _each_by_its_context(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Ask about the content-free texts after each prompt's own examples; their tokens are counted with it."""
        empty = [LabelPrompt(p.instruction, text, p.shots) for p in prompts for text in CONTENT_FREE]
        scored = self._answers.scores(self._llm, [*prompts, *empty], labels)
        answers, asides, size = scored[: len(prompts)], scored[len(prompts) :], len(CONTENT_FREE)
        priors = [_mean(asides[size * n : size * (n + 1)]) for n in range(len(prompts))]
        return [_without(prior, scores, counted=True) for scores, prior in zip(answers, priors, strict=True)]


def _mean(scored: Sequence[LabelScores]) -> LabelScores:
    """Return the mean of the scores that there are, and what all of them took."""
    answered = [scores.scores for scores in scored if scores.failure is None]
    means = {label: sum(s[label] for s in answered) / len(answered) for label in (answered or [{}])[0]}
    return replace(
        LabelScores(means) if answered else scored[0],
        tokens=sum(s.tokens for s in scored),
        output_tokens=sum(s.output_tokens for s in scored),
        saved_seconds=sum(s.saved_seconds for s in scored),
    )


def _without(prior: LabelScores, scores: LabelScores, counted: bool = False) -> LabelScores:
    """Return the scores divided by the prior's, so that they sum to 1 again; `counted` adds what the prior took."""
    if counted:
        scores = replace(
            scores,
            tokens=scores.tokens + prior.tokens,
            output_tokens=scores.output_tokens + prior.output_tokens,
            saved_seconds=scores.saved_seconds + prior.saved_seconds,
        )
    failed = next((one for one in (scores, prior) if one.failure is not None), None)
    if failed:
        return replace(scores, scores={}, failure=failed.failure, failure_kind=failed.failure_kind)
    ratios = {label: score / max(prior.scores[label], LEAST) for label, score in scores.scores.items()}
    total = sum(ratios.values())
    return replace(scores, scores={label: ratio / total for label, ratio in ratios.items()})


def fill(instruction: str, labels: Sequence[str]) -> str:
    """Return the instruction with its {labels} spelled out: "negative, neutral or positive"."""
    return instruction.replace("{labels}", " or ".join(filter(None, [", ".join(labels[:-1]), labels[-1]])))


def as_prediction(scores: LabelScores, evidence: Sequence[str] = ()) -> Prediction:
    """Return an LLM's label scores as a prediction; a failure stays one."""
    return Prediction(
        None if scores.failure is not None else best(scores.scores),
        scores.failure,
        scores.scores,
        evidence,
        scores.tokens,
        scores.failure_kind,
        scores.saved_seconds,
        scores.output_tokens,
    )
