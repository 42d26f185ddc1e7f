"""The human-rated texts of Hutto & Gilbert (ICWSM 2014): tweets, and sentences from Amazon, films and newspapers.

They come from the source archive of vaderSentiment 3.3.2.
"""

import hashlib
import html
import io
import tarfile
from pathlib import Path

from lab.datasets.examples import Dataset, Example
from lab.errors import BakeoffError
from lab.packages import download
from lab.workspace import Workspace, lock, new_folder

SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
REQUIREMENT = f"vaderSentiment==3.3.2 --hash=sha256:{SHA256}"
STUDY = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
# name of the dataset: (name in the study, start of its examples' ids)
SETS = {
    "tweets": ("tweets", "tweet"),
    "amazon": ("amazonReviewSnippets", "amazon"),
    "films": ("movieReviewSnippets", "film"),
    "news": ("nytEditorialSnippets", "news"),
}
NEGATIVE_BELOW, POSITIVE_ABOVE = -0.5, 0.5


def load_study(name: str) -> Dataset:
    """Return one set of the study, labelled by the mean of at least twenty human ratings between -4 and 4.

    `name` is one of SETS: 4,200 tweets, 3,708 sentences on Amazon, 10,605 on films, 5,190 of newspaper editorials.

    Raises:
        BakeoffError: the archive cannot be fetched, or is not the pinned one.
    """
    file, prefix = SETS[name]
    content = _study_file(_archive(), f"hutto_ICWSM_2014/{file}_GroundTruth.txt").decode("utf-8")
    lines = enumerate(content.splitlines(), 1)
    return Dataset(name, tuple(_example(line, prefix, f"{name}:{number}") for number, line in lines))


def label_of(rating: float) -> str:
    """Return the label for a mean rating: negative below -0.5, positive above 0.5, neutral between."""
    if rating < NEGATIVE_BELOW:
        return "negative"
    return "positive" if rating > POSITIVE_ABOVE else "neutral"


def _example(line: str, prefix: str, source: str) -> Example:
    identifier, rating, text = line.split("\t", 2)
    return Example(f"{prefix}-{identifier}", html.unescape(text).strip(), label_of(float(rating)), source)


def _archive() -> Path:
    """Return the path of the archive, fetched into the cache the first time; the hash is checked every time."""
    folder = Workspace.current().cache / "tweets"
    with lock(folder.with_suffix(".lock"), "the tweets", wait_seconds=300):
        if not folder.exists():
            with new_folder(folder) as draft:
                download(REQUIREMENT, draft, sdist=True)
    archive = next(folder.glob("*.tar.gz"), folder / "vaderSentiment-3.3.2.tar.gz")
    found = hashlib.sha256(archive.read_bytes()).hexdigest() if archive.exists() else "no file"
    if found != SHA256:
        raise BakeoffError(f"{archive} with SHA-256 {SHA256[:12]}…", f"{found[:12]}…", f"delete {folder} and run again")
    return archive


def _study_file(archive: Path, member: str) -> bytes:
    """Return one file of the study, which is an archive inside the archive; nothing is unpacked to disk."""
    with tarfile.open(archive) as package, tarfile.open(fileobj=io.BytesIO(_read(package, STUDY))) as study:
        return _read(study, member)


def _read(archive: tarfile.TarFile, member: str) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise BakeoffError(f"a file {member} in the archive", "a folder or link", "delete it and run again")
    return file.read()
