"""The pages over a run as `make demo` leaves it: one static suite, cut short by --limit, with arms that ask an LLM."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.pages import PAGES
from lab.datasets import Dataset
from tests.dashboard.conftest import View, measured

SUITE = """
name: sentiment
dataset: tweets.csv
reference: rag
latency_sample: 2
arms:
  - {approach: majority}
  - {approach: zero_shot}
  - {approach: rag}
"""


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> Path:
    """A workspace with such a run, and nothing else."""
    return measured(tmp_path_factory.mktemp("demo"), SUITE, tweets, limit="12")


def test_every_page_works_on_what_the_demo_leaves(
    served: Callable[[Path], str],
    visit: Callable[..., View],
    demo_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(demo_home.parent)  # where the run's file of texts is
    view = visit(served(demo_home))
    for number, one in enumerate(PAGES):
        page = view.open(one.path if number else "", one.title)
        expect(page.get_by_text("cannot be shown")).to_have_count(0)
        view.check()
    page = view.open("", "Compare")
    expect(page.get_by_text("12 texts settle nothing")).to_be_visible()
    expect(page.get_by_text("zero_shot@smollm2").first).to_be_visible()
    page = view.open("examples?first=rag@embedded:smollm2&second=majority&show=all", "Examples")
    expect(page.get_by_role("heading", name="12 of 12 texts")).to_be_visible()
    expect(view.open("change", "Change").get_by_text("bakeoff eval freshness --quick")).to_be_visible()
