"""How likely is each label, says the base LLM: exactly where we hold the weights, by log-probs elsewhere."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from lab.errors import BakeoffError
from lab.llm.embedded import EmbeddedChat
from lab.redact import reason

if TYPE_CHECKING:
    import torch

CLEAR = 0.5  # share of the first token's probability that the labels must have together


@dataclass(frozen=True)
class LabelPrompt:
    """A text to label, the instruction, and labelled examples to learn from, least to most similar."""

    instruction: str
    text: str
    shots: tuple[tuple[str, str], ...] = ()

    def messages(self) -> list[BaseMessage]:
        """Return the conversation whose next turn is the label."""
        turns: list[BaseMessage] = [SystemMessage(self.instruction)]
        for text, label in self.shots:
            turns += [HumanMessage(text), AIMessage(label)]
        return [*turns, HumanMessage(self.text)]


@dataclass(frozen=True)
class LabelScores:
    """A probability per label (they sum to 1), or the reason why there is none; `tokens` were read and written."""

    scores: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    failure: str | None = None


class LabelScorer(Protocol):
    """Scores every label for every prompt."""

    def __call__(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Return the scores in the order of the prompts."""
        ...


@dataclass
class LikelihoodScorer:
    """Exact log-likelihood of each whole label, in batches of similar length, the common prompt prefix read once.

    The score is log p(label | prompt), summed over the label's tokens, as in lm-evaluation-harness' multiple choice,
    then normalised over the labels.
    """

    chat: EmbeddedChat
    batch_tokens: int = 2048

    def __call__(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[LabelScores]:
        """Score all prompts; results stand in the order of the prompts."""
        rendered = [self.chat.render(prompt.messages()) for prompt in prompts]
        results, sequences = self._encode(rendered)
        if not sequences:
            return results
        endings = self._endings(labels, " " if rendered[0].endswith(":") else "")
        shared = _common_prefix(list(sequences.values()))
        for batch in self._batches({index: len(sequence) for index, sequence in sequences.items()}, shared):
            table = self._score([sequences[index] for index in batch], shared, endings)
            for index, row in zip(batch, table, strict=True):
                results[index] = LabelScores(dict(zip(labels, row, strict=True)), len(sequences[index]))
        return results

    def _encode(self, rendered: Sequence[str]) -> tuple[list[LabelScores], dict[int, list[int]]]:
        """Return the tokens of each prompt by its number; one that does not fit the model is a failure already."""
        results, sequences = [LabelScores() for _ in rendered], {}
        for index, text in enumerate(rendered):
            try:
                sequences[index] = self.chat.encode(text)
            except BakeoffError as error:
                results[index] = LabelScores(failure=str(error))
        return results, sequences

    def _endings(self, labels: Sequence[str], start: str) -> list[list[int]]:
        encode = self.chat.tokenizer
        return [encode(start + label, add_special_tokens=False)["input_ids"] for label in labels]

    def _batches(self, lengths: dict[int, int], shared: int) -> list[list[int]]:
        """Group prompts of similar length; a sliding-window model gets its long prompts one by one, without padding."""
        window = getattr(self.chat.network.config, "sliding_window", None) or math.inf
        batches: list[list[int]] = []
        for index in sorted(lengths, key=lambda number: lengths[number]):
            size = (lengths[index] - shared) * (len(batches[-1]) + 1) if batches else math.inf
            if size > self.batch_tokens or lengths[index] >= window - 64:
                batches.append([])
            batches[-1].append(index)
        return batches

    def _score(self, sequences: list[list[int]], shared: int, endings: list[list[int]]) -> list[list[float]]:
        """Return the probability of each ending after each sequence, shape (sequences, endings)."""
        import torch

        with torch.inference_mode():
            cache = self._read_prefix(sequences[0][:shared], len(sequences)) if shared else None
            tails = [sequence[shared:] for sequence in sequences]
            mask, output = self._read(tails, shared, cache)
            first = output.logits[:, -1].float().log_softmax(-1)
            totals = torch.stack([first[:, ending[0]] for ending in endings], dim=1)
            for column, ending in enumerate(endings):
                if len(ending) > 1:
                    totals[:, column] += self._rest(ending, mask, copy.deepcopy(output.past_key_values))
            return totals.softmax(-1).tolist()

    def _read_prefix(self, prefix: list[int], copies: int) -> Any:
        import torch

        ids = torch.tensor([prefix], device=self.chat.network.device)
        cache = self.chat.network(ids, use_cache=True, logits_to_keep=1).past_key_values
        cache.batch_repeat_interleave(copies)
        return cache

    def _read(self, tails: list[list[int]], shared: int, cache: Any) -> "tuple[torch.Tensor, Any]":
        """Read the prompts' own parts, padded on the left so that all end together."""
        import torch

        width = max(map(len, tails))
        pad = self.chat.tokenizer.pad_token_id or 0
        device = self.chat.network.device
        ids = torch.tensor([[pad] * (width - len(tail)) + tail for tail in tails], device=device)
        own = torch.tensor([[0] * (width - len(tail)) + [1] * len(tail) for tail in tails], device=device)
        mask = torch.cat([torch.ones(len(tails), shared, dtype=own.dtype, device=device), own], dim=1)
        output = self.chat.network(
            ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, shared:],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return mask, output

    def _rest(self, ending: list[int], mask: "torch.Tensor", cache: Any) -> "torch.Tensor":
        """Return the log-likelihood of an ending's second and later tokens, for every sequence of the batch."""
        import torch

        rows = mask.shape[0]
        ids = torch.tensor([ending[:-1]] * rows, device=mask.device)
        whole = torch.cat([mask, torch.ones_like(ids)], dim=1)
        positions = (whole.cumsum(1) - 1)[:, -ids.shape[1] :]
        output = self.chat.network(ids, attention_mask=whole, position_ids=positions, past_key_values=cache)
        targets = torch.tensor([ending[1:]] * rows, device=mask.device).unsqueeze(-1)
        likelihoods: torch.Tensor = output.logits.float().log_softmax(-1).gather(-1, targets)
        return likelihoods.squeeze(-1).sum(-1)


@dataclass
class RemoteScorer:
    """Labels from a chat API: the first token's log-probs where they tell the labels apart, else a constrained answer.

    A provider that refuses, times out or answers something else makes that prompt a failure, never a wrong label.
    """

    chat: BaseChatModel
    concurrency: int = 4
    _log_probs: bool = field(default=True, repr=False)

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
            return replace(chosen, tokens=chosen.tokens + scores.tokens)
        except BakeoffError:
            raise
        except Exception as error:  # each provider's client has errors of its own
            return LabelScores(failure=f"{type(error).__name__}: {reason(error)}")

    def _by_log_probs(self, prompt: LabelPrompt, labels: Sequence[str]) -> LabelScores:
        """Share the first token's probability out among the labels it begins; no scores if that tells too little."""
        try:
            answer = self.chat.invoke(prompt.messages(), logprobs=True, top_logprobs=20, max_tokens=8)
        except Exception as error:
            if "logprob" not in str(error).lower():
                raise
            self._log_probs = False  # the provider does not know the word: do not ask again
            return LabelScores()
        tokens = answer.usage_metadata["total_tokens"] if answer.usage_metadata else 0
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
            return LabelScores(tokens=tokens)
        return LabelScores({label: share / total for label, share in mass.items()}, tokens)

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
        answer = structured.invoke(prompt.messages())
        assert isinstance(answer, dict)
        usage = answer["raw"].usage_metadata
        tokens = usage["total_tokens"] if usage else 0
        chosen = (answer["parsed"] or {}).get("label")
        if chosen not in labels:
            return LabelScores(tokens=tokens, failure=f"answered {answer['raw'].text[:80]!r}, which is no label")
        return LabelScores({label: float(label == chosen) for label in labels}, tokens)


def _begins(token: str, label: str) -> bool:
    word = token.strip().lower()
    return bool(word) and label.lower().startswith(word)


def _common_prefix(sequences: list[list[int]]) -> int:
    """Return how many leading tokens all sequences share, leaving at least one of each to read."""
    if len(sequences) < 2:
        return 0
    low, high = min(sequences), max(sequences)
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return min(shared, min(map(len, sequences)) - 1)
