"""What people read of a run: the page in a real browser and on paper, Markdown for a pull request, the PDF."""

import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from evals.approach import Fit, Prediction
from evals.manifest import run_manifest
from evals.metrics import Measured
from evals.records import Journal, Question, Record
from evals.report import read, score
from evals.reporting.contents import LONGEST, contents_of
from evals.reporting.markdown import JOINER, MOST, code, markdown, plain
from evals.reporting.page import page, write_page
from evals.reporting.pdf import pdf_writer
from evals.runner import MANIFEST, MEASUREMENTS, RECORDS, Run
from evals.suite import Suite, load_suite
from lab.datasets import Dataset, Example
from lab.errors import BakeoffError
from lab.workspace import write_json
from tests.conftest import Outcome

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Bakeoff = Callable[..., Outcome]
TEXTS = 200  # as many as `make demo` tests
HOSTILE = [
    "<script>document.title = 'taken'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>",
    "[click](http://127.0.0.1:9/phish) ![see](http://127.0.0.1:9/a.png) `code` **bold** | cell | $x$",
    "@everyone see #1 and GH-2, www.example.com, https://example.com, me@example.com",
    "\u202eright to left\u202c \x1b[31mred\x07",
    "</svg></td></table><style>body { display: none }</style>",
]
LONG = ["as long as tweets come, in words of a length that tables with many columns break rather often " * 2] * 2
ODD = [*LONG, *HOSTILE]
RIGHT = {"majority": 0.5, "zero_shot": 0.58, "knn": 0.66, "rag": 0.64, "linear_probe": 0.8, "finetuned": 0.88}


def _records(suite: Suite, tweets: Dataset) -> Iterator[Record]:
    """Yield what arms that are right as often as RIGHT says would have answered, long and hostile texts first."""
    random = np.random.default_rng(0)
    for arm in suite.arms:
        for number, example in enumerate(sorted(tweets.examples[:TEXTS], key=lambda example: example.id)):
            example = replace(example, text=ODD[number]) if number < len(ODD) else example
            hit = number >= len(ODD) and random.random() < RIGHT[arm.approach]
            others = [label for label in tweets.labels if label != example.label]
            label = example.label if hit else str(random.choice(others))
            scores = dict.fromkeys(tweets.labels, 0.2) | {label: float(random.uniform(0.4, 1))}
            question = Question(arm.key, "", "", "test", 0, example.id)
            yield Record.of(question, example, Prediction(label, scores=scores, tokens=50), 0.01)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tweets: Dataset) -> Run:
    """A run in the demo's shape, as the runner leaves it; copy it, do not write to it."""
    folder = tmp_path_factory.mktemp("report") / "runs" / "sentiment-1"
    suite = load_suite("sentiment")
    facts = {"name": "tweets", "fingerprint": tweets.fingerprint, "train": 2939, "validation": 630, "test": TEXTS}
    write_json(folder / MANIFEST, run_manifest(suite, facts, limit=str(TEXTS)))
    Journal(folder / RECORDS).append(map(asdict, _records(suite, tweets)))
    rows = [
        {"arm": arm.key, "fit": asdict(Fit(1.5 + n, False, "trained")), "latencies_ms": [3.0**n] * 5}
        for n, arm in enumerate(suite.arms)
    ]
    Journal(folder / MEASUREMENTS).append(rows)
    score(Run(folder))
    return Run(folder)


@pytest.fixture
def run(finished: Run, workspace: Path) -> Run:
    """That run in this test's workspace."""
    return Run(Path(shutil.copytree(finished.folder, workspace / "runs" / finished.id)))


@pytest.fixture
def opened(browser: "Browser", finished: Run) -> Iterator[Callable[..., "Page"]]:
    """Open the report; fail at the end if the page asked for anything or complained."""
    asked: list[str] = []
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(width: int = 1280, height: int = 800, scheme: Any = "light") -> "Page":
        opened = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto((finished.folder / "report.html").as_uri())
        pages.append(opened)
        return opened

    yield open_page
    assert [url for url in asked if not url.endswith("/report.html")] == []
    assert complaints == []
    for one in pages:
        one.close()


