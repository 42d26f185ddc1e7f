"""How likely is each label, says the base LLM whose weights we hold: exactly."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import BakeoffError
from lab.llm.embedded import EmbeddedChat
from lab.llm.labels import LabelPrompt, LabelScores

if TYPE_CHECKING:
    import torch


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
                results[index] = LabelScores(failure=str(error), failure_kind="permanent")
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


def _common_prefix(sequences: list[list[int]]) -> int:
    """Return how many leading tokens all sequences share, leaving at least one of each to read."""
    if len(sequences) < 2:
        return 0
    low, high = min(sequences), max(sequences)
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return min(shared, min(map(len, sequences)) - 1)
