"""A report, written to a file in the form that is wanted."""

from pathlib import Path
from typing import Literal

from evals.export import replacing
from evals.reporting.contents import Contents
from evals.reporting.markdown import markdown
from evals.reporting.page import page
from evals.reporting.pdf import pdf_writer

Form = Literal["html", "md", "pdf"]


def write_report(contents: Contents, form: Form, path: Path) -> None:
    """Write a report to `path`, as a whole or not at all.

    Raises:
        BakeoffError: the file cannot be written; or, for a PDF, what writes it is not installed.
    """
    match form:
        case "md":
            document = markdown(contents).encode()
        case "html":
            document = page(contents).encode()
        case "pdf":
            document = pdf_writer()(page(contents))  # that there is a writer is known before anything is drawn
    with replacing(path) as draft:
        draft.write_bytes(document)
