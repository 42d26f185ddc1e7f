"""The report as a PDF, made of the page by WeasyPrint, which fetches nothing."""

import logging
from typing import NoReturn

from lab.errors import BakeoffError


def pdf(html: str) -> bytes:
    """Return a page as PDF.

    Raises:
        BakeoffError: WeasyPrint is not there, or the library Pango that it needs.
    """
    try:
        from weasyprint import HTML
    except ImportError:
        raise _missing("no WeasyPrint", "pip install 'bakeoff[pdf]'") from None
    except OSError as error:  # it loads Pango and its kin while it is imported
        raise _missing(str(error).splitlines()[0], "apt install libpango-1.0-0 libpangoft2-1.0-0") from None
    for name in ("weasyprint", "fontTools"):  # a browser's style they warn of line by line
        logging.getLogger(name).setLevel(logging.ERROR)
    written: bytes = HTML(string=html, url_fetcher=_refuse).write_pdf()
    return written


def _missing(got: str, command: str) -> BakeoffError:
    return BakeoffError("WeasyPrint and Pango, to write PDF", got, f"install them: {command}; or print report.html")


def _refuse(url: str, *_: object, **__: object) -> NoReturn:
    raise ValueError(f"a report fetches nothing: {url}")
