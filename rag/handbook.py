"""Bakeoff's own documents, which the index holds by default."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rag.reading import Origin, origins


def handbook_folder() -> Path:
    """Return Bakeoff's own documents: inside the wheel, or docs/ of a checkout."""
    packaged = Path(str(files("rag"))) / "handbook"
    return packaged if packaged.is_dir() else Path(str(files("rag"))).parent / "docs"


def handbook_pages() -> Iterator[Origin]:
    """Yield the handbook's pages; the measured curves beside them are data for its commands."""
    for found in origins(str(handbook_folder())):
        if isinstance(found, Origin) and found.source.endswith(".md"):
            yield found
