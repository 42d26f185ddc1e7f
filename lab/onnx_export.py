"""A PyTorch encoder written as an ONNX graph, for any batch of any length."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Call = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
INPUTS = ("input_ids", "attention_mask")


def export_graph(model: "torch.nn.Module", call: Call, path: Path, output: str, beside: bool = False) -> None:
    """Write `call` as an ONNX graph (torch's exporter); the model moves to the CPU.

    Args:
        model: the module whose weights `call` uses.
        call: input_ids and attention_mask, each (batch, tokens), to what the graph shall give, (batch, width).
        path: of the graph.
        output: the name of what it gives.
        beside: write the weights into a file of their own, which is mapped into memory when it is loaded: three
            times as fast.
    """
    import torch

    class Graph(torch.nn.Module):
        """From two tensors to one."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return call(input_ids, attention_mask)

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nothing here needs
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens")
    ids, mask = torch.ones((2, 8), dtype=torch.int64), torch.ones((2, 8), dtype=torch.int64)
    mask[1, 4:] = 0  # with no padding in the example, the exporter would leave the mask out
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            Graph().eval().cpu(),
            (ids, mask),
            path,
            input_names=list(INPUTS),
            output_names=[output],
            dynamic_shapes={name: {0: batch, 1: tokens} for name in INPUTS},
            dynamo=True,
            external_data=beside,
            verbose=False,
        )
