"""The report as Markdown for a pull request: GitHub's tables, and texts from outside that stay texts."""

import re
from collections.abc import Iterable, Iterator, Sequence

from evals.charts.marks import arm_name
from evals.reporting.contents import Contents
from evals.reporting.method import caveats, facts
from evals.reporting.tables import Table, disputed_table, finding_table, results_table
from lab.console import printable

MOST = 58_000  # characters; GitHub takes 65,536
FEW = 10  # failures and errors
JOINER = "\u2060"  # shows nothing, and keeps GitHub from making a mention, an issue's number or a link of what follows
# What begins markup anywhere; a link, "www" and an entity; and what begins a heading or a list on a line of its own.
_MARKUP = re.compile(
    r"[\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w)|:(?=\S)|(?<=www)\.|&(?=#?\w+;)|^#|^[-+](?=\s)|(?<=^\d)[.)](?=\s)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"(?:@|#|\bGH-)(?=\w)", re.IGNORECASE)


def markdown(contents: Contents) -> str:
    """Return the report as Markdown, the verdict first; what would make it too long for GitHub is left out."""
    text = ""
    for section in _sections(contents):
        if len(text) + len(section) > MOST:
            text += "\nThe rest is left out here for its length, and stands in report.html.\n"
            break
        text += section
    return printable(text)


def _sections(contents: Contents) -> Iterator[str]:
    document, suite = contents.document, contents.manifest["suite"]
    verdict, arms = document["verdict"], [*contents.arms, *map(arm_name, contents.arms)]

    def told(lines: Iterable[str]) -> list[str]:
        return [plain(line, arms) for line in lines]

    yield f"## {plain(document['suite'])}\n\n**{plain(verdict['statement'], arms)}**\n\n"
    asked = f"{document['dataset']['test']:,} test texts; run {code(document['run_id'])}."
    yield f"{plain(suite.get('description', ''))} {asked}\n\n".lstrip()
    yield _table(results_table(contents), arms)
    yield _bullets("Why", told(verdict["because"]))
    yield _bullets("What would change it", told(verdict["would_change_if"]))
    for finding in document.get("findings", []):
        if finding["rows"]:
            found = _table(finding_table(finding), arms)
            yield f"### {plain(finding['title'], arms)}\n\n{found}{plain(finding['note'], arms)}\n\n"
    made_of = [f"{name}: {plain(value)}" for name, value in facts(contents.manifest).items()]
    yield _bullets("Method and caveats", made_of + told(caveats(contents)))
    yield _bullets("Failures", [f"{code(arm)}: {plain(reason)}" for arm, reason in contents.failures[:FEW]])
    if contents.disputed:
        table = disputed_table(contents)
        shown = _table(Table(table.headers, table.rows[:FEW]), arms)
        yield f"<details><summary>Texts that the reference got wrong</summary>\n\n{shown}</details>\n\n"
    yield "Charts, all classes, errors and the manifest are in `report.html` of the run's folder.\n"


def plain(text: str, arms: Sequence[str] = ()) -> str:
    """Return a text as Markdown that shows just its characters; arms' names, where they stand alone, as code.

    No markup, link, mention (@name) or issue's number (#1) comes of it; line breaks become spaces.
    """
    if not arms:
        return _escaped(text)
    names = "|".join(re.escape(arm) for arm in sorted(arms, key=len, reverse=True))
    parts = re.split(rf"(?<![\w@:/.-])({names})(?![\w@/-]|:\w)", text)
    return "".join(code(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))


def code(text: str) -> str:
    """Return a text as a span of code, fenced by more backticks than it holds (CommonMark 0.31, 6.1)."""
    text = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str) -> str:
    """Return a text without markup, on one line; blanks at its ends stay, for it may be a part of one."""
    line = re.sub(r"\s+", " ", text)
    return _REFERENCE.sub(rf"\g<0>{JOINER}", _MARKUP.sub(r"\\\g<0>", line))


def _table(table: Table, arms: Sequence[str]) -> str:
    """Return a table as GitHub has it, figures to the right and arms' names as code."""
    if not table.rows:
        return ""
    rule = ["--:" if numeric else "---" for numeric in table.numeric]
    rows = [[code(cell) if cell in arms else _escaped(cell) for cell in row] for row in table.rows]
    if table.strong is not None:
        rows[table.strong] = [f"**{cell}**" for cell in rows[table.strong]]
    lines = [[plain(header, arms) or " " for header in table.headers], rule, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _bullets(title: str, lines: Sequence[str]) -> str:
    return f"### {title}\n\n" + "".join(f"- {line}\n" for line in lines) + "\n" if lines else ""
