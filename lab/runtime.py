"""Texts to what a model says of them: tokens in batches of like length, through PyTorch, ONNX Runtime or OpenVINO."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from threading import Lock
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
# as long. PyTorch on a GPU wants many, to be busy; so does OpenVINO, which parts a batch among the cores.
ONNX_TOKENS, TORCH_TOKENS, OPENVINO_TOKENS, GPU_TOKENS = 1024, 2048, 4096, 16_384
# OpenVINO computes a text alike beside whatever others, if only its batch has the same width: texts are filled up to a
# multiple of this many tokens, and those of another multiple go into another batch.
STEP = 8
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}  # as OpenVINO calls them
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
        kind: what computes: "torch", or such as "onnx int8" and "openvino bfloat16".
        batch_tokens: at most how many tokens go through the model together, padding included.
        workers: how many batches go through it at once.
        step: batches are a multiple of so many tokens wide, and a text's width does not depend on the others; 0: no.
    """

    tokenizer: "Tokenizer"
    padding: int
    forward: Forward
    width: int
    kind: str
    batch_tokens: int
    workers: int = 1
    step: int = 0

    def outputs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return what the model says of each text, shape (len(texts), width); of a classifier, its logits."""
        result = np.empty((len(texts), self.width), dtype=np.float32)
        for first in range(0, len(texts), WINDOW):
            self._fill(result[first : first + WINDOW], texts[first : first + WINDOW])
        return result

    def _fill(self, result: NDArray[np.float32], texts: Sequence[str]) -> None:
        """Write what the model says of each text into its row of `result`."""
        rows = [row.ids for row in self.tokenizer.encode_batch_fast(list(texts))]
        widths = [self._width(len(row)) for row in rows]

        def compute(batch: list[int]) -> None:
            result[batch] = self.forward(*self._padded([rows[index] for index in batch], widths[batch[0]]))

        batches = batches_by_length(widths, self.batch_tokens, bool(self.step))
        if self.workers == 1 or len(batches) == 1:
            for batch in batches:
                compute(batch)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(compute, batches):
                pass

    def _width(self, length: int) -> int:
        """Return how wide a text of so many tokens is at least."""
        if not self.step:
            return max(1, length)
        longest = int((self.tokenizer.truncation or {}).get("max_length", length))
        return max(1, min(longest, -(-length // self.step) * self.step))

    def _padded(self, rows: Sequence[Sequence[int]], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of tokens as input_ids and attention_mask, each (len(rows), width)."""
        mask = np.arange(width) < np.array([[len(row)] for row in rows])
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


def batches_by_length(lengths: Sequence[int], tokens: int, same: bool = False) -> list[list[int]]:
    """Return the indices of texts in batches of like length, the longest first, each of at most `tokens` tokens.

    A batch is as wide as its longest text, so texts of like length hardly need padding; one text is always a batch.
    With `same`, all texts of a batch have the same length.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not room or (same and lengths[index] != lengths[batches[-1][0]]):
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
        raise _no_graph(model, error) from error

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {"input_ids": ids, "attention_mask": mask})[0])

    fast, padding = _tokenizer(tokenizer, max_length)
    width = forward(*_one_token()).shape[1]
    return Runtime(fast, padding, forward, width, f"onnx {kind}", ONNX_TOKENS, usable_cores())


def openvino_runtime(model: Path, tokenizer: Path, max_length: int, precision: str) -> Runtime:
    """Return the runtime of an exported model and the tokenizer.json beside it; torch is not loaded.

    What it says of a text is the same to the last bit beside whatever other texts.

    Args:
        model: an ONNX graph.
        tokenizer: its file.
        max_length: the longest text in tokens.
        precision: as the settings name it; for "auto" OpenVINO takes what the processor multiplies natively.

    Raises:
        BakeoffError: the export or the tokenizer is damaged.
    """
    import openvino

    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": usable_cores(), "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    if precision != "auto":
        options["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision]
    try:
        compiled = openvino.Core().compile_model(str(model), "CPU", options)
    except RuntimeError as error:
        what = str(error).strip().splitlines()[-1:]  # the lines before name places in OpenVINO's source
        raise _no_graph(model, RuntimeError(*what)) from error
    request, busy = compiled.create_infer_request(), Lock()

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        with busy:  # a request computes one batch at a time, on all cores
            return np.asarray(request.infer({"input_ids": ids, "attention_mask": mask})[0])

    fast, padding = _tokenizer(tokenizer, max_length)
    width = forward(*_one_token()).shape[1]
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    kind = f"openvino {next((name for name, short in PRECISIONS.items() if short == taken), taken)}"
    return Runtime(fast, padding, forward, width, kind, OPENVINO_TOKENS, step=STEP)


def _no_graph(model: Path, error: Exception) -> BakeoffError:
    return BakeoffError(f"an ONNX graph in {model}", reason(error), f"remove {model.parent}, and run again")


def _tokenizer(path: Path, max_length: int) -> "tuple[Tokenizer, int]":
    """Return a tokenizer and its token for padding.

    Raises:
        BakeoffError: the file is damaged.
    """
    try:
        pad_token = read_json(path.parent / "tokenizer_config.json", "pad_token")["pad_token"]
        fast = _fast(path.read_text(encoding="utf-8"), max_length)
    except Exception as error:  # those of tokenizers have no base but this
        if isinstance(error, BakeoffError):
            raise
        raise BakeoffError(f"a tokenizer in {path}", reason(error), "restore the file, or train again") from error
    return fast, int(fast.token_to_id(pad_token) or 0)


def _fast(definition: str, max_length: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(definition)
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def _one_token() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest input there is, which shows how many outputs a model has."""
    return np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
