"""Files to passages: Markdown and plain text, cut at headings and paragraphs, each passage with its place."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from langchain_text_splitters import RecursiveCharacterTextSplitter

from lab.errors import BakeoffError
from rag.passages import Passage

SUFFIXES = {".md", ".txt", ".rst"}
CHUNK_CHARACTERS, OVERLAP = 800, 80


def handbook_folder() -> Path:
    """Return Bakeoff's own documents: inside the wheel, or docs/ of a checkout."""
    packaged = Path(str(files("rag"))) / "handbook"
    return packaged if packaged.is_dir() else Path(str(files("rag"))).parent / "docs"


def document_files(path: Path) -> list[Path]:
    """Return the readable documents at `path`, a file or a folder.

    Raises:
        BakeoffError: there is nothing there that can be read.
    """
    if not path.exists():
        raise BakeoffError(f"a file or folder at {path}", "none", "check the path")
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    readable = [p for p in found if p.suffix.lower() in SUFFIXES]
    if not readable:
        kinds = ", ".join(sorted(SUFFIXES))
        raise BakeoffError(
            f"documents ({kinds}) at {path}", f"{len(found)} files, none of them", "convert them to text"
        )
    return readable


def load_passages(path: Path) -> Iterator[Passage]:
    """Cut one document into passages of at most 800 characters, broken at headings, paragraphs or sentences.

    Raises:
        BakeoffError: the file is not UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BakeoffError(
            f"UTF-8 text in {path}", f"the byte 0x{error.object[error.start]:02x} at {error.start}", "save it as UTF-8"
        ) from None
    splitter = RecursiveCharacterTextSplitter(
        separators=["\n# ", "\n## ", "\n### ", "\n\n", "\n", ". ", " ", ""],
        chunk_size=CHUNK_CHARACTERS,
        chunk_overlap=OVERLAP,
        add_start_index=True,
    )
    for chunk in splitter.create_documents([text]):
        start = chunk.metadata["start_index"]
        yield Passage(chunk.page_content, str(path), (start, start + len(chunk.page_content)))
