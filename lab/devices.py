"""Which processor computes, and in which precision: chosen at run time, and said."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import BakeoffError
from lab.settings import settings

if TYPE_CHECKING:
    import torch


def choose_device(wanted: str | None = None) -> str:
    """Return "cuda", "mps" or "cpu": the one asked for, or the fastest this machine has.

    Raises:
        BakeoffError: the device asked for is not there.
    """
    wanted = wanted or settings().device
    if wanted == "cpu" or (wanted == "auto" and not _may_have_gpu()):
        return "cpu"  # known without torch, which takes a second to import
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, present in there.items() if present)
    if not there.get(wanted, False):
        present = ", ".join(name for name, here in there.items() if here)
        raise BakeoffError(f"a device among {present}", wanted, "set BAKEOFF_DEVICE to one of them, or to auto")
    return wanted


def usable_cores() -> int:
    """Return how many threads may compute: OMP_NUM_THREADS, as for torch, else the cores this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def choose_precision(device: str, wanted: str | None = None) -> "torch.dtype":
    """Return the type to compute in: bfloat16 where `device` multiplies it natively, else float32.

    On a CPU with AVX-512 BF16 or AMX the embedded models read prompts about three times as fast in bfloat16.
    """
    import torch

    wanted = wanted or settings().precision
    if wanted == "auto":
        wanted = "bfloat16" if _has_native_bfloat16(device) else "float32"
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def _may_have_gpu() -> bool:
    """Return False where torch could find no GPU: it was built without, or the system has no driver of one."""
    if version("torch").endswith("+cpu"):
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    drivers = ("nvidiactl", "kfd", "dxg")  # of Nvidia, of AMD, and of either under Windows' Linux
    return sys.platform != "linux" or any(Path("/dev", name).exists() for name in drivers)


def _has_native_bfloat16(device: str) -> bool:
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
