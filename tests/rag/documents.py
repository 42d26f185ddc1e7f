"""Documents of every kind, written by the libraries people write them with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARAGRAPH = "The kettle is filled to the mark before it is switched on. "
CODE_BLOCK = "```python\n" + "".join(f"total += weights[{n}] * values[{n}]\n\n" for n in range(14)) + "```\n"
MARKDOWN = f"""---
title: Tea
---
# Tea

Tea is a drink.

## Brewing

{PARAGRAPH * 20}

### By machine

{PARAGRAPH * 4}

{CODE_BLOCK}
{PARAGRAPH * 4}

## Refunds

We refund within 14 days.
"""
FUNCTION = 'def area_{n}(radius):\n    """Return the area."""\n' + "    # circles\n" * 20 + "    return math.pi\n\n\n"
PYTHON = '"""Sums."""\n\nimport math\n\n\n' + "".join(FUNCTION.format(n=n) for n in range(9))
PEOPLE = [(f"Ada {n}", n, f"likes number {n}, and tea") for n in range(1, 40)]


def write_docx(path: Path) -> None:
    """Write a document with headings, text and a table."""
    from docx import Document

    document = Document()
    document.add_heading("Leave", 1)
    document.add_paragraph("Everyone has thirty days of leave.")
    document.add_heading("Carrying over", 2)
    document.add_paragraph("Five days can be carried over. " * 40)
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Country", "Days"
    document.save(str(path))


def write_pptx(path: Path) -> None:
    """Write three slides."""
    from pptx import Presentation

    slides = Presentation()
    for number in range(1, 4):
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = f"Step {number}"
        slide.placeholders[1].text = f"In step {number} the water is heated."
    slides.save(str(path))


def write_xlsx(path: Path) -> None:
    """Write two sheets, the second with an empty row and a cell outside its header."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Sales"
    for row in [("name", "age", "note"), *PEOPLE]:
        book.active.append(row)
    other = book.create_sheet("Costs")
    other["A2"], other["B2"], other["A4"], other["B4"], other["C4"] = "what", "euros", "rent", 900, "since May"
    book.save(path)


def write_pdf(path: Path) -> None:
    """Write three pages."""
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for number in range(1, 4):
        pdf.add_page()
        pdf.multi_cell(0, 6, f"Page {number} tells of reactors. " + PARAGRAPH * 20)
    pdf.output(str(path))


def write_parquet(path: Path) -> None:
    """Write a table without a column called label."""
    import pyarrow
    import pyarrow.parquet

    columns = list(zip(*PEOPLE, strict=True))
    pyarrow.parquet.write_table(pyarrow.table(dict(zip(("name", "age", "note"), columns, strict=True))), path)


def _text(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text, encoding="utf-8")


CSV = "name,age,note\n" + "".join(f'{name},{age},"{note}"\n' for name, age, note in PEOPLE)
RECORDS = [{"name": name, "age": age, "note": note} for name, age, note in PEOPLE]
EXAMPLES = "text,label\n" + "".join(f'"{note}, and so on",{"even" if age % 2 else "odd"}\n' for _, age, note in PEOPLE)
HTML = (
    "<html><head><title>Tea</title><script>steal()</script></head><body><h1>Tea</h1><p>It is a drink.</p>"
    f"<h2>Brewing</h2><p>{PARAGRAPH * 20}</p><pre><code>boil(water)\n\npour(water)</code></pre></body></html>"
)
RST = (
    f"====\nTea\n====\n\nIt is a drink.\n\nBrewing\n-------\n\n{PARAGRAPH * 20}\n\n"
    "Cups\n----\n\nUse cups::\n\n    cup()\n"
)
WRITERS: dict[str, Callable[[Path], Any]] = {
    "tea.md": _text(MARKDOWN),
    "tea.rst": _text(RST),
    "tea.txt": _text(f"Tea.\n\n{PARAGRAPH * 30}\n\n{'無糖綠茶很好喝。' * 300}\n\n{'x' * 3000}"),
    "windows.txt": lambda path: path.write_bytes(f"Tea.\r\n\r\n{PARAGRAPH * 30}".encode("utf-16")),
    "tea.html": _text(HTML),
    "sums.py": _text(PYTHON),
    "sums.sql": _text("SELECT 1;\n\nCREATE TABLE tea (\n  cup int\n);\n" * 60),
    "people.csv": _text(CSV),
    "people.tsv": _text("\n".join(line.replace(",", "\t", 2) for line in CSV.splitlines())),
    "examples.csv": _text(EXAMPLES),
    "people.json": _text(json.dumps(RECORDS)),
    "nested.json": _text(json.dumps({"people": RECORDS}, indent=1)),
    "people.jsonl": _text("\n".join(map(json.dumps, [*RECORDS, {"name": "lone \ud800 surrogate"}]))),
    "people.parquet": write_parquet,
    "leave.docx": write_docx,
    "steps.pptx": write_pptx,
    "sales.xlsx": write_xlsx,
    "reactors.pdf": write_pdf,
}
