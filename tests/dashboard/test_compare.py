"""The first page: the approaches of a run side by side."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.dashboard.conftest import NARROW, View


def test_the_first_page_compares_the_newest_run_wide_and_narrow_light_and_dark(
    served: Callable[[Path], str], visit: Callable[..., View], measured_home: Path
) -> None:
    address = served(measured_home)
    for viewport, dark in ((None, False), (NARROW, True)):
        page = visit(address, viewport, dark).open("", "Compare")
        expect(page.get_by_text("is most accurate")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").first.click()
        assert ",from_" in Path(download.value.path()).read_text(encoding="utf-8")


def test_an_empty_workspace_says_which_command_fills_it(
    served: Callable[[Path], str], visit: Callable[..., View], tmp_path: Path
) -> None:
    page = visit(served(tmp_path / "nothing")).open("", "Compare")
    expect(page.get_by_text("bakeoff eval sentiment")).to_be_visible()
