"""Python's garbage collector, out of the way while many objects are made that stay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(for_good: bool = False) -> Iterator[None]:
    """Pause the collector, which would walk through all that was made so far again and again: up to half the time.

    With `for_good` it never walks through what is there by the end of the block: that stays as long as the process.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        if enabled:
            gc.enable()
