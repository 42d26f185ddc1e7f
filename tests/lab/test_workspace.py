"""What is written is whole or not there; what is locked is refused."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from lab.errors import BakeoffError
from lab.workspace import Workspace, fingerprint, lock, new_folder, read_json, write_json


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with pytest.raises(RuntimeError), new_folder(target) as draft:
        (draft / "half").write_text("…")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with new_folder(target) as draft:
        (draft / "whole").write_text("…")
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_a_folder_that_is_replaced_is_there_all_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    with new_folder(target) as draft:
        (draft / "old").write_text("…")
    removed = []
    remove = shutil.rmtree

    def seen(path: Path, ignore_errors: bool = False) -> None:
        if (path / "old").exists():
            assert (target / "new").exists(), "the old one goes when the new one is in its place"
            removed.append(path)
        remove(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", seen)
    with new_folder(target) as draft:
        (draft / "new").write_text("…")
    assert len(removed) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(BakeoffError, match=r"x\.json"):
        read_json(tmp_path / "x.json")


def test_a_lock_held_elsewhere_is_a_clear_refusal(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "lock", is_singleton=False)
    with held, pytest.raises(BakeoffError, match="another Bakeoff process"), lock(tmp_path / "lock", "the run"):
        pass


def test_a_workspace_inside_a_file_is_refused(tmp_path: Path, setting: Callable[[str, str], None]) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "deeper"):
        setting("BAKEOFF_HOME", str(home))
        with pytest.raises(BakeoffError, match="a folder for the workspace; got the file"):
            Workspace.current()


def test_a_fingerprint_changes_with_its_parts() -> None:
    assert fingerprint("a", 1) == fingerprint("a", 1)
    assert fingerprint("a", 1) != fingerprint("a", 2)


def test_what_the_system_will_not_write_is_one_line(tmp_path: Path) -> None:
    def bakeoff(*arguments: str, output: str, home: str) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "BAKEOFF_HOME": home}
        with Path(output).open("w") as stdout:
            told = subprocess.run(
                [sys.executable, "-m", "cli", *arguments],
                stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment,
            )  # fmt: skip
        return told.returncode, told.stderr

    full = "bakeoff: expected to write the answer; got no space left on device; send it elsewhere\n"
    assert bakeoff("tools", "list", output="/dev/full", home="home") == (1, full)
    code, told = bakeoff("conversations", "list", output=os.devnull, home="/proc/nowhere")
    assert (code, told.count("\n")) == (1, 1)
    assert told.startswith("bakeoff: expected to make the folder /proc/nowhere; got")
    assert "set BAKEOFF_HOME to a folder that can be written" in told
