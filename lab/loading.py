"""Models are loaded once per process and one at a time, though tools and researchers run at the same time."""

import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

LOADING = threading.RLock()  # transformers sets its defaults for the whole process while it loads


def loaded_once(load: Callable[P, R]) -> Callable[P, R]:
    """Return `load` such that each set of arguments is loaded once: who comes meanwhile waits, and gets the same."""
    cached = cache(load)

    @wraps(load)
    def waited(*arguments: P.args, **named: P.kwargs) -> R:
        with LOADING:
            return cast(R, cast(Any, cached)(*arguments, **named))

    waited.cache_clear = cached.cache_clear  # type: ignore[attr-defined]
    return waited
