"""What this processor reaches in matrix products alone, which is what a share of its peak is a share of."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from lab.devices import usable_cores

# Rows, inner size, columns: some square, some as in BERT's layers.
PRODUCTS = ((1024, 1024, 1024), (2048, 2048, 2048), (512, 384, 1536), (512, 1536, 384), (4096, 384, 1536))
OPSET = 18


def torch_peak(precision: str) -> float:
    """Return the GFLOP/s of PyTorch's best product in "float32" or "bfloat16"."""
    dtype = getattr(torch, precision)

    def product(rows: int, inner: int, columns: int) -> Callable[[], object]:
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
        return lambda: torch.nn.functional.linear(left, right)

    return max(_gflops(product(*sizes), *sizes) for sizes in PRODUCTS)


def float32_peak() -> float:
    """Return the GFLOP/s of the best float32 product, PyTorch's or ONNX Runtime's, whichever is faster here."""
    return max(torch_peak("float32"), *(_gflops(_onnx_product(*sizes), *sizes) for sizes in PRODUCTS))


def _onnx_product(rows: int, inner: int, columns: int) -> Callable[[], object]:
    """Return a product by a constant matrix, as a layer's weights are, on all cores."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, inner])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, columns])],
        [numpy_helper.from_array(random.standard_normal((inner, columns), dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    left = random.standard_normal((rows, inner), dtype=np.float32)
    return lambda: session.run(None, {"x": left})


def _gflops(product: Callable[[], object], rows: int, inner: int, columns: int) -> float:
    repeats = max(1, int(2e9 / (2 * rows * inner * columns)))  # some 10 to 100 ms each
    rates = []
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(repeats):
            product()
        rates.append(2 * rows * inner * columns * repeats / (time.perf_counter() - start) / 1e9)
    return statistics.median(rates[1:])
