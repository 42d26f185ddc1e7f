"""Change: real small runs of the three suites that it tells of, with a name that would be more than text."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from evals.report import score
from evals.runner import run_suite
from evals.suite import load_suite
from lab.datasets import load_dataset
from lab.settings import settings
from tests.dashboard.conftest import NARROW, View

HOSTILE = "<img src=x onerror=alert(1)> **bold** [x](mailto:x).csv"
SUITES = {
    "freshness": f"""
arrivals: ["{HOSTILE}"]
reference: knn
arms: [{{approach: majority}}, {{approach: knn}}]
""",
    "portability": """
reference: linear_probe
arms:
  - {approach: linear_probe}
  - {approach: linear_probe, name: linear_probe@minilm-3, base: "embedded:minilm-3"}
""",
    "data_efficiency": """
sizes: [12]
repeats: 2
reference: knn
arms: [{approach: knn}, {approach: linear_probe}]
""",
}


@pytest.fixture(scope="module")
def changed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a finished run of each kind."""
    folder = tmp_path_factory.mktemp("changed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BAKEOFF_HOME", str(folder / "home"))
        settings.cache_clear()
        for name, source in (("tweets.csv", "tweets"), (HOSTILE, "films")):
            with (folder / name).open("w", newline="", encoding="utf-8") as file:
                examples = load_dataset(source).examples[:120]
                csv.writer(file).writerows([("text", "label"), *((e.text, e.label) for e in examples)])
        for kind, own in SUITES.items():
            text = f"name: {kind}\nkind: {kind}\ndataset: tweets.csv\nlatency_sample: 1\n{own}"
            Path(f"{kind}.yaml").write_text(text, encoding="utf-8")
            score(run_suite(load_suite(f"{kind}.yaml")))
    settings.cache_clear()
    return folder / "home"


def test_each_kind_of_change_tells_who_fell_and_who_recovered_how_fast_and_at_what_price(
    served: Callable[[Path], str], visit: Callable[..., View], changed_home: Path
) -> None:
    address = served(changed_home)
    view = visit(address)
    page = view.open("change", "Change")
    expect(page.get_by_role("heading", name="hits hardest")).to_be_visible()
    told = page.get_by_role("listitem").filter(has_text=HOSTILE)
    expect(told).to_contain_text("s of work")
    page.get_by_role("slider", name="An hour of this machine, USD").press("End")
    expect(told).to_contain_text("s of work ($")
    page.get_by_text("The tables behind it").click()
    expect(page.get_by_text("Does it still say what was withdrawn?")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    assert "accuracy_percent" in Path(download.value.path()).read_text(encoding="utf-8")

    page.get_by_role("tab", name="Freshness").press("ArrowRight")
    expect(page.get_by_text("minilm → minilm-3").first).to_be_visible()
    page.get_by_role("tab", name="Learning curves").click()
    expect(page.get_by_role("heading", name="labelled examples")).to_be_visible()
    view.settle()
    shared = page.url.removeprefix(f"{address}/")

    narrow = visit(address, NARROW, dark=True).open(shared, "Change")
    expect(narrow.get_by_role("heading", name="labelled examples")).to_be_visible()


def test_what_change_shows_is_no_slice_of_compare_and_a_slice_that_holds_is_seen(
    served: Callable[[Path], str], visit: Callable[..., View], changed_home: Path
) -> None:
    view = visit(served(changed_home))
    run = next((changed_home / "runs").glob("freshness-*/manifest.json")).parent.name
    page = view.open(f"?run={run}", "Compare")
    expect(page.get_by_text("is most accurate")).to_be_visible()
    _there_and_back(view)
    expect(page.get_by_text("is most accurate")).to_be_visible()
    expect(page.get_by_text("Scored anew")).to_have_count(0)

    page = view.open(f"?run={run}&test=changed+labels", "Compare")
    expect(page.get_by_text("Scored anew")).to_be_visible()
    _there_and_back(view)
    expect(page.get_by_text("Scored anew")).to_be_visible()
    expect(page.get_by_role("combobox", name="Test")).to_be_visible()


def _there_and_back(view: View) -> None:
    """Go to Change, whose time line is of one test, and to Compare again."""
    for name, shown in (("Change", "Accuracy over time on the texts of"), ("Compare", "Run")):
        view.page.get_by_role("link", name=name).first.click()
        expect(view.page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(view.page.get_by_role("combobox", name=shown)).to_be_visible()
        view.settle()


def test_each_empty_page_says_which_command_fills_it(
    served: Callable[[Path], str], visit: Callable[..., View], tmp_path: Path
) -> None:
    view = visit(served(tmp_path / "nothing"))
    page = view.open("change", "Change")
    for tab, kind in (("Freshness", "freshness"), ("Portability", "portability"), ("Learning", "data_efficiency")):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_text(f"bakeoff eval {kind} --quick")).to_be_visible()
    expect(view.open("cost", "Cost").get_by_text("bakeoff eval sentiment")).to_be_visible()
