"""Every page at both sizes, in light and dark, as a picture. BAKEOFF_SCREENSHOTS names a folder that keeps them.

SCREENSHOTS_OF names another workspace to take them of; the README's are of what `make demo` leaves: `make screenshots`.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.pages import PAGES
from tests.dashboard.conftest import NARROW, WIDE, View

ROOT = Path.cwd()
KEPT, OF = os.environ.get("BAKEOFF_SCREENSHOTS"), os.environ.get("SCREENSHOTS_OF")


@pytest.mark.parametrize(("name", "viewport", "dark"), [("wide", WIDE, False), ("narrow", NARROW, True)])
def test_every_page_fits_its_window_without_an_error(
    served: Callable[[Path], str],
    visit: Callable[..., View],
    measured_home: Path,
    tmp_path: Path,
    name: str,
    viewport: object,
    dark: bool,
) -> None:
    view = visit(served(ROOT / OF if OF else measured_home), viewport, dark)
    folder = ROOT / KEPT if KEPT else tmp_path
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(PAGES):
        page = view.open(one.path if number else "", one.title)
        expect(page.get_by_text("cannot be shown")).to_have_count(0)
        picture = page.screenshot(path=folder / f"{one.path}-{name}.png")
        assert len(picture) > 5_000, "there is something on it"
        view.check()
