"""Texts to what a model says of them: tokens in batches of like length, through PyTorch or ONNX Runtime."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.devices import usable_cores
from lab.errors import BakeoffError
from lab.redact import reason
from lab.workspace import read_json

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

WINDOW = 4096  # texts that are held as tokens at once
# Tokens of a batch. What a layer makes of 1,024 tokens stays in a core's cache: of 438 passages, 8,192 took 1.4 times
# as long. PyTorch on a GPU wants many, to be busy.
ONNX_TOKENS, TORCH_TOKENS, GPU_TOKENS = 1024, 2048, 16_384
# A pass that ONNX Runtime does slowly on CPUs: with it, the same texts took 1.15 times as long.
UNWANTED = ["SkipLayerNormFusion"]
Forward = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True)
class Runtime:
    """A tokenizer and the model behind it.

    Attributes:
        padding: the token that fills a batch up.
        forward: input_ids and attention_mask, each (batch, tokens), to outputs, (batch, width).
        width: how many outputs a text has; of a classifier its labels, of an embedding model its dimension.
        kind: what computes: "torch", "onnx float32" or "onnx int8".
        batch_tokens: at most how many tokens go through the model together, padding included.
        workers: how many batches go through it at once.
    """

    tokenizer: "Tokenizer"
    padding: int
    forward: Forward
    width: int
    kind: str
    batch_tokens: int
    workers: int = 1

    def outputs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return what the model says of each text, shape (len(texts), width); of a classifier, its logits."""
        result = np.empty((len(texts), self.width), dtype=np.float32)
        for first in range(0, len(texts), WINDOW):
            self._fill(result[first : first + WINDOW], texts[first : first + WINDOW])
        return result

    def _fill(self, result: NDArray[np.float32], texts: Sequence[str]) -> None:
        """Write what the model says of each text into its row of `result`."""
        rows = [row.ids for row in self.tokenizer.encode_batch_fast(list(texts))]

        def compute(batch: list[int]) -> None:
            result[batch] = self.forward(*self._padded([rows[index] for index in batch]))

        batches = batches_by_length([len(row) for row in rows], self.batch_tokens)
        if self.workers == 1 or len(batches) == 1:
            for batch in batches:
                compute(batch)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(compute, batches):
                pass

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of tokens as input_ids and attention_mask, each (len(rows), longest)."""
        lengths = np.array([[len(row)] for row in rows])
        mask = np.arange(max(1, lengths.max())) < lengths
        ids = np.full(mask.shape, self.padding, dtype=np.int64)
        ids[mask] = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        return ids, mask.astype(np.int64)

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


def batches_by_length(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Return the indices of texts in batches of like length, the longest first, each of at most `tokens` tokens.

    A batch is as wide as its longest text, so texts of like length hardly need padding; one text is always a batch.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not room:
            batches.append([])
            room = max(1, tokens // max(1, lengths[index]))
        batches[-1].append(index)
        room -= 1
    return batches


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
    width = forward(*_one_token()).shape[1]
    tokens = TORCH_TOKENS if model.device.type == "cpu" else GPU_TOKENS
    return Runtime(fast, int(tokenizer.pad_token_id), forward, width, "torch", tokens)


def onnx_runtime(model: Path, tokenizer: Path, max_length: int, kind: str) -> Runtime:
    """Return the runtime of an exported model and the tokenizer.json beside it; torch is not loaded.

    Each batch is computed by one thread, as many batches at once as there are cores: nothing waits for the slowest
    part of a layer, and no idle thread spins beside other processes.

    Raises:
        BakeoffError: the export or the tokenizer is damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=UNWANTED
        )
    except Exception as error:  # ONNX Runtime's errors have no base but this
        fix = f"remove {model.parent}, and run again"
        raise BakeoffError(f"an ONNX graph in {model}", reason(error), fix) from error
    try:
        pad_token = read_json(tokenizer.parent / "tokenizer_config.json", "pad_token")["pad_token"]
        fast = _fast(tokenizer.read_text(encoding="utf-8"), max_length)
    except Exception as error:  # nor have those of tokenizers
        if isinstance(error, BakeoffError):
            raise
        raise BakeoffError(f"a tokenizer in {tokenizer}", reason(error), "restore the file, or train again") from error

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {"input_ids": ids, "attention_mask": mask})[0])

    padding, width = int(fast.token_to_id(pad_token) or 0), forward(*_one_token()).shape[1]
    return Runtime(fast, padding, forward, width, f"onnx {kind}", ONNX_TOKENS, usable_cores())


def _fast(definition: str, max_length: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(definition)
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def _one_token() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest input there is, which shows how many outputs a model has."""
    return np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
