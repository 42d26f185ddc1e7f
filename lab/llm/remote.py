"""Labels from a chat API: by the log-probs of its first token, or an answer held to the labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages.ai import UsageMetadata

from lab.errors import BakeoffError
from lab.llm.failures import kind_of
from lab.llm.labels import LabelPrompt, LabelScores
from lab.llm.throttle import Throttle
from lab.redact import reason

CLEAR = 0.5  # share of the first token's probability that the labels must have together


@dataclass
class RemoteScorer:
    """The first token's log-probs where they tell the labels apart, else a constrained answer.

    A provider that refuses, times out or answers something else makes that prompt a failure, never a wrong label.

    Attributes:
        chat: makes no attempts of its own beyond the first: those are the throttle's.
        concurrency: requests at once, at most.
    """

    chat: BaseChatModel
    concurrency: int = 4
    name: str = "the LLM"
    _log_probs: bool = field(default=True, repr=False)

    def __post_init__(self) -> None:
        """Begin with all requests at once that are allowed."""
        self.throttle = Throttle(self.name, self.concurrency)

    def __call__(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Score all prompts, `concurrency` at a time; results stand in the order of the prompts."""
        from joblib import Parallel, delayed

        if not prompts:
            return []
        return list(
            Parallel(n_jobs=self.concurrency, backend="threading")(
                delayed(self._one)(prompt, labels) for prompt in prompts
            )
        )

    def _one(self, prompt: LabelPrompt, labels: Sequence[str]) -> LabelScores:
        try:
            scores = self._by_log_probs(prompt, labels) if self._log_probs else LabelScores()
            if scores.scores:
                return scores
            chosen = self._by_schema(prompt, labels)
            tokens, written = chosen.tokens + scores.tokens, chosen.output_tokens + scores.output_tokens
            return replace(chosen, tokens=tokens, output_tokens=written)
        except BakeoffError:
            raise
        except Exception as error:  # each provider's client has errors of its own
            return LabelScores(failure=f"{type(error).__name__}: {reason(error)}", failure_kind=kind_of(error))

    def _by_log_probs(self, prompt: LabelPrompt, labels: Sequence[str]) -> LabelScores:
        """Share the first token's probability out among the labels it begins; no scores if that tells too little."""
        try:
            answer = self.throttle.ask(
                lambda: self.chat.invoke(prompt.messages(), logprobs=True, top_logprobs=20, max_tokens=8)
            )
        except Exception as error:
            if "logprob" not in str(error).lower():
                raise
            self._log_probs = False  # the provider does not know the word: do not ask again
            return LabelScores()
        spent = _spent(answer.usage_metadata)
        content = (answer.response_metadata.get("logprobs") or {}).get("content") or []
        mass, unclear = dict.fromkeys(labels, 0.0), 0.0
        for candidate in content[0]["top_logprobs"] if content else []:
            begun = [label for label in labels if _begins(candidate["token"], label)]
            if len(begun) == 1:
                mass[begun[0]] += math.exp(candidate["logprob"])
            elif begun:
                unclear += math.exp(candidate["logprob"])
        total = sum(mass.values())
        if total < CLEAR or unclear > max(mass.values()):  # not about to say a label, or it may be one of several
            return spent
        return replace(spent, scores={label: share / total for label, share in mass.items()})

    def _by_schema(self, prompt: LabelPrompt, labels: Sequence[str]) -> LabelScores:
        """Ask for JSON whose one field is one of the labels."""
        schema = {
            "title": "Label",
            "description": "The label of the text.",
            "type": "object",
            "properties": {"label": {"type": "string", "enum": list(labels)}},
            "required": ["label"],
            "additionalProperties": False,
        }
        structured = self.chat.with_structured_output(schema, method="json_schema", include_raw=True)
        answer = self.throttle.ask(lambda: structured.invoke(prompt.messages()))
        assert isinstance(answer, dict)
        spent = _spent(answer["raw"].usage_metadata)
        chosen = (answer["parsed"] or {}).get("label")
        if chosen not in labels:
            failure = f"answered {answer['raw'].text[:80]!r}, which is no label"
            return replace(spent, failure=failure, failure_kind="permanent")
        return replace(spent, scores={label: float(label == chosen) for label in labels})


def _spent(usage: UsageMetadata | None) -> LabelScores:
    """Return an answer that says no more than what it took."""
    return LabelScores(tokens=usage["total_tokens"], output_tokens=usage["output_tokens"]) if usage else LabelScores()


def _begins(token: str, label: str) -> bool:
    word = token.strip().lower()
    return bool(word) and label.lower().startswith(word)
