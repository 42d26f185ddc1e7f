"""Every page at both sizes, in light and dark: it fits, it can be read, and it is there as a picture.

SCREENSHOTS_TO names a folder that keeps the pictures which the README shows, SCREENSHOTS_OF another workspace to take
them of: `make screenshots` takes them of what `make demo` leaves.
"""

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from dashboard.pages import PAGES
from tests.dashboard.conftest import NARROW, WIDE, View
from tests.dashboard.looking import cut_off, faint

ROOT = Path.cwd()
KEPT, OF = os.environ.get("SCREENSHOTS_TO"), os.environ.get("SCREENSHOTS_OF")
SHOWN = ("compare-wide", "knobs-wide")  # in the README
HEAVIEST = 300_000  # bytes of such a picture


def test_every_page_fits_its_window_and_can_be_read(
    served: Callable[[Path], str], visit: Callable[..., View], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address = served(ROOT / OF if OF else request.getfixturevalue("measured_home"))
    for (size, viewport), dark in product((("wide", WIDE), ("narrow", NARROW)), (False, True)):
        view = visit(address, viewport, dark)
        for number, one in enumerate(PAGES):
            name = f"{one.path}-{size}{'-dark' if dark else ''}"
            page = view.open(one.path if number else "", one.title)
            expect(page.get_by_text("cannot be shown")).to_have_count(0)
            if KEPT and name in SHOWN:
                picture = page.screenshot()
                assert len(picture) < HEAVIEST, name
                (ROOT / KEPT).mkdir(exist_ok=True)
                (ROOT / KEPT / f"{name}.png").write_bytes(picture)
            picture = _whole(page, viewport, tmp_path / f"{name}.png")
            assert len(picture) > 5_000, f"there is something on {name}"
            assert (name, cut_off(page)) == (name, [])
            assert (name, faint(page)) == (name, [])
            view.check()


def _whole(page: Page, viewport: ViewportSize, path: Path) -> bytes:
    """Take a picture of all of a page, which scrolls inside of its window."""
    height = page.get_by_test_id("stMainBlockContainer").evaluate("one => one.scrollHeight")
    page.set_viewport_size({"width": viewport["width"], "height": height})
    picture = page.screenshot(path=path, full_page=True)
    page.set_viewport_size(viewport)
    return picture
