"""Fixtures: a workspace of its own for each test; models and trained classifiers once per session."""

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finetune import Hyperparameters, train_or_reuse
from lab.datasets import Dataset, Split, load_dataset, split_dataset
from lab.errors import BakeoffError
from lab.llm import BaseLLM, resolve_llm
from lab.settings import settings
from lab.workspace import lock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

QUICK = Hyperparameters(num_train_epochs=2, batch_size=16, learning_rate=2e-4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files beside this one, which take longest: else a worker would sit alone over them at the end."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run the test in an empty folder, with settings read anew, and no Wikipedia but what the test plays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WIKIPEDIA_API_URL", "http://127.0.0.1:9/w/api.php")  # nobody listens on the discard port
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # the user's own MCP servers stay out
    settings.cache_clear()
    yield tmp_path / ".bakeoff"
    if "rag.store" in sys.modules:  # else a thousand tests hold more files open than a process may
        with suppress(BakeoffError):  # of settings that are bad on purpose
            sys.modules["rag.store"].Store.current().close()
    settings.cache_clear()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Set an environment variable so that the settings see it."""

    def change(name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        settings.cache_clear()

    return change


@pytest.fixture(scope="session")
def tweets() -> Dataset:
    """All 4,200 tweets."""
    return load_dataset("tweets")


@pytest.fixture(scope="session")
def small(tweets: Dataset) -> Split:
    """The first 600 tweets, split."""
    return split_dataset(tweets.subset(range(600)))


@pytest.fixture
def my_csv(tweets: Dataset) -> Path:
    """A user's file in the current folder: 300 labelled texts in the columns text and label."""
    path = Path("my.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((example.text, example.label) for example in tweets.examples[600:900])
    return path


@pytest.fixture(scope="session")
def smollm2() -> BaseLLM:
    """The embedded base LLM, loaded once."""
    return resolve_llm("embedded:smollm2")


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory, small: Split) -> Path:
    """A workspace with one small classifier of tweets, trained once for all workers; copy it, do not write to it."""
    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "trained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(folder))
        settings.cache_clear()
        with lock(folder.with_suffix(".lock"), "the classifier of all tests", wait_seconds=600):
            train_or_reuse(small.train, small.validation, QUICK)  # by whoever comes first
    settings.cache_clear()
    return folder


@pytest.fixture
def with_classifier(trained_home: Path, workspace: Path) -> Path:
    """This test's workspace, with the small classifier as champion."""
    shutil.copytree(trained_home, workspace)
    return workspace


@pytest.fixture(scope="module")  # while it is open, asyncio is Playwright's: tests of other files need it
def browser() -> Iterator["Browser"]:
    """The machine's own Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "install chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return stdout as the one JSON document it must be."""
        return json.loads(self.out)


@pytest.fixture
def bakeoff(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process, where the models are loaded already."""
    import cli

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["bakeoff", *arguments])
        settings.cache_clear()
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
