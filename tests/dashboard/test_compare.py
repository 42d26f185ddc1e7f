"""The first page: the approaches of a run side by side."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from dashboard.reading import results_of
from dashboard.scoring import scored
from dashboard.slices import Slice
from evals.charts.accuracy import accuracy_chart
from evals.charts.classes import class_chart
from evals.charts.tradeoff import cost_chart
from evals.runner import Run
from evals.suite import Suite
from tests.dashboard.conftest import NARROW, View, settle
from tests.dashboard.test_slices import only_run


def test_the_first_page_compares_the_newest_run_wide_and_narrow_light_and_dark(
    served: Callable[[Path], str], visit: Callable[..., View], measured_home: Path
) -> None:
    run, address = only_run(measured_home), served(measured_home)
    for viewport, dark in ((None, False), (NARROW, True)):
        _shows(visit(address, viewport, dark).open("", "Compare"), run, Slice())


def test_a_part_of_the_texts_is_scored_as_evals_scores_it_by_class_words_and_length(
    served: Callable[[Path], str], visit: Callable[..., View], measured_home: Path
) -> None:
    run, address = only_run(measured_home), served(measured_home)
    page = visit(address).open("?classes=negative", "Compare")
    _shows(page, run, Slice(classes=("negative",)))
    expect(page.get_by_text("Of each class")).to_have_count(0)

    page.get_by_role("textbox", name="Words in the text").fill("the")
    page.get_by_role("textbox", name="Words in the text").press("Enter")
    _shows(page, run, Slice(classes=("negative",), words="the"))
    page.get_by_role("spinbutton", name="Least characters").fill("60")
    page.get_by_role("spinbutton", name="Least characters").press("Enter")
    _shows(page, run, Slice(classes=("negative",), words="the", shortest=60))

    again = visit(address).open(page.url.removeprefix(f"{address}/"), "Compare")
    _shows(again, run, Slice(classes=("negative",), words="the", shortest=60))
    expect(again.get_by_role("textbox", name="Words in the text")).to_be_visible()


def test_the_measure_of_classes_and_the_price_of_an_hour_are_those_of_evals(
    served: Callable[[Path], str], visit: Callable[..., View], measured_home: Path
) -> None:
    run, address = only_run(measured_home), served(measured_home)
    page = visit(address).open("", "Compare")
    details = results_of(run)["details"]
    for measure, name in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        page.get_by_role("radio", name=name, exact=True).click()
        chart = class_chart(details, measure)  # type: ignore[arg-type]
        assert chart
        expect(page.get_by_role("heading", name=chart.title, exact=True)).to_be_visible()
        assert _figures(page, chart.title) == chart.csv()

    expect(page.get_by_text("What accuracy costs is unknown")).to_be_visible()
    page.get_by_role("spinbutton", name="USD an hour").fill("2")
    page.get_by_role("spinbutton", name="USD an hour").press("Enter")
    suite = Suite.model_validate(run.manifest["suite"])
    priced = scored(suite, Slice().of(suite, run.records()), run.measured(), 2.0)
    chart = cost_chart(priced["results"], [arm.key for arm in suite.arms])
    assert chart and "Pareto front" in chart.title
    expect(page.get_by_text("What accuracy costs is unknown")).to_have_count(0)
    expect(page.get_by_role("heading", name=chart.title, exact=True).last).to_be_visible()
    assert _figures(page, chart.title) == chart.csv()


def test_an_empty_workspace_says_which_command_fills_it(
    served: Callable[[Path], str], visit: Callable[..., View], tmp_path: Path
) -> None:
    page = visit(served(tmp_path / "nothing")).open("", "Compare")
    expect(page.get_by_text("bakeoff eval sentiment")).to_be_visible()


def _shows(page: Page, run: Run, wanted: Slice) -> None:
    """The page tells the accuracy and how many texts it is over, as evals does of the same texts."""
    suite = Suite.model_validate(run.manifest["suite"])
    found = scored(suite, wanted.of(suite, run.records()), run.measured())
    chart = accuracy_chart(found["results"], [arm.key for arm in suite.arms])
    assert chart
    told = page.get_by_text(f"Scored anew on {found['results'][0]['n']} texts")
    expect(told).to_have_count(0 if wanted.is_whole else 1)
    expect(page.get_by_role("heading", name=chart.title, exact=True)).to_be_visible()
    assert _figures(page, chart.title) == chart.csv()


def _figures(page: Page, title: str) -> str:
    """Return what the CSV button of a chart gives, once no chart of before is left on the page."""
    settle(page)
    block = page.get_by_test_id("stVerticalBlock").filter(has=page.get_by_role("heading", name=title, exact=True))
    with page.expect_download() as download:
        block.last.get_by_role("button", name="CSV").last.click()
    return Path(download.value.path()).read_text(encoding="utf-8")
