"""The dashboard as users have it: served by its command, in a real browser, over real runs; neither looks elsewhere."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect

from evals.report import score
from evals.runner import run_suite
from evals.suite import load_suite
from lab.datasets import Dataset
from lab.settings import settings

READY = 60_000  # milliseconds that a page may take on a machine that is busy with other tests
expect.set_options(timeout=READY)
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
SUITE = """
name: tiny
dataset: tweets.csv
arms:
  - {approach: majority}
  - {approach: knn}
  - {approach: linear_probe}
  - {approach: finetuned, base: "embedded:minilm-3", hyperparameters: {num_train_epochs: 1}}
"""


@dataclass
class View:
    """A page in the browser, with all that went wrong on it and all it asked for."""

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)
        self.page.set_default_timeout(READY)

    def open(self, path: str, title: str) -> Page:
        """Go to a page of the dashboard and wait until it is there."""
        self.page.goto(f"{self.address}/{path}")
        expect(self.page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=READY)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until the script has run to its end."""
        settle(self.page)

    def check(self) -> None:
        """Nothing went wrong, nothing was asked of another host, and nothing stands out at the side."""
        assert self.errors == []
        assert self.hosts <= {self.address.partition("//")[2]}, self.hosts
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wider) == 0

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        if request.url.startswith(("http", "ws")):
            self.hosts.add(request.url.split("/")[2])


def settle(page: Page) -> None:
    """Wait until the script of a page has run to its end: until then, what it showed before is still there."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=READY)


@pytest.fixture(scope="session")
def measured_home(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> Path:
    """A workspace with one small finished run of real approaches; copy it, do not write to it."""
    return measured(tmp_path_factory.mktemp("measured"), SUITE, tweets)


def measured(folder: Path, suite: str, tweets: Dataset, limit: str | None = None) -> Path:
    """Run a suite, as its YAML says, over `tweets.csv` in a folder; return the workspace that it leaves there."""
    (folder / "suite.yaml").write_text(suite, encoding="utf-8")
    with (folder / "tweets.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((e.text, e.label) for e in tweets.examples[:240])])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BAKEOFF_HOME", str(folder / "home"))
        settings.cache_clear()
        score(run_suite(load_suite("suite.yaml"), limit))
    settings.cache_clear()
    return folder / "home"


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """Serve the dashboard over a workspace, by its command; gives the address."""
    started: list[subprocess.Popen[str]] = []

    def serve(home: Path) -> str:
        command = [sys.executable, "-m", "cli", "dashboard", "--port", "0", "--no-browser"]
        root = str(Path(__file__).parents[2])
        environment = os.environ | {"BAKEOFF_HOME": str(home), "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, process.poll()
        return found[0]

    yield serve
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., View]]:
    """Open a browser window of a visitor's own on an address; each is checked when the test ends."""
    views: list[View] = []

    def opened(address: str, viewport: ViewportSize | None = None, dark: bool = False) -> View:
        context = browser.new_context(
            viewport=viewport or WIDE, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        views.append(View(context.new_page(), address))
        return views[-1]

    yield opened
    for view in views:
        view.check()
        view.page.context.close()
