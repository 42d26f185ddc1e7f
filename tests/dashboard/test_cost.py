"""Cost: the sliders move the break-even point and the advice, which is what `bakeoff advise` says of the same needs."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from evals.advice.telling import sections
from tests.conftest import Outcome
from tests.dashboard.conftest import NARROW, View
from tests.evals.test_advice import FINETUNED, PROBE, save_run

CHANGES, HOUR = "Changes of the data a month", "An hour of this machine, USD"


@pytest.fixture
def address(served: Callable[[Path], str], workspace: Path, measured_home: Path) -> str:
    """The dashboard over a real run, and two whose figures are played, one with an arm that asks a remote LLM."""
    shutil.copytree(measured_home, workspace)
    save_run(workspace / "runs" / "x-1")
    save_run(workspace / "runs" / "x-2", (PROBE, FINETUNED))
    return served(workspace)


def test_sliders_move_the_break_even_and_the_page_says_what_the_command_says(
    address: str, visit: Callable[..., View], bakeoff: Callable[..., Outcome]
) -> None:
    view = visit(address)
    page = view.open("cost?run=x-1", "Cost")
    chart = page.get_by_role("heading", name="costs less than")
    assert _says_what_the_command_says(page, bakeoff).endswith("1 change of the data a month.")
    expect(page.get_by_text("Use linear_probe")).to_contain_text("s of work")

    at_first = chart.inner_text()
    _press(page, CHANGES, "ArrowRight", 10)
    expect(chart).not_to_have_text(at_first)
    view.settle()
    assert "10 changes of the data" in _says_what_the_command_says(page, bakeoff)

    _press(page, HOUR, "ArrowRight", 20)
    expect(page.get_by_role("heading", name="It takes $")).to_be_visible()
    _press(page, "A wrong answer, USD", "End")
    _press(page, "A million tokens of openai:gpt-4o-mini, USD", "ArrowRight", 3)
    expect(page.get_by_text("--prices prices.yaml")).to_be_visible()
    view.settle()
    Path("own.yaml").write_text(page.get_by_test_id("stCode").last.inner_text(), encoding="utf-8")
    with_prices = _says_what_the_command_says(page, bakeoff, prices="own.yaml")
    assert "with its errors" in with_prices

    again = visit(address).open(page.url.removeprefix(f"{address}/"), "Cost")
    expect(again.get_by_role("heading", name=with_prices)).to_be_visible()


def test_a_drag_moves_the_break_even_before_it_ends_and_a_limit_that_rules_all_out_says_so(
    address: str, visit: Callable[..., View]
) -> None:
    view = visit(address, NARROW, dark=True)
    page = view.open("cost", "Cost")
    expect(page.get_by_role("heading", name="1,000 right answers cost least with")).to_be_visible()
    box = _slider(page, "Queries a month").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2, steps=5)
    expect(page.get_by_text("10,000,000 queries and 1 change of the data a month.")).to_be_visible()
    page.mouse.up()
    view.settle()

    page = view.open("cost?run=x-2", "Cost")
    _press(page, "Longest wait for one text, ms", "Home")
    expect(page.get_by_text("an arm whose p95 latency is at most 1 ms")).to_be_visible()
    _press(page, "Longest wait for one text, ms", "End")
    expect(page.get_by_role("heading", name="Use linear_probe")).to_be_visible()


def _slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def _press(page: Page, name: str, key: str, times: int = 1) -> None:
    for _ in range(times):
        _slider(page, name).press(key)
    shown, before = page.get_by_test_id("stMain"), ""
    while shown.inner_text() != before:  # until the last press has reached the page
        before = shown.inner_text()
        page.wait_for_timeout(2000)


def _says_what_the_command_says(page: Page, bakeoff: Callable[..., Outcome], prices: str = "") -> str:
    """Give the command on the page; its answer stands on the page, word for word. Returns the statement."""
    told = page.get_by_test_id("stCode").first.inner_text().replace("prices.yaml", prices)
    outcome = bakeoff(*shlex.split(told)[1:], "--json")
    assert outcome.code == 0, outcome.err
    advice = outcome.json
    expect(page.get_by_role("heading", name=advice["statement"], exact=True)).to_be_visible()
    lines = [line for lines in sections(advice).values() for line in lines]
    assert sorted(page.get_by_role("listitem").all_inner_texts()) == sorted(lines)
    statement: str = advice["statement"]
    return statement
