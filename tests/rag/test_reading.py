"""What can be read is read, cut where its author divided it, and every passage says where it stands."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from lab.errors import BakeoffError
from rag.reading import Columns, Origin, Reading, Skipped, Unreadable, excerpt, origins, read
from tests.rag.documents import CODE_BLOCK, PYTHON, WRITERS

Read = Callable[..., Reading]


@pytest.fixture
def reading(tmp_path: Path) -> Read:
    """Write a document called `name` and read it."""

    def make(name: str, content: str | None = None, columns: Columns = Columns()) -> Reading:
        path = tmp_path / name
        WRITERS[name](path) if content is None else path.write_text(content, encoding="utf-8")
        return read(Origin(str(path), ""), columns)

    return make


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reading]:
    """Return what is read of a document of each kind."""
    folder = tmp_path_factory.mktemp("documents")
    for name, write in WRITERS.items():
        write(folder / name)
    return {name: read(Origin(str(folder / name), "")) for name in WRITERS}


def places(reading: Reading) -> list[str]:
    return list(dict.fromkeys(passage.place for passage in reading.passages))


@pytest.mark.parametrize("name", WRITERS)
def test_every_span_points_back_and_no_passage_is_longer_than_it_may_be(
    name: str, readings: dict[str, Reading]
) -> None:
    found = readings[name]
    assert all(found.text[slice(*passage.span)] == passage.text for passage in found.passages)
    assert all(0 < len(passage.text) <= 800 for passage in found.passages)


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - {"tea.html"}))
def test_nothing_that_is_read_is_in_no_passage(name: str, readings: dict[str, Reading]) -> None:
    found = readings[name]
    covered = {place for passage in found.passages for place in range(*passage.span)}
    missing = "".join(letter for place, letter in enumerate(found.text) if place not in covered)
    assert not missing.strip()


@pytest.mark.parametrize("name", WRITERS)
def test_passages_overlap_by_at_most_80_characters_in_one_place(name: str, readings: dict[str, Reading]) -> None:
    for one, other in pairwise(readings[name].passages):
        overlap = one.span[1] - other.span[0]
        assert overlap <= 80
        assert overlap <= 0 or one.place.startswith("line") or one.place == other.place


@pytest.mark.parametrize("name", ["tea.md", "tea.rst", "tea.txt", "sums.py", "nested.json"])
def test_the_text_of_a_written_file_is_its_own(name: str, reading: Read, tmp_path: Path) -> None:
    assert reading(name).text == (tmp_path / name).read_text(encoding="utf-8")


def test_a_place_in_markdown_is_its_path_of_headings(reading: Read) -> None:
    found = reading("tea.md")
    assert places(found) == ["", "Tea", "Tea > Brewing", "Tea > Brewing > By machine", "Tea > Refunds"]
    assert found.passages[-1].text == "## Refunds\n\nWe refund within 14 days."
    assert sum(CODE_BLOCK.strip() in passage.text for passage in found.passages) == 1


def test_a_section_that_fits_is_one_passage_with_its_headings(reading: Read) -> None:
    body = "Water is heated. " * 44
    found = reading("a.md", f"# Tea\n## Water\n\n{body}\n\n- one\n- two\n\n## Cups\n")
    assert [passage.text for passage in found.passages] == [f"# Tea\n## Water\n\n{body}\n\n- one\n- two", "## Cups"]


def test_a_heading_inside_a_code_block_is_code(reading: Read) -> None:
    assert places(reading("a.md", "# Tea\n\n```sh\n# boil\n```\n\nText\n====\n\nMore.\n")) == ["Tea", "Text"]


def test_a_code_block_longer_than_a_passage_is_cut_at_its_lines(reading: Read) -> None:
    lines = [f"call({n}, {'x' * 40})" for n in range(60)]
    found = reading("a.md", "# Tea\n\n```\n" + "\n".join(lines) + "\n```\n")
    assert len(found.passages) > 3
    assert all(any(line in passage.text.splitlines() for passage in found.passages) for line in lines)


def test_a_code_block_in_a_long_list_is_not_cut(reading: Read) -> None:
    code = "  ```\n" + "  call()\n\n" * 40 + "  ```"
    found = reading("a.md", f"# Tea\n\n- {'Water is heated. ' * 40}\n\n{code}\n\n- {'Cups are warmed. ' * 40}\n")
    assert sum(code in passage.text for passage in found.passages) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tea.rst", ["Tea", "Tea > Brewing", "Tea > Cups"]),
        ("tea.html", ["Tea", "Tea > Brewing"]),
        ("leave.docx", ["Leave", "Leave > Carrying over"]),
        ("reactors.pdf", ["page 1", "page 2", "page 3"]),
        ("steps.pptx", ["slide 1", "slide 2", "slide 3"]),
    ],
)
def test_places_are_in_the_documents_own_terms(name: str, expected: list[str], readings: dict[str, Reading]) -> None:
    assert places(readings[name]) == expected


def test_what_stands_on_a_slide_or_page_is_found_there(readings: dict[str, Reading]) -> None:
    assert "In step 2 the water is heated." in readings["steps.pptx"].passages[1].text
    assert next(p for p in readings["reactors.pdf"].passages if "Page 3 tells" in p.text).place == "page 3"
    assert "steal" not in readings["tea.html"].text


def test_source_code_is_cut_at_its_functions(reading: Read) -> None:
    found = reading("sums.py")
    starts = [passage.text.splitlines()[0] for passage in found.passages[1:]]
    assert all(start.startswith("def area_") for start in starts)
    first, last = map(int, found.passages[1].place.removeprefix("lines ").split("-"))
    assert "\n".join(PYTHON.splitlines()[first - 1 : last]) == found.passages[1].text


@pytest.mark.parametrize("name", ["people.csv", "people.tsv", "people.jsonl", "people.json", "people.parquet"])
def test_rows_carry_their_column_names_and_numbers(name: str, reading: Read) -> None:
    found = reading(name)
    first = found.passages[0]
    assert first.text.startswith("name: Ada 1; age: 1; note: likes number 1, and tea\nname: Ada 2")
    assert first.place.startswith("rows 2-" if name[-3:] in ("csv", "tsv") else "rows 1-")
    assert not any(passage.label for passage in found.passages)


def test_rows_of_a_sheet_say_which_sheet(reading: Read) -> None:
    found = reading("sales.xlsx")
    assert found.passages[0].place.startswith("sheet Sales, rows 2-")
    assert found.passages[-1].text == "what: rent; euros: 900; column C: since May"
    assert found.passages[-1].place == "sheet Costs, row 4"


def test_a_table_of_labelled_examples_gives_one_passage_each(reading: Read) -> None:
    found = reading("examples.csv")
    assert len(found.passages) == 39
    assert (found.passages[0].text, found.passages[0].label) == ("likes number 1, and tea, and so on", "even")
    assert (found.passages[1].place, found.passages[1].label) == ("row 3", "odd")


def test_the_columns_of_examples_can_be_named(reading: Read) -> None:
    found = reading("people.csv", columns=Columns("note", "age"))
    assert [passage.label for passage in found.passages[:3]] == ["1", "2", "3"]
    with pytest.raises(Unreadable, match="no columns 'note' and 'mood', but name, age, note"):
        reading("people.csv", columns=Columns("note", "mood"))


def test_the_hash_of_the_content_changes_with_it_and_only_then(reading: Read) -> None:
    assert reading("a.md", "Tea.").content == reading("b.md", "Tea.").content != reading("a.md", "Coffee.").content


def test_a_folder_tells_what_there_is_and_leaves_out_what_is_hidden(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    for name in ("b.md", "a.txt", "sub/c.py", ".git/d.md", "node_modules/e.md", ".hidden.md", "__pycache__/f.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("Tea.")
    (folder / "film.mp4").write_bytes(b"film")
    (folder / "empty.md").touch()
    found = {Path(item.source).relative_to(folder).as_posix(): item for item in origins(str(folder))}
    skipped = {name: item.reason for name, item in found.items() if isinstance(item, Skipped)}
    assert list(found) == ["a.txt", "b.md", "empty.md", "film.mp4", "sub/c.py"]
    assert skipped == {"empty.md": "empty", "film.mp4": "no reader for '.mp4'"}


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("Tea.")
    before, again = next(iter(origins(str(path)))), next(iter(origins(str(path))))
    path.write_text("Ale.")
    os.utime(path, ns=(0, 0))
    assert before == again != next(iter(origins(str(path))))


@pytest.mark.parametrize(
    "target", ["absent", "file:///etc/passwd", "ftp://host/a.md", "https://", "https://ann:pw@x.org/"]
)
def test_a_target_that_is_nothing_to_read_is_one_line(target: str) -> None:
    with pytest.raises(BakeoffError) as error:
        list(origins(target))
    assert "pw" not in str(error.value) and "\n" not in str(error.value)


def test_an_address_is_an_origin_without_its_fragment() -> None:
    assert list(origins("https://example.org/a?b=c#d")) == [Origin("https://example.org/a?b=c", "")]


@pytest.mark.parametrize("name", ["tea.md", "reactors.pdf", "sales.xlsx", "examples.csv"])
def test_a_citation_opens_at_its_exact_words(name: str, reading: Read) -> None:
    passage = reading(name).passages[1]
    before, exact, after = excerpt(passage.source, passage.span, 50, passage.text)
    assert exact == passage.text
    assert before + exact + after in reading(name).text and len(before) <= 50 >= len(after) > 0


def test_a_citation_whose_source_changed_or_went_is_one_line(reading: Read, tmp_path: Path) -> None:
    passage = reading("tea.md").passages[2]
    path = tmp_path / "tea.md"
    path.write_text("Longer. " + path.read_text())
    with pytest.raises(BakeoffError, match="the source has changed"):
        excerpt(passage.source, passage.span, cited=passage.text)
    path.write_text("Short.")
    with pytest.raises(BakeoffError, match="the source has changed"):
        excerpt(passage.source, passage.span)
    path.unlink()
    with pytest.raises(BakeoffError, match="got gone"):
        excerpt(passage.source, passage.span)
