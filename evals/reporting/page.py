"""The report as a page: one file that needs neither scripts nor a network, and prints well."""

import base64
import json
import re
from importlib.resources import files
from pathlib import Path

from evals.charts.chart import Chart
from evals.charts.run import common_charts, finding_charts
from evals.reporting.contents import SHOWN_FAILURES, Contents
from evals.reporting.method import caveats, facts
from evals.reporting.tables import class_tables, comparisons_table, disputed_table, finding_table, results_table
from lab.console import printable
from lab.workspace import fingerprint, write_text

TEMPLATE, STYLE = "page.html.j2", "page.css"
WIDTH = 400  # pixels of a chart: half a sheet of A4, or a telephone
OWN, ALL = 4, 5  # charts: at most so many of what the suite is about, and in all
HEAD = 1000  # characters in which a page tells what it was made of


def write_page(contents: Contents, path: Path) -> None:
    """Write the page to `path`, unless the one that is there tells the same: to draw it takes seconds.

    Raises:
        BakeoffError: the file cannot be written.
    """
    mark = f'content="{_mark(contents)}"'
    if path.exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            if mark in file.read(HEAD):
                return
    write_text(path, page(contents))


def page(contents: Contents) -> str:
    """Return the report as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["breakable"] = _breakable
    template = environment.from_string(_room(TEMPLATE))
    html = template.render(
        told=contents,
        document=contents.document,
        manifest=contents.manifest,
        mark=_mark(contents),
        style=Markup(_room(STYLE)),  # noqa: S704 - ours
        charts=[(chart, Markup(_inline(chart)), _data_url(chart)) for chart in charts(contents)],  # noqa: S704 - drawn
        results=results_table(contents),
        comparisons=comparisons_table(contents),
        findings=[(one, finding_table(one)) for one in contents.document.get("findings", [])],
        classes=class_tables(contents),
        disputed=disputed_table(contents),
        failures=contents.failures[:SHOWN_FAILURES],
        more_failures=len(contents.failures[SHOWN_FAILURES:]),
        facts=facts(contents.manifest),
        caveats=caveats(contents),
        full_manifest=json.dumps(contents.manifest, indent=2, ensure_ascii=False),
    )
    return printable(html)


def charts(contents: Contents) -> list[Chart]:
    """Return the charts of a report: what its suite is about first, then what every run has, six in all at most."""
    own = finding_charts(contents.document.get("findings", []))
    if len(own) > OWN:  # of a long time line: how it begins and how it ends
        own = [own[0], *own[1 - OWN :]]
    return [*own, *common_charts(contents.document, contents.reference)][:ALL]


def _mark(contents: Contents) -> str:
    """Return what changes with all that the page tells, and with how it is laid out."""
    return fingerprint(contents.fingerprint, [_room(name) for name in (TEMPLATE, STYLE)])


def _room(name: str) -> str:
    """Return a file of this room."""
    return (files("evals") / "reporting" / name).read_text(encoding="utf-8")


def _breakable(name: str) -> str:
    """Return a name that may go on in the next line after @ and _, so that narrow columns hold it."""
    from markupsafe import Markup, escape

    return Markup(re.sub("([@_])", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped


def _inline(chart: Chart) -> str:
    """Return the chart's SVG as wide as its place, told to those who cannot see it by its title and note."""
    from markupsafe import escape

    svg = chart.svg(WIDTH)
    start = svg.index(">") + 1
    box = re.search(r'viewBox="[\d. ]+"', svg[:start])
    label = escape(printable(f"{chart.title}. {chart.note}"))
    head = f'xmlns="http://www.w3.org/2000/svg" {box[0] if box else ""} role="img" aria-label="{label}"'
    return f"<svg {head}>{svg[start:]}"


def _data_url(chart: Chart) -> str:
    return "data:text/csv;base64," + base64.b64encode(chart.csv().encode()).decode()
