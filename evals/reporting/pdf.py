"""The report as a PDF, made of the page by WeasyPrint, which fetches nothing."""

import logging
from collections.abc import Callable

from lab.errors import BakeoffError


def pdf_writer() -> Callable[[str], bytes]:
    """Return what makes a PDF of a page.

    Raises:
        BakeoffError: WeasyPrint is not there, or the library Pango that it needs.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except ImportError:
        raise _missing("no WeasyPrint", "pip install 'bakeoff[pdf]'") from None
    except OSError as error:  # it loads Pango and its kin while it is imported
        raise _missing(str(error).splitlines()[0], "apt install libpango-1.0-0 libpangoft2-1.0-0") from None
    for name in ("weasyprint", "fontTools"):  # a browser's style they warn of line by line
        logging.getLogger(name).setLevel(logging.ERROR)
    return lambda html: HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=())).write_pdf()


def _missing(got: str, command: str) -> BakeoffError:
    return BakeoffError("WeasyPrint and Pango, to write PDF", got, f"install them: {command}; or print report.html")
