"""A report, written to a file in the form that is wanted."""

from pathlib import Path
from typing import Literal

from evals.export import replacing
from evals.reporting.contents import Contents
from evals.reporting.markdown import markdown
from evals.reporting.page import page
from evals.reporting.pdf import pdf

Form = Literal["html", "md", "pdf"]


def write_report(contents: Contents, form: Form, path: Path) -> None:
    """Write a report to `path`, as a whole or not at all.

    Raises:
        BakeoffError: the file cannot be written; or, for a PDF, what writes it is not installed.
    """
    written = markdown(contents) if form == "md" else page(contents)
    document = pdf(written) if form == "pdf" else written.encode()
    with replacing(path) as draft:
        draft.write_bytes(document)
