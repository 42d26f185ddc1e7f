"""What is broken, encrypted, a bomb, or not what its name says is left with its reason, soon; the rest is read."""

import codecs
import io
import os
import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from rag.documents import document_files
from rag.reading import Origin, Skipped, Unreadable, origins, read, worker
from rag.reading.unreadable import reasons
from tests.rag.documents import WRITERS, write_docx, write_pdf, write_pptx, write_xlsx

MAIN_PART = "word/document.xml"
PLANTED = {"docx": "word/styles.xml", "pptx": "ppt/slides/slide1.xml", "xlsx": "xl/worksheets/sheet1.xml"}
OFFICE: dict[str, Callable[[Path], None]] = {"docx": write_docx, "pptx": write_pptx, "xlsx": write_xlsx}
LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'lol'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
EXTERNAL = "<!DOCTYPE x [<!ENTITY a9 SYSTEM 'file:///etc/hostname'>"


def reason(path: Path) -> str:
    """Return why a file cannot be read."""
    with pytest.raises(Unreadable) as error:
        read(Origin(str(path), ""))
    return str(error.value)


def with_member(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Rewrite one member of an archive."""
    with ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[name] = change(members.get(name, b""))
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def zipped(**members: bytes) -> bytes:
    """Return an archive."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("junk.md", random.Random(0).randbytes(4000), "not UTF-8 text: the byte 0x"),
        ("zeros.md", b"tea" + bytes(99), "binary, not text: a NUL at 3"),
        ("latin.txt", "café".encode("latin-1"), "not UTF-8 text: the byte 0xe9 at 3"),
        ("cut.txt", codecs.BOM_UTF16_LE + b"a\0b", "not UTF-16 text: the byte 0x62 at 4"),
        ("blank.md", b"\xef\xbb\xbf \r\n\t\n", "empty"),
        ("header.csv", b"a,b\n", "no rows"),
        ("quotes.csv", b'a,b\n1,"2\n', "not CSV in quotes.csv, row 1: unexpected end of data"),
        ("latin.csv", b"a,b\n1,caf\xe9\n", "not UTF-8 text: the byte 0xe9 at 9"),
        ("cut.jsonl", b'{"a": 1}\n{"a"', "not JSON in cut.jsonl, row 2"),
        ("deep.jsonl", b"[" * 90_000, "not JSON in deep.jsonl, row 1: lists in lists without end"),
        ("deeper.jsonl", b"[" * 200_000, "not JSON in deeper.jsonl, row 1: lists in lists without end"),
        ("junk.html", b"<p>" + bytes(9), "binary, not HTML: a NUL at 3"),
        ("junk.pdf", b"no pdf", "not a PDF"),
        ("archive.pdf", zipped(a=b"tea"), "not a PDF"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj\n<<", "broken PDF"),
        ("junk.docx", b"no zip", "broken: no DOCX"),
        ("archive.docx", zipped(a=b"tea"), "a zip archive, no DOCX"),
        ("escape.xlsx", zipped(**{"../../escaped.txt": b"tea"}), "a zip archive, no XLSX"),
        ("locked.docx", b"\xd0\xcf\x11\xe0" + bytes(99), "encrypted, or older than DOCX"),
        ("junk.parquet", b"PAR1 no", "broken PARQUET"),
        ("deep.html", b"<div>" * 30_000, ""),
    ],
)
def test_what_cannot_be_read_says_why_in_few_words(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    told = reason(tmp_path / name)
    assert told.startswith(expected) and "\n" not in told and len(told) < 200
    assert sorted(path.name for path in tmp_path.rglob("*")) == [name]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Café 無糖.\r\nTea.".encode(encoding))
    assert read(Origin(str(tmp_path / "a.txt"), "")).text == "Café 無糖.\nTea."


@pytest.mark.parametrize("kind", OFFICE)
@pytest.mark.parametrize("entities", [LAUGHS, EXTERNAL], ids=["billion laughs", "external"])
def test_entities_in_office_documents_are_not_expanded(kind: str, entities: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    OFFICE[kind](path)

    def plant(xml: bytes) -> bytes:
        head, body = re.match(r"(<\?.*?\?>)?(.*)", xml.decode(), re.DOTALL).groups("")  # type: ignore[union-attr]
        planted = re.sub('>(Step 1|name)<|"Heading1"', lambda found: f"{found[0][0]}&a9;{found[0][-1]}", body)
        assert planted != body
        return f"{head}{entities}]>{planted}".encode()

    with_member(path, PLANTED[kind], plant)
    try:
        text = read(Origin(str(path), "")).text
    except Unreadable:
        return
    assert "lol" not in text and Path("/etc/hostname").read_text().strip() not in text


@pytest.mark.parametrize("kind", OFFICE)
def test_a_zip_bomb_is_not_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    OFFICE[kind](path)
    with_member(path, "bomb", lambda nothing: bytes(40_000_000))
    assert reason(path).startswith("a zip bomb: ")


def test_an_archive_that_lies_about_its_sizes_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    write_docx(path)
    with_member(path, MAIN_PART, lambda xml: xml[:-20] + b" " * 9_000_000 + xml[-20:])
    size = len(ZipFile(path).read(MAIN_PART)).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (5000).to_bytes(4, "little")))
    assert reason(path).startswith("broken DOCX")


