"""Documents of a file or folder as passages, for callers that want all of them readable."""

from collections.abc import Iterator
from pathlib import Path

from lab.errors import BakeoffError
from rag.handbook import handbook_folder, handbook_pages
from rag.passages import Passage
from rag.reading import Origin, Unreadable, origins, read


def document_files(path: Path) -> list[Path]:
    """Return the documents at `path`, a file or a folder, under the path they were asked for.

    Raises:
        BakeoffError: there is nothing there that can be read.
    """
    found = list(handbook_pages() if path == handbook_folder() else origins(str(path)))
    files = [Path(origin.source) for origin in found if isinstance(origin, Origin)]
    if not files:
        raise BakeoffError(
            f"documents at {path}", f"{len(found)} files, none that can be read", "see docs/documents.md"
        )
    return [path / file.relative_to(path.resolve()) if path.is_dir() else path for file in files]


def load_passages(path: Path) -> Iterator[Passage]:
    """Yield the passages of one document, each with `path` as its source.

    Raises:
        BakeoffError: the document cannot be read.
    """
    try:
        passages = read(Origin(str(path.absolute()), "")).passages
    except Unreadable as error:
        raise BakeoffError(f"a document that can be read at {path}", str(error), "mend it, or take it away") from None
    for passage in passages:
        yield Passage(passage.text, str(path), passage.span, passage.label, passage.place)