def test_the_verdict_and_the_table_are_in_the_first_screen(opened: Callable[..., "Page"]) -> None:
    shown = opened()
    for selector in (".statement", "table"):
        box = shown.locator(selector).first.bounding_box()
        assert box is not None and box["y"] + min(box["height"], 60) < 800, selector
    assert shown.locator(".statement").inner_text().startswith("Fine-tune: finetuned is")
    assert shown.locator("tr.strong td").first.inner_text() == "finetuned"


def test_the_page_is_one_small_file_without_scripts(finished: Run) -> None:
    html = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert len(html.encode()) < 1_000_000
    assert "<script" not in html
    assert re.findall(r'(?:src|href)="(?!data:text/csv)[^"]*', html) == []
    assert len(re.findall("<svg ", html)) == 5
    assert "\u202e" not in html and "\x1b" not in html


def test_hostile_texts_are_texts(opened: Callable[..., "Page"]) -> None:
    shown = opened()
    assert shown.title().startswith("sentiment · sentiment-1")
    shown.locator("summary", has_text="was wrong").click()
    cells = shown.locator(".texts td:first-child").all_inner_texts()
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[4]):
        assert text in cells
    assert any("\ufffdright to left\ufffd" in cell for cell in cells)
    assert shown.locator("img, script, iframe, a:not(.figures)").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_readable_light_and_dark_wide_and_narrow(
    opened: Callable[..., "Page"], scheme: str, width: int
) -> None:
    shown = opened(width, 844, scheme)
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    for selector in ("p.statement", "td", "p.quiet", "a.figures", "h2", "th", "figure svg text"):
        assert _contrast(shown, selector) >= 4.5, selector
    heights = "[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect().height)"
    assert min(filter(None, shown.evaluate(heights))) >= 9, "the smallest letters of a chart, in pixels"


