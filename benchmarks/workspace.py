"""An empty workspace for a benchmark: nothing of the user's is read but what was fetched, and nothing is left."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from lab.settings import settings

FETCHED = ("tweets", "llm", "embeddings")  # folders of the cache: data, and weights made ready


@contextmanager
def empty_workspace() -> Iterator[Path]:
    """Make an empty folder the workspace and the current folder for the block, and yield it."""
    before, cache = Path.cwd(), settings().cache.absolute()
    with tempfile.TemporaryDirectory(prefix="bakeoff-benchmark-") as folder, mock.patch.dict(os.environ):
        home, own = Path(folder), Path(folder, "cache")
        own.mkdir()
        for name in FETCHED:
            if (cache / name).exists():
                (own / name).symlink_to(cache / name)
        os.environ |= {"BAKEOFF_HOME": str(home), "BAKEOFF_CACHE": str(own)}
        os.chdir(home)
        settings.cache_clear()
        try:
            yield home
        finally:
            os.chdir(before)
    settings.cache_clear()
