"""Questions with their accepted answers, and the documents that hold these, as examples."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from evals.suite import ASKING, Suite
from lab.datasets import Dataset, Example, read_rows
from lab.errors import BakeoffError
from lab.packages import package_folder
from lab.workspace import read_json

BUILT_IN = ("knowledge", "retrieval", "team")  # questions that come with Bakeoff
ACCEPTED = " | "  # between the accepted answers of a question
ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"
COLLECTIONS = ("handbook", "wikipedia")
LEAST = 3  # questions, so that validation and test have some


def load_questions(suite: Suite) -> dict[str, Dataset]:
    """Return the questions of a suite by kind: where the answer stands, or that it stands nowhere.

    Each is an Example with the question as text and the accepted answers as label, "" for none. Its id holds the
    sources that `sources_of` tells.

    Raises:
        BakeoffError: the file cannot be read, a column is missing, or there are too few questions.
    """
    own = Path(str(files("evals"))) / "suites" / f"{suite.dataset}.jsonl"
    path = own if suite.dataset in BUILT_IN else Path(suite.dataset)
    found: dict[str, list[Example]] = {}
    empty: list[int] = []
    for number, row in read_rows(path):
        question, answers = (_cell(row, column, path, number) for column in (suite.text_column, suite.label_column))
        accepted = ACCEPTED.join(filter(None, (part.strip() for part in answers.split("|"))))
        source = str(row.get("source") or "").strip()
        if not question:
            empty.append(number)
            continue
        example = Example(f"{source}#{number}", question, accepted, f"{path.name}:{number}")
        found.setdefault(_kind(source, accepted, str(row.get("wording") or "")), []).append(example)
    if sum(map(len, found.values())) < LEAST:
        got = f"{sum(map(len, found.values()))}"
        raise BakeoffError(f"at least {LEAST} questions in {path.name}", got, "add some: one per row")
    left_out = (f"{path.name}: left out {len(empty)} rows without a question (row {empty[0]})",) if empty else ()
    kinds = sorted(found, key=lambda kind: (kind == UNANSWERABLE, kind))
    return {kind: Dataset(path.stem, tuple(found[kind]), left_out) for kind in kinds}


def sources_of(example: str) -> list[str]:
    """Return the documents that hold the answer to a question, told by its id."""
    return [source.strip() for source in example.rpartition("#")[0].split("|") if source.strip()]


def searched_passages(suite: Suite) -> list[str]:
    """Return the passages of the workspace's documents, if an arm that labels texts may search them: the agent."""
    from rag import document_index  # heavy: Chroma

    if suite.kind in ASKING or not any(arm.approach == "agent" for arm in suite.arms):
        return []
    return [passage.text for passage in document_index().passages()]


def load_documents(suite: Suite, questions: Dataset) -> Dataset:
    """Return the passages of a suite's documents, as Examples without a label.

    An article of Wikipedia is one passage. Of these the suite's `train_limit` are taken: those the questions are about,
    and others drawn by its seed.

    Raises:
        BakeoffError: there is no such file or folder, or nothing in it can be read.
    """
    wanted = {source for question in questions.examples for source in sources_of(question.id)}
    examples: list[Example] = []
    for name in suite.documents:
        passages = _articles(wanted, suite) if name == "wikipedia" else _passages(name)
        examples += [Example(f"{source}#{number}", text, "", source) for number, (source, text) in enumerate(passages)]
    return Dataset("documents", tuple(examples))


def _cell(row: Any, column: str, path: Path, number: int) -> str:
    if column not in row:
        found = ", ".join(map(str, row)) or "none"
        fix = "name yours with --text-column and --label-column; an empty answer says that there is none"
        raise BakeoffError(f"a column '{column}' in {path.name}, row {number}", f"the columns {found}", fix)
    value = row[column]
    return "" if value is None or value != value else str(value).strip()


def _kind(source: str, accepted: str, wording: str) -> str:
    """Return where the answer stands, and how the question is worded beside it, where that is told."""
    collection = source.split("/")[0]
    where = UNANSWERABLE if not accepted else collection if collection in COLLECTIONS else ANSWERABLE
    return ", ".join(filter(None, (where, wording)))


def _passages(name: str) -> Iterator[tuple[str, str]]:
    """Yield source and text of each passage of a file, a folder or the handbook, whose pages go by their names."""
    from rag import handbook_folder
    from rag.documents import document_files, load_passages

    folder = handbook_folder() if name == "handbook" else Path(name)
    for file in document_files(folder):
        source = f"handbook/{file.relative_to(folder).as_posix()}" if name == "handbook" else file.as_posix()
        yield from ((source, passage.text) for passage in load_passages(file))


def _articles(wanted: set[str], suite: Suite) -> list[tuple[str, str]]:
    """Return the articles asked about, and others from the snapshot up to the suite's limit."""
    from agents.tools.wikipedia import SNAPSHOT

    articles = list(read_json(package_folder(*SNAPSHOT) / "data" / "summaries_en-us.json").values())
    named = {f"wikipedia/{article['title']}": str(article["extract"]) for article in articles}
    titles = [*(title for title in named if title in wanted), *(title for title in named if title not in wanted)]
    size = sum(title in wanted for title in titles)
    drawn = np.random.default_rng(suite.seed).permutation(np.arange(size, len(titles)))
    others: Sequence[int] = drawn[: max(0, (suite.train_limit or len(titles)) - size)].tolist()
    return [(title, named[title]) for title in [*titles[:size], *(titles[number] for number in others)]]