def test_encrypted_pdfs_are_told_from_those_without_a_password(tmp_path: Path) -> None:
    from pypdf import PdfWriter

    write_pdf(tmp_path / "plain.pdf")
    for user, name in (("secret", "locked.pdf"), ("", "open.pdf")):
        writer = PdfWriter(clone_from=tmp_path / "plain.pdf")
        writer.encrypt(user, "owner", algorithm="RC4-128")
        writer.write(tmp_path / name)
    assert reason(tmp_path / "locked.pdf") == "encrypted"
    assert "reactors" in read(Origin(str(tmp_path / "open.pdf"), "")).text


def test_a_pdf_of_pictures_says_so(tmp_path: Path) -> None:
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(tmp_path / "scan.pdf")
    assert reason(tmp_path / "scan.pdf") == "no text in its pages: pictures of text are not read"


def heavy_pdf(path: Path, operators: int) -> None:
    """Write a page whose text is set in so many steps."""
    from pypdf import PdfWriter
    from pypdf.generic import NameObject, StreamObject

    write_pdf(path)
    writer = PdfWriter(clone_from=path)
    stream = StreamObject()
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    stream._data = zlib.compress(b"BT /F1 12 Tf (tea) Tj ET\n" * operators)
    writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)
    writer.write(path)


def test_a_pdf_that_takes_too_long_is_given_up_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy_pdf(tmp_path / "slow.pdf", 200_000)
    write_pdf(tmp_path / "b.pdf")
    read(Origin(str(tmp_path / "b.pdf"), ""))
    monkeypatch.setattr(worker, "LONGEST_SECONDS", 0.5)
    assert reason(tmp_path / "slow.pdf") == "takes longer than 0.5 s to read"
    monkeypatch.undo()
    assert "reactors" in read(Origin(str(tmp_path / "b.pdf"), "")).text


def test_a_reader_that_dies_takes_no_other_file_with_it(tmp_path: Path) -> None:
    write_pdf(tmp_path / "b.pdf")
    one = worker.Worker()
    one.parse(tmp_path / "b.pdf", "pdf")
    assert one._process
    one._process.kill()
    one._process.wait()
    assert one.parse(tmp_path / "b.pdf", "pdf").pieces
    one.stop()


def test_the_process_that_opens_files_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    write_pdf(tmp_path / "b.pdf")
    one = worker.Worker()
    one.parse(tmp_path / "b.pdf", "pdf")
    assert one._process
    environment = Path(f"/proc/{one._process.pid}/environ")
    if environment.exists():
        assert b"very-secret" not in environment.read_bytes()
    one.stop()


def test_a_file_of_one_gigabyte_is_passed_over_at_once(tmp_path: Path) -> None:
    with (tmp_path / "huge.md").open("wb") as file:
        file.truncate(1_000_000_000)
    assert list(origins(str(tmp_path))) == [Skipped(str(tmp_path / "huge.md"), "larger than 100 MB")]
    assert reason(tmp_path / "huge.md") == "larger than 100 MB"


