"""Where tasks are done: here one after the other, in threads or processes of this machine, or on a Ray cluster."""

import io
import logging
import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any, Literal

from evals.manifest import DECIDING
from evals.work import Piece, Task, perform
from lab.errors import BakeoffError
from lab.redact import reason
from lab.settings import overridden, settings

Where = Literal["processes", "threads"]
REACHABLE = 5.0  # seconds for a cluster to take a connection
# Settings that a worker takes over: what decides an answer, how it is asked for and where. Keys it has of its own.
CARRIED = (*DECIDING, "concurrency", "timeout_seconds", "reranker", "wikipedia_lang", "chroma_url")
CUSTOMARY = ("openai_base_url", "tavily_api_base_url", "wikipedia_api_url")  # likewise, under names that everybody uses
CLIENTS = ("ANTHROPIC_BASE_URL", "OLLAMA_HOST", "HF_ENDPOINT")  # addresses that providers' own clients look up


class WorkersLost(Exception):
    """Workers died in the middle of their tasks; what they had not handed over is to be done again."""


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Attributes:
        jobs: tasks at once; 0 stands for every core that there is.
        where: on this machine, if no cluster is named.
        ray: the address of a Ray cluster ("host:port" or "auto"); None for this machine.
    """

    jobs: int = 1
    where: Where = "processes"
    ray: str | None = None

    @property
    def is_alone(self) -> bool:
        """Tell whether tasks are done here, one after the other."""
        return self.jobs == 1 and self.ray is None

    def __str__(self) -> str:
        many = "every core" if self.jobs == 0 else f"{self.jobs} {self.where}"
        return many if self.ray is None else f"Ray at {self.ray}"


def performed(tasks: Iterable[Task], crew: Crew) -> Iterator[Piece]:
    """Do all tasks and yield what comes of them: alone the moment it is known, from workers when a task is done.

    Raises:
        WorkersLost: some died; what was yielded stands.
        BakeoffError: there is no such cluster, or Ray is not installed.
    """
    if crew.is_alone:
        for task in tasks:
            yield from perform(task)
        return
    from joblib import Parallel, delayed

    work = _at_once if crew.where == "threads" and not crew.ray else _apart
    with _backend(crew) as options, _told_of_losses():
        parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs", **options)
        for pieces in parallel(delayed(work)(task, _surroundings()) for task in tasks):
            yield from pieces


def _at_once(task: Task, surroundings: Mapping[str, str | None]) -> list[Piece]:
    return list(perform(task))


def _apart(task: Task, surroundings: Mapping[str, str | None]) -> list[Piece]:
    """Do a task in another process, in the workspace and with the settings of the one that asked for it.

    Notes and bars of many workers at once would be read by nobody: what matters of them is in the pieces.
    """
    from joblib.externals.loky import process_executor

    # loky ends a worker that has grown by 300 MB, which a model does to it; it has no public switch for that.
    process_executor._MAX_MEMORY_LEAK_SIZE = math.inf
    with overridden(surroundings), redirect_stderr(io.StringIO()):
        return list(perform(task))


def _surroundings() -> dict[str, str | None]:
    """Return the environment in which a worker answers as this process would; None is a variable that it must not have.

    A worker without an address of this process's would ask the public server, and one with its own another.
    """
    ours = {f"BAKEOFF_{name.upper()}": getattr(settings(), name) for name in CARRIED}
    customary = {name.upper(): getattr(settings(), name) for name in CUSTOMARY}
    customary |= {f"BAKEOFF_{name}": None for name in customary}  # the other name, under which a node may have its own
    chosen = ours | customary | {name: os.environ.get(name) for name in CLIENTS}
    told = {name: None if value is None else str(value) for name, value in chosen.items()}
    return told | {"BAKEOFF_HOME": str(settings().home.absolute())}


@contextmanager
def _backend(crew: Crew) -> Iterator[dict[str, Any]]:
    """Yield the options of joblib's Parallel; a connection to a cluster is closed with the block."""
    jobs = crew.jobs or -1
    if crew.ray is None:
        yield {"n_jobs": jobs, "backend": "loky" if crew.where == "processes" else "threading"}
        return
    with _cluster(crew.ray):
        from joblib import parallel_config, register_parallel_backend
        from ray.util.joblib.ray_backend import RayBackend

        class Streaming(RayBackend):
            """Joblib's Ray backend; its results may be had one by one, which the class it comes from does not say."""

            supports_return_generator = True

        register_parallel_backend("ray", Streaming)
        again = {"max_restarts": -1, "max_task_retries": -1}  # a worker that dies is replaced, and its task done again
        with parallel_config("ray", n_jobs=-1 if crew.jobs == 1 else jobs, ray_remote_args=again):
            yield {}


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise BakeoffError("Ray, for --ray", "it is not installed", "pip install 'bakeoff[ray]'") from error
    joined = not ray.is_initialized()
    try:
        if joined:
            _require_listener(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # each kind of a wrong address has an error of its own
        fix = "start one with: ray start --head, or leave out --ray"
        raise BakeoffError(f"a Ray cluster at {address}", reason(error), fix) from error
    try:
        yield
    finally:
        if joined:
            ray.shutdown()


def _require_listener(address: str) -> None:
    """Try the address, since Ray itself would wait for minutes.

    Raises:
        OSError: nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=REACHABLE).close()


@contextmanager
def _told_of_losses() -> Iterator[None]:
    """Tell of dead workers in one way, whichever way they died."""
    from concurrent.futures import BrokenExecutor

    try:
        yield
    except BrokenExecutor as error:
        raise WorkersLost(reason(error)) from error
    except Exception as error:
        if type(error).__module__.startswith("ray.exceptions") and "Died" in type(error).__name__:
            raise WorkersLost(reason(error)) from error
        raise
