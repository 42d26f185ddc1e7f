"""Texts to probabilities: tokens in batches of like length through a model, in PyTorch or in ONNX Runtime."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

BATCH = 32
WINDOW = 4096  # texts that a stream holds at once
Forward = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True)
class Runtime:
    """A tokenizer and the model behind it.

    Attributes:
        padding: the token that fills a batch up.
        forward: input_ids and attention_mask, each (batch, tokens), to outputs, (batch, width).
        width: how many outputs a text has; of a classifier, its labels.
        kind: what computes: "torch", "onnx float32" or "onnx int8".
    """

    tokenizer: "Tokenizer"
    padding: int
    forward: Forward
    width: int
    kind: str

    def outputs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return what the model says of each text, shape (len(texts), width); of a classifier, its logits."""
        result = np.zeros((len(texts), self.width), dtype=np.float32)
        for first in range(0, len(texts), WINDOW):
            rows = [row.ids for row in self.tokenizer.encode_batch_fast(list(texts[first : first + WINDOW]))]
            order = sorted(range(len(rows)), key=lambda index: len(rows[index]))  # like lengths together: no padding
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                result[[first + index for index in batch]] = self.forward(*self._padded([rows[i] for i in batch]))
        return result

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of tokens as input_ids and attention_mask, each (len(rows), longest)."""
        longest = max(map(len, rows))
        ids = np.array([[*row, *[self.padding] * (longest - len(row))] for row in rows], dtype=np.int64)
        lengths = np.array([[len(row)] for row in rows])
        return ids, (np.arange(longest) < lengths).astype(np.int64)

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the probability of each label for each text, shape (len(texts), width)."""
        logits = self.outputs(texts)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def stream(self, texts: Iterable[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield each text with its probabilities, in order, holding a window of them at a time."""
        waiting = iter(texts)
        while window := list(islice(waiting, WINDOW)):
            yield from zip(window, self.predict_proba(window), strict=True)


def torch_runtime(call: "Callable[..., torch.Tensor]", model: Any, tokenizer: Any, max_length: int) -> Runtime:
    """Return the runtime of a PyTorch model.

    Args:
        call: input_ids and attention_mask to outputs, (batch, width).
        model: the module that `call` uses; it is put into evaluation mode.
        tokenizer: of Hugging Face's fast ones.
        max_length: the longest text in tokens.
    """
    import torch

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            outputs = call(*(torch.from_numpy(array).to(model.device) for array in (ids, mask)))
            return np.asarray(outputs.float().cpu().numpy())

    model.eval()
    fast = _fast(tokenizer.backend_tokenizer.to_str(), max_length)
    return Runtime(fast, int(tokenizer.pad_token_id), forward, forward(*_one_token()).shape[1], "torch")


def onnx_runtime(model: Path, tokenizer: Path, max_length: int, kind: str) -> Runtime:
    """Return the runtime of an exported model and the tokenizer.json beside it; torch is not loaded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {"input_ids": ids, "attention_mask": mask})[0])

    pad_token = json.loads((tokenizer.parent / "tokenizer_config.json").read_text(encoding="utf-8"))["pad_token"]
    fast = _fast(tokenizer.read_text(encoding="utf-8"), max_length)
    return Runtime(
        fast, int(fast.token_to_id(pad_token) or 0), forward, forward(*_one_token()).shape[1], f"onnx {kind}"
    )


def _fast(definition: str, max_length: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(definition)
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def _one_token() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest input there is, which shows how many outputs a model has."""
    return np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
