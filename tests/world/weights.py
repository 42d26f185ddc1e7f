"""Real weights behind llama.cpp's own OpenAI-compatible server, in a process of their own.

    python -m tests.world.weights MODEL.gguf

prints the server's address as one line once it answers, and serves until its standard input ends: so it goes
when the one who started it goes, however that may happen.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import urllib.request
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).with_name("chatml_tools.jinja")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a GGUF model to clients of OpenAI.")
    parser.add_argument("gguf", help="the weights")
    parser.add_argument("--name", default="model", help="the model's name")
    parser.add_argument("--context", type=int, default=4096, help="tokens that prompt and answer may have together")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute")
    parser.add_argument("--longest", type=int, default=-1, help="tokens of an answer, which small models may not end")
    parser.add_argument("--tools", action="store_true", help="a chat template that has a place for tools")
    parser.add_argument("--api-key", help="the one key that is let in; by default, every key is")
    return parser.parse_args()


def _serve(wanted: argparse.Namespace) -> Any:
    """Load the weights and listen; the server lasts as long as the object that is returned."""
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = wanted.gguf
    params.model_alias = {wanted.name}
    params.n_ctx = wanted.context
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = wanted.threads
    params.n_predict = wanted.longest
    if wanted.tools:
        params.chat_template = TOOLS.read_text(encoding="utf-8")
    params.api_keys = [wanted.api_key] if wanted.api_key else []
    params.verbosity = -1
    params.ui = False
    return xllamacpp.Server(params)


def main() -> None:
    """Serve until the standard input ends."""
    server = _serve(_arguments())
    urllib.request.urlopen(f"{server.listening_address}/health").close()
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
