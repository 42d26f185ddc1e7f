"""One origin read and cut into passages."""

from dataclasses import dataclass
from pathlib import Path

from langchain_text_splitters import RecursiveCharacterTextSplitter

from rag.passages import Passage
from rag.reading.origins import Origin

CHUNK_CHARACTERS, OVERLAP = 800, 80


class Unreadable(Exception):
    """An origin cannot be read; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Reading:
    """What was read: the passages in their order, the text that their spans count in, and a hash of the content."""

    passages: tuple[Passage, ...]
    text: str
    content: str


def read(origin: Origin) -> Reading:
    """Read an origin and cut it into passages.

    Raises:
        Unreadable: it is broken, too large, encrypted, or gone.
    """
    from lab.workspace import fingerprint

    try:
        text = Path(origin.source).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 text: the byte 0x{error.object[error.start]:02x} at {error.start}") from None
    splitter = RecursiveCharacterTextSplitter(
        separators=["\n# ", "\n## ", "\n### ", "\n\n", "\n", ". ", " ", ""],
        chunk_size=CHUNK_CHARACTERS,
        chunk_overlap=OVERLAP,
        add_start_index=True,
    )
    passages = []
    for chunk in splitter.create_documents([text]):
        start = chunk.metadata["start_index"]
        passages.append(Passage(chunk.page_content, origin.source, (start, start + len(chunk.page_content))))
    return Reading(tuple(passages), text, fingerprint(text))