def _contrast(shown: "Page", selector: str) -> float:
    """Return the contrast of a text with the page, as WCAG 2.2 has it."""
    ink = shown.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
    if selector.endswith("svg text"):
        assert shown.locator(selector).first.get_attribute("fill") == "currentColor"
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    light, dark = sorted(map(_luminance, (ink, paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_headings_are_in_order_and_charts_are_told_in_words(opened: Callable[..., "Page"]) -> None:
    shown = opened()
    levels = [int(tag[1]) for tag in shown.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for figure in shown.locator("figure").all():
        told = figure.locator("svg[role=img]").get_attribute("aria-label") or ""
        assert told.startswith(figure.locator("h3").inner_text())
    with shown.expect_download() as download:
        shown.locator("a.figures").first.click()
    assert Path(download.value.path()).read_text().startswith("arm,accuracy_percent,from_percent,to_percent")


def test_the_demos_report_is_two_printed_pages(opened: Callable[..., "Page"]) -> None:
    import io

    from pypdf import PdfReader

    pages = PdfReader(io.BytesIO(opened().pdf(prefer_css_page_size=True))).pages
    assert [round(float(side) / 72 * 25.4) for side in pages[0].mediabox[2:]] == [210, 297]
    assert len(pages) == 2
    first, last = (" ".join(one.extract_text().split()) for one in pages)
    assert "Fine-tune:" in first and "accuracy, % of answered texts" in first
    assert "Caveats" in last and "All comparisons" in last and "cut short" in last
    assert "Figures as CSV" not in first + last


def test_a_page_is_drawn_again_only_when_it_would_tell_something_else(run: Run) -> None:
    path = run.folder / "report.html"
    before = path.stat().st_mtime_ns
    score(run)
    assert path.stat().st_mtime_ns == before
    row = next(iter(Journal(run.folder / RECORDS).rows()))
    Journal(run.folder / RECORDS).append([row | {"label": None, "failure": "no answer in time"}])
    score(run)
    assert path.stat().st_mtime_ns != before
    assert "no answer in time" in path.read_text(encoding="utf-8")


def test_the_command_writes_each_form_where_it_is_wanted(run: Run, bakeoff: Bakeoff) -> None:
    told = bakeoff("runs", "report", run.id)
    assert (told.code, told.out) == (0, f"report: .bakeoff/runs/{run.id}/report.html\n")
    told = bakeoff("runs", "report", run.id, "--format", "md")
    assert told.code == 0
    assert told.out.startswith("## sentiment\n\n**Fine-tune: `finetuned` is ")
    assert bakeoff("runs", "report", run.id, "--format", "md", "-o", "r.md").out == "report: r.md\n"
    assert Path("r.md").read_text(encoding="utf-8") == told.out
    refused = bakeoff("runs", "report", run.id, "--format", "md", "-o", "nowhere/r.md")
    assert refused.code == 1
    assert "a file to write at nowhere/r.md" in refused.err
    assert "the name of a run" in bakeoff("runs", "report", "nosuch").err


@pytest.mark.parametrize("price", ["", "2"])
def test_the_demos_pdf_is_two_pages_with_five_charts_whatever_an_hour_costs(
    run: Run, bakeoff: Bakeoff, setting: Callable[[str, str], None], price: str
) -> None:
    from pypdf import PdfReader

    setting("BAKEOFF_USD_PER_HOUR", price)
    told = bakeoff("runs", "report", run.id, "--format", "pdf")
    assert (told.code, told.out, told.err) == (0, f"report: .bakeoff/runs/{run.id}/report.pdf\n", "")
    score(run)
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<svg ", html)) == 5
    assert ("USD for 1,000 answers" in html) == bool(price)
    pages = PdfReader(run.folder / "report.pdf").pages
    assert [round(float(side) / 72 * 25.4) for side in pages[0].mediabox[2:]] == [210, 297]
    assert len(pages) == 2
    first, last = (" ".join(one.extract_text().split()) for one in pages)
    assert "Fine-tune:" in first and "finetuned is most accurate" in first
    assert "Caveats" in last and "All comparisons" in last


def test_the_pdf_is_made_without_asking_anybody() -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    pdf_writer()(f"<link rel=stylesheet href={address}/x.css><img src={address}/x.png><img src=file:///etc/hostname>")
    server.shutdown()
    assert asked == []


def test_a_missing_pdf_maker_is_one_line_with_its_command(
    run: Run, bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    told = bakeoff("runs", "report", run.id, "--format", "pdf")
    assert told.code == 1
    assert "no WeasyPrint; install them: pip install 'bakeoff[pdf]'" in " ".join(told.err.split())
    assert "Traceback" not in told.err
    Path("weasyprint.py").write_text("raise OSError('cannot load library libpango-1.0-0\\nsecond line')")
    monkeypatch.delitem(sys.modules, "weasyprint")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    with pytest.raises(BakeoffError, match=r"got cannot load library libpango-1\.0-0; install them: apt"):
        pdf_writer()
    assert not (run.folder / "report.pdf").exists()


def test_markdown_shows_hostile_texts_and_makes_nothing_of_them(run: Run) -> None:
    text = markdown(read(run))
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    own = {
        "h2",
        "h3",
        "p",
        "strong",
        "ul",
        "li",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
    }
    assert set(re.findall(r"<([a-z]\w*)", html)) == own
    assert "click](http" in html and "document.title" in html
    outside_code = re.sub(r"`[^`\n]*`", "", text)
    assert not re.search(r"@\w|(?<!\w)#\w|GH-\w|\bwww\.|https?:", outside_code)
    assert f"@{JOINER}everyone" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "phish" in row} == {10}, "no text ends its cell"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a`b", "a\\`b"),
        ("1. x", "1\\. x"),
        ("- x", "\\- x"),
        ("# x", "\\# x"),
        ("snake_case 0.5 (x) -3", "snake_case 0.5 (x) -3"),
        ("a\n\nb", "a b"),
        ("&lt;b", "\\&lt;b"),
        ("x@y.z", f"x@{JOINER}y.z"),
        ("HTTP://x", "HTTP\\://x"),
    ],
)
def test_a_text_in_markdown_is_escaped_where_it_must_be(text: str, shown: str) -> None:
    assert plain(text) == shown
    rendered = MarkdownIt("commonmark").renderInline(plain(text)).replace("&lt;", "<").replace("&amp;", "&")
    assert rendered.replace(JOINER, "") == " ".join(text.split())


def test_code_holds_backticks_and_pipes() -> None:
    assert code("a`b") == "`` a`b ``"
    assert code("a|b") == "`a\\|b`"
    assert plain("rag@x:y beats rag.", ["rag", "rag@x:y"]) == "`rag@x:y` beats `rag`."


def test_a_report_of_many_long_failures_stays_small(run: Run) -> None:
    rows = [
        row | {"label": None, "failure": f"{number} {'<b>x</b> ' * 5000}", "text": "y" * 100_000}
        for number, row in zip(range(90), Journal(run.folder / RECORDS).rows(), strict=False)
    ]
    Journal(run.folder / RECORDS).append(rows)
    contents = read(run)
    assert all(len(reason) <= LONGEST + 2 for _, reason in contents.failures)
    assert len(page(contents).encode()) < 1_000_000
    assert len(markdown(contents)) <= MOST + 100
    long = replace(contents, document=contents.document | {"findings": [_huge()] * 3})
    text = markdown(long)
    assert len(text) < 60_000
    assert text.endswith("The rest is left out here for its length, and stands in report.html.\n")


def _huge() -> dict[str, Any]:
    return {"title": "much", "columns": ["a", "b"], "rows": [["x" * 50, 1.0]] * 600, "note": "", "data": {}}


def test_a_run_that_is_unfinished_or_of_an_older_schema_has_a_report_too(run: Run) -> None:
    manifest = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))
    for name in ("schema", "models", "seeds", "machine", "packages", "settings"):
        del manifest[name]
    manifest["suite"] = {name: manifest["suite"][name] for name in ("name", "arms", "reference", "dataset")}
    write_json(run.folder / MANIFEST, manifest)
    lines = (run.folder / RECORDS).read_text(encoding="utf-8").splitlines(keepends=True)
    (run.folder / RECORDS).write_text("".join(lines[:250]), encoding="utf-8")
    contents = read(run)
    assert "Unfinished" in page(contents)
    assert "**Unfinished:" in markdown(contents)


