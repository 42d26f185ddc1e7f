"""What this processor reaches in matrix products alone, which is what a share of its peak is a share of."""

import statistics
import time
from collections.abc import Callable

import torch

# Rows, inner size, columns: some square, some as in BERT's layers.
PRODUCTS = ((1024, 1024, 1024), (2048, 2048, 2048), (512, 384, 1536), (512, 1536, 384), (4096, 384, 1536))


def torch_peak(precision: str) -> float:
    """Return the GFLOP/s of PyTorch's best product in "float32" or "bfloat16"."""
    dtype = getattr(torch, precision)

    def product(rows: int, inner: int, columns: int) -> Callable[[], object]:
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
        return lambda: torch.nn.functional.linear(left, right)

    return max(_gflops(product(*sizes), *sizes) for sizes in PRODUCTS)


def _gflops(product: Callable[[], object], rows: int, inner: int, columns: int) -> float:
    repeats = max(1, int(2e9 / (2 * rows * inner * columns)))  # some 10 to 100 ms each
    rates = []
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(repeats):
            product()
        rates.append(2 * rows * inner * columns * repeats / (time.perf_counter() - start) / 1e9)
    return statistics.median(rates[1:])
