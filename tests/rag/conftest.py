"""Fixtures of the index: a small embedding model of its own, processes, and a Chroma server."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from lab.embeddings import model_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An embedding model of 64 dimensions on disk, made on the spot: the words' random vectors, averaged."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokenizer = Tokenizer.from_file(str(Path(model_folder("embedded:minilm")) / "tokenizer.json"))
        words = StaticEmbedding(tokenizer, embedding_dim=64)
    SentenceTransformer(modules=[words], device="cpu").save(str(folder))
    return str(folder)


@dataclass
class Child:
    """A process that runs code."""

    pid: int
    output: Path
    ask: Callable[[object], Any]

    def wait(self) -> int:
        """Wait for its end; return its exit code, negative for the signal that killed it."""
        return int(self.ask({"wait": self.pid}))

    @property
    def told(self) -> str:
        """Return what it has printed so far, on both streams."""
        return self.output.read_text() if self.output.exists() else ""


Spawn = Callable[..., Child]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Callable[[object], Any]]:
    """A process that forks others, with all modules imported."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.rag.zygote"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        streams = process.stdin, process.stdout

        def ask(task: object) -> Any:
            streams[0].write(json.dumps(task) + "\n")
            streams[0].flush()
            return json.loads(streams[1].readline())

        assert json.loads(streams[1].readline()) == "ready"
        yield ask
        process.kill()


@pytest.fixture
def spawn(zygote: Callable[[object], Any], tmp_path: Path) -> Spawn:
    """Run code in a process of its own, in this test's folder."""
    count = 0

    def run(code: str, **environment: str) -> Child:
        nonlocal count
        count += 1
        output = tmp_path / f"child-{count}.txt"
        own = {name: value for name, value in os.environ.items() if name.startswith("BAKEOFF_")}
        task = {"folder": str(tmp_path), "environment": own | environment, "code": code, "output": str(output)}
        return Child(int(zygote(task)), output, zygote)

    return run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chroma server of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder), "--port", str(port)]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(params=["embedded", "server"])
def where(request: pytest.FixtureRequest, setting: Callable[[str, str], None]) -> str:
    """Where Chroma is: the test runs with each."""
    if request.param == "server":
        setting("BAKEOFF_CHROMA_URL", cast(str, request.getfixturevalue("server")))
    return cast(str, request.param)