def test_links_are_not_followed_and_say_where_they_lead(tmp_path: Path) -> None:
    folder, outside = tmp_path / "notes", tmp_path / "secret.md"
    (folder / "sub").mkdir(parents=True)
    outside.write_text("secret")
    (folder / "a.md").write_text("Tea.")
    for name, end in (
        ("out.md", outside),
        ("up", tmp_path),
        ("sub/loop", folder),
        ("self.md", folder / "self.md"),
        ("dead.md", folder / "absent.md"),
        ("twin.md", folder / "a.md"),
    ):
        (folder / name).symlink_to(end)
    found = list(origins(str(folder)))
    skipped = {Path(item.source).name: item.reason for item in found if isinstance(item, Skipped)}
    assert [item.source for item in found if isinstance(item, Origin)] == [str(folder / "a.md")]
    assert skipped == {
        "out.md": "a link that leaves notes",
        "up": "a link in a circle",
        "loop": "a link in a circle",
        "self.md": "a link in a circle",
        "dead.md": "a link to nothing",
        "twin.md": "a link to elsewhere in notes",
    }


def test_a_file_exchanged_for_a_link_or_a_pipe_after_it_was_found_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Tea.")
    (tmp_path / "b.md").symlink_to(tmp_path / "a.md")
    os.mkfifo(tmp_path / "c.md")
    assert reason(tmp_path / "b.md") == "too many levels of symbolic links"
    assert reason(tmp_path / "c.md") == "no regular file"
    assert reason(tmp_path / "gone.md") == "gone"
    assert [item for item in origins(str(tmp_path)) if "c.md" in item.source] == [
        Skipped(str(tmp_path / "c.md"), "no regular file")
    ]


def test_a_name_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("Tea.")
    assert list(origins(str(tmp_path))) == [Skipped(f"{tmp_path}/caf\\xe9.md", "its name is not UTF-8")]


@pytest.mark.parametrize("line", ["> " * 50_000, "- " * 50_000, "[" * 200_000, "```\n" * 20_000, "*a " * 50_000])
def test_markdown_written_to_be_slow_is_read_soon(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(line + "\ntea")
    found = read(Origin(str(tmp_path / "a.md"), ""))
    assert all(found.text[slice(*passage.span)] == passage.text for passage in found.passages)


@pytest.mark.parametrize("name", ["a.txt", "a.rst"])
def test_a_million_empty_lines_are_one_gap(name: str, tmp_path: Path) -> None:
    lines = "\n" * 1_000_000
    (tmp_path / name).write_text(f"tea{lines}  milk{lines}")
    found = read(Origin(str(tmp_path / name), ""))
    assert [passage.text.strip() for passage in found.passages] == ["tea", "milk"]


def test_a_large_table_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\n" + "1,2,3\n" * 400_000)
    monkeypatch.setattr(worker, "LONGEST_SECONDS", 0.5)
    assert reason(tmp_path / "a.csv") == "takes longer than 0.5 s to read"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (MemoryError(), "too large when opened"),
        (ValueError("no\nnumber in /a.csv"), "broken TABLE: no number in it"),
        (KeyError(), "broken TABLE: KeyError"),
        (Unreadable("empty", fault=False), "empty"),
    ],
)
def test_whatever_a_reader_raises_is_a_reason(error: Exception, told: str) -> None:
    with pytest.raises(Unreadable) as caught, reasons(Path("/a.csv"), "table"):
        raise error
    assert (str(caught.value), caught.value.fault) == (told, told != "empty")


def test_one_bad_file_does_not_stop_the_rest(tmp_path: Path) -> None:
    for name, write in WRITERS.items():
        write(tmp_path / name)
    (tmp_path / "junk.pdf").write_bytes(b"no pdf")
    results: dict[str, Any] = {}
    for file in document_files(tmp_path):
        try:
            results[file.name] = read(Origin(str(file), ""))
        except Unreadable as error:
            results[file.name] = error
    assert [name for name, result in results.items() if isinstance(result, Unreadable)] == ["junk.pdf"]
    assert len(results) == len(WRITERS) + 1
