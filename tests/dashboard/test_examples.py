"""The example browser: what two arms part on and why, by search and address; and texts that mean no good."""

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dashboard.neighbours import known_of
from evals.records import Record
from evals.report import score
from evals.runner import Run, run_suite
from evals.suite import load_suite
from lab.console import printable
from lab.datasets import Dataset
from lab.settings import settings
from tests.dashboard.conftest import NARROW, READY, View

EVIL, RUN = "evil.example", "www.evil.example"
HOSTILE = {  # by words that find it
    "<script>": "<script>document.title = 'owned'; fetch('http://evil.example/script')</script>",
    "<img": "<img src='http://evil.example/x.png' onerror=\"document.title = 'owned'\"> <b>bold</b>",
    "![picture]": "![picture](http://evil.example/p.png) [click](http://evil.example/link) <http://evil.example/auto>",
    "bare https": "bare https://evil.example/bare and www.evil.example/www and mail@evil.example",
    "esrever": "\u202eesrever\u202c and \u2066isolated\u2069 and \x1b[31mred\x07",
    "# heading": "# heading\n\n- **bold** `code` $x^2$ :material/home: :red[red] :smile: ~~gone~~ &lt;b&gt;",
    "=hyperlink": "=HYPERLINK('http://evil.example/cell') {{7*7}} ${7*7} %s \\",
    "very long": "very long",
}
LABELS = ("<b onclick=alert(1)>angry</b>", "[glad](http://evil.example/label)", "\u202elartuen' + alert(1) + '")
SUITE = """
name: hostile
dataset: hostile.csv
latency_sample: 2
reference: https://evil.example/majority
arms:
  - {approach: majority, name: "https://evil.example/majority"}
  - {approach: knn, name: www.evil.example}
"""


def only_run(home: Path) -> Run:
    return Run(next((home / "runs").glob("*/manifest.json")).parent)


def asked_for(page: Page, name: str) -> str:
    return parse_qs(urlsplit(page.url).query)[name][0]


def parted(run: Run, first: str, second: str) -> list[Record]:
    """Return the records of the first arm, of the texts that it got right and the second wrong."""
    own = {arm: {r.example: r for r in records} for arm, records in run.primary().items()}
    return [r for example, r in own[first].items() if r.correct and own[second][example].correct is False]


def test_texts_that_two_arms_part_on_are_found_explained_and_shared(
    served: Callable[[Path], str],
    visit: Callable[..., View],
    measured_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(measured_home.parent)  # where the run's file of texts is
    run, address = only_run(measured_home), served(measured_home)
    expected = parted(run, "linear_probe", "knn")
    total = len({record.example for record in run.records()})
    view = visit(address)
    page = view.open("examples?first=linear_probe&second=knn", "Examples")
    expect(page.get_by_role("heading", name=f"{len(expected)} of {total} texts")).to_be_visible()
    before = page.url
    page.get_by_role("button", name="Next").click()
    expect(page).not_to_have_url(before)
    view.settle()
    chosen = asked_for(page, "example").split("~")[-1]
    record = next(one for one in run.records() if one.example == chosen and one.arm == "knn")
    shown = page.get_by_test_id("stText")
    expect(shown.first).to_have_text(record.text)
    neighbours = [one.text for one in known_of(run.manifest).neighbours(record) if one]
    assert [" ".join(text.split()) for text in shown.all_inner_texts()[1:]] == [" ".join(t.split()) for t in neighbours]
    expect(page.get_by_text("arms are right")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8").splitlines())
    scores = {row["label"]: float(row["score"]) for row in rows if row["arm"] == "knn"}
    assert scores == pytest.approx(record.scores, abs=1e-4)

    shared = visit(address, NARROW, True)  # another user, who was sent the address
    there = shared.open(page.url.removeprefix(f"{address}/"), "Examples")
    expect(there.get_by_test_id("stText").first).to_have_text(record.text)
    there.get_by_label("Search the texts").fill("no text holds this")
    there.keyboard.press("Enter")
    expect(there.get_by_role("heading", name=f"None of {total} texts")).to_be_visible()
    expect(page.get_by_role("heading", name=f"{len(expected)} of {total} texts")).to_be_visible()


def test_texts_are_browsed_by_what_they_hold_and_how_the_arms_did(
    served: Callable[[Path], str], visit: Callable[..., View], measured_home: Path
) -> None:
    run = only_run(measured_home)  # served from elsewhere: the file of texts is not there
    records = [record for record in run.records() if record.arm == "knn"]
    view = visit(served(measured_home))
    page = view.open("examples?show=all&search=you", "Examples")
    held = [record for record in records if "you" in record.text.casefold()]
    expect(page.get_by_role("heading", name=f"{len(held)} of {len(records)} texts")).to_be_visible()
    expect(page.get_by_text("cannot be loaded")).to_be_visible()
    expect(page.get_by_test_id("stText").filter(has_text="tweets.csv:").first).to_be_visible()
    page.get_by_role("combobox", name="Target").click()
    page.get_by_role("option", name="negative").click()
    fewer = sum(record.target == "negative" for record in held)
    expect(page.get_by_role("heading", name=f"{fewer or 'None'} of {len(records)} texts")).to_be_visible()
    assert asked_for(page, "label") == "negative"


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> Iterator[Path]:
    """A workspace with a run, under a name that means no good, on texts and labels that do neither."""
    folder = tmp_path_factory.mktemp("hostile")
    texts = [f"{hostile} {tweets.texts[n]}" for n, hostile in zip(range(240), cycle(HOSTILE.values()), strict=False)]
    longer = [text * (60 if text.startswith("very long") else 1) for text in texts]
    rows = zip(longer, cycle(LABELS), strict=False)
    with (folder / "hostile.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    (folder / "hostile.yaml").write_text(SUITE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BAKEOFF_HOME", str(folder / "home"))
        settings.cache_clear()
        run = run_suite(load_suite("hostile.yaml"))
        score(run)
        shutil.copytree(run.folder, run.folder.with_name(RUN))
        run.folder.rename(run.folder.with_name("<img src=x onerror=alert(1)> **[run](javascript:alert(1))** \u202e"))
        yield folder / "home"
    settings.cache_clear()


def test_texts_labels_and_names_that_mean_no_good_are_shown_as_text(
    served: Callable[[Path], str], visit: Callable[..., View], hostile_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile_home.parent)
    run = Run(hostile_home / "runs" / RUN)
    texts = {record.example: record.text for record in run.records()}
    view = visit(served(hostile_home))
    page = view.open(f"examples?run={RUN}&show=all", "Examples")
    for words in HOSTILE:
        page.get_by_label("Search the texts").fill(words)
        page.keyboard.press("Enter")
        shown = page.get_by_test_id("stText").first
        expect(shown).to_contain_text(printable(words), ignore_case=True)
        view.settle()
        whole = " ".join(printable(texts[asked_for(page, "example").split("~")[-1]]).split())
        assert " ".join(shown.inner_text().split())[:1000] == whole[:1000]
        harmless(page)
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    page.get_by_label("Beside it").click()
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("texts that both have")).to_be_visible(timeout=READY)
    view.settle()
    harmless(page)


def harmless(page: Page) -> None:
    """Nothing of what is shown has become a part of the page."""
    assert page.title() != "owned"
    for kind in (f"a[href*='{EVIL}']", "a[href^='javascript']", f"[src*='{EVIL}']", "[onerror]", "[onclick]", "main b"):
        assert page.locator(kind).count() == 0, kind
    assert not re.findall(".{0,30}[\u202e\u202c\u2066\u2069\x1b\x07]", page.locator("body").inner_text())