def test_a_run_in_which_nothing_was_answered_has_a_report_without_charts(tmp_path: Path) -> None:
    suite = load_suite("sentiment").only(["knn"], [])
    rows = {"knn": [_failed(number) for number in range(3)]}
    document = {
        "run_id": "x-1",
        "suite": "x",
        "dataset": {"name": "x", "fingerprint": "f", "train": 1, "validation": 1, "test": 3},
        "results": [_nothing()],
        "comparisons": [],
        "details": {"knn": {"per_class": {}, "confusion": {"labels": [], "matrix": []}, "reliability": None}},
        "verdict": {"winner": None, "statement": "No verdict.", "because": [], "would_change_if": []},
    }
    manifest = {"suite": suite.model_dump(), "dataset": document["dataset"], "started": "2026-01-01"}
    contents = contents_of(document, manifest, {"knn": Measured(Fit())}, rows)
    html = page(contents)
    assert "<svg" not in html
    assert "out of reach" in html
    write_page(contents, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    assert "`knn`: out of reach" in markdown(contents)


def _failed(number: int) -> Record:
    example = Example(str(number), "t", "a", f"x:{number}")
    return Record.of(Question("knn", "", "", "test", 0, example.id), example, Prediction(None, "out of reach"), 0.1)


def _nothing() -> dict[str, Any]:
    unknown = ("accuracy", "accuracy_ci", "macro_f1", "latency_p50_ms", "latency_p95_ms")
    unpriced = ("cost_per_1k_usd", "cost_per_correct_usd")
    known = {"approach": "knn", "llm": None, "n": 3, "failures": 3, "fit_seconds": 0.0, "tokens": 0}
    return known | dict.fromkeys((*unknown, *unpriced))
