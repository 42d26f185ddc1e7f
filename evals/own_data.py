"""A user's own data: the suite that fits its columns, which of them hold text and label, and what is odd about it."""

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evals.documents import searched_passages
from evals.leakage import find_leaks
from evals.scenarios import Scenario
from evals.suite import ASKING, PLAIN_INSTRUCTION, READ_BY, Suite, load_suite
from lab.console import Console
from lab.datasets import Dataset, load_dataset
from lab.errors import BakeoffError
from lab.statistics import wilson

TEST = 0.15  # share of the test part
LABELLED, ASKED, SOUGHT = "sentiment", "knowledge", "retrieval"  # the suites of labels, of answers, of passages
ROUTED = "routing"  # a kind of suite: its own utterances are learned from, the user's are judged on
TEXTS = ("text", "tweet", "sentence", "review", "message", "comment", "content", "utterance", "body", "document")
LABELS = ("label", "labels", "sentiment", "class", "category", "target", "intent", "topic", "emotion", "rating", "y")
ENOUGH = 2000  # test texts: then 80 % is known to within 1.8 points, and more would only cost more
FEW, LIKELY = 30, 0.8  # test texts; the accuracy whose interval is foretold
IMBALANCED, RARE = 0.8, 5  # share of the commonest label; test texts of the rarest
CHARACTERS = 4  # of a token, in English
SHOWN, CUT = 8, 40


@dataclass(frozen=True)
class Remark:
    """What a check found, in words, and whether it may change what the user does."""

    words: str
    warns: bool = False

    def tell(self) -> None:
        """Print it on stderr."""
        Console().warn(self.words) if self.warns else Console().note(self.words)


@dataclass(frozen=True)
class Columns:
    """The columns of text and label, and whether they were guessed."""

    text: str
    label: str
    guessed: bool = False


def own_suite(
    data: str, name: str | None, changes: dict[str, Any], llm: str | None, quick: bool, limited: bool
) -> tuple[Suite, list[Remark]]:
    """Return the suite that judges the user's own `data`, and what is to be said of both.

    Args:
        data: a file, or hf:org/name[@split].
        name: of the suite; None lets the data choose, and the run is named after the data then.
        changes: fields of the suite that the user gave, such as text_column, label_column, documents.
        llm: the base LLM of the arms that name none.
        quick: the suite's small form.
        limited: the user gave a limit of the test texts; else no more are asked than tell something.

    Raises:
        BakeoffError: the data cannot be used, or the suite cannot use it.
    """
    require_text(data)
    chosen, why = (name, "") if name else choose_suite(data, [key for key in changes if key.endswith("_column")])
    suite = load_suite(chosen, llm, quick)
    if suite.arrivals:
        fix = f"copy {suite.name}.yaml and name your files there as dataset and arrivals"
        raise BakeoffError(f"the data of {suite.name}, which changes", f"--data {data} alone", fix)
    own: dict[str, Any] = {"dataset": data, "description": "", "budgets": ""}
    own |= {} if name else {"name": _slug(data)}
    if suite.kind in ASKING:
        return suite.model_copy(update=own | changes), _asked_about(suite, data, why, changes)
    if suite.kind == ROUTED:
        columns = find_columns(data, changes.get("text_column"), changes.get("label_column"), suite)
        return suite.model_copy(update=own | {"text_column": columns.text, "label_column": columns.label} | changes), []
    if not chosen.endswith((".yaml", ".yml")):  # the built-in suite's own instruction speaks of its own data
        own["instruction"] = PLAIN_INSTRUCTION
    columns = find_columns(data, changes.get("text_column"), changes.get("label_column"), suite)
    own |= changes | {"text_column": columns.text, "label_column": columns.label}
    taken = f"{data}: taking {_quoted(columns.text)} for the text and {_quoted(columns.label)} for the label"
    examples = load_dataset(data, columns.text, columns.label)
    if len(examples) * TEST > ENOUGH and not (name or limited or quick):
        own["test_limit"] = ENOUGH
        why += f"; {ENOUGH:,} of its test texts are enough to tell arms apart (--limit 1.0 asks about all)"
    said = [words for words, holds in ((f"{data}: {why}", why), (taken, columns.guessed)) if holds]
    return suite.model_copy(update=own), [*map(Remark, said), *check_dataset(examples)]


def _asked_about(suite: Suite, data: str, why: str, changes: Mapping[str, Any]) -> list[Remark]:
    """Return why questions are asked, and of what."""
    words = f"the questions are asked about {' and '.join(suite.documents)}; name what yours are about with --documents"
    return [Remark(f"{data}: {why}")] * bool(why) + [Remark(words, warns=True)] * ("documents" not in changes)


def _slug(data: str) -> str:
    """Return a name for runs on the data: that of the file, or of the hub's data set."""
    bare = data.removeprefix("hf:").partition("@")[0] if data.startswith("hf:") else str(Path(data).with_suffix(""))
    return re.sub(r"[^a-z0-9]+", "-", Path(bare).name.lower()).strip("-")[:40] or "own-data"


def columns_of(data: str) -> tuple[str, ...]:
    """Return the names of the columns in a file; none where they cannot be read, which loading it will explain."""
    path = Path(data)
    try:
        match path.suffix.lower():
            case ".csv" | ".tsv":
                dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
                with path.open(encoding="utf-8-sig", newline="") as file:
                    return tuple(next(csv.reader(file, dialect), ()))
            case ".jsonl":
                with path.open(encoding="utf-8-sig") as file:
                    row = json.loads(next(line for line in file if line.strip()))
                    return tuple(row) if isinstance(row, dict) else ()
            case ".parquet":
                import pyarrow.parquet

                return tuple(pyarrow.parquet.read_schema(path).names)
    except (OSError, ValueError, StopIteration, csv.Error):
        pass
    return ()


def require_text(data: str) -> None:
    """Check that a file that should be text is text.

    Raises:
        BakeoffError: it is an archive, as Excel's files are, or UTF-16, or no text at all.
    """
    path = Path(data)
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl") or not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((b"PK", b"\xd0\xcf", b"\x1f\x8b")):
        fix = "unpack it, or export the sheet as CSV in UTF-8"
        raise BakeoffError(f"text in {path.name}", "an archive or a spreadsheet under that name", fix)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BakeoffError(f"UTF-8 text in {path.name}", "UTF-16", "save the file as UTF-8 and run again")
    if b"\0" in head:
        raise BakeoffError(f"text in {path.name}", "bytes that are no text", "check that it is the right file")


def choose_suite(data: str, named: Sequence[str] = ()) -> tuple[str, str]:
    """Return the built-in suite that fits the columns of `data`, and why, in words.

    Args:
        data: a file, or hf:org/name, which is taken to hold labelled texts.
        named: columns that the user named; whoever names a text and a label has labelled texts.
    """
    columns = columns_of(data)
    if {"question", "passage"} <= set(columns) and not named:
        return SOUGHT, f"the columns question and passage ask for the suite {SOUGHT}"
    if {"question", "answer"} <= set(columns) and not {"text", "label"} <= set(columns) and not named:
        return ASKED, f"the columns question and answer ask for the suite {ASKED}"
    return LABELLED, f"labelled texts, so the arms of {LABELLED} learn from one part and are judged on another"


def find_columns(data: str, text: str | None, label: str | None, suite: Suite) -> Columns:
    """Return the columns of text and label: as named, else the suite's, else the only ones called like such a thing.

    Args:
        data: a file; of other sources nothing is guessed.
        text: the column of the text that the user named.
        label: that of the label.
        suite: whose columns hold where the user named none.

    Raises:
        BakeoffError: one is missing; lists those that are there, and which may be meant.
    """
    wanted = Columns(text or suite.text_column, label or suite.label_column)
    found = columns_of(data)
    if not found or {wanted.text, wanted.label} <= set(found):
        return wanted
    texts = _meant(wanted.text, text, TEXTS, found)
    labels = _meant(wanted.label, label, LABELS, [column for column in found if column not in texts])
    if len(texts) == len(labels) == 1 and text in (None, *texts) and label in (None, *labels):
        return Columns(texts[0], labels[0], guessed=True)
    raise _missing(Path(data).name, wanted, found, texts, labels)


def _meant(wanted: str, named: str | None, usual: Sequence[str], found: Sequence[str]) -> list[str]:
    """Return the columns that may be meant: the one wanted, else those with a usual name, else alike ones."""
    if wanted in found:
        return [wanted]
    known = [wanted.lower(), *usual] if named is None else [wanted.lower()]
    same = [column for column in found if column.strip().lower() in known]
    return same or (get_close_matches(wanted, found) if named else [])


def _missing(
    name: str, wanted: Columns, found: Sequence[str], texts: Sequence[str], labels: Sequence[str]
) -> BakeoffError:
    missing = [column for column in (wanted.text, wanted.label) if column not in found]
    expected = f"a column '{missing[0]}' in {name}" if len(missing) == 1 else f"columns {_listed(missing)} in {name}"
    got = f"{'only ' if len(found) == 1 else ''}{_listed(found)}"
    mark = next((mark for mark in ";\t|" if len(found) == 1 and mark in found[0]), None)
    if mark:
        return BakeoffError(expected, got, f"save the file with commas between the columns, not {mark!r}")
    if len(found) == 1:
        return BakeoffError(expected, got, "put a label beside each text, under a first row that names the columns")
    pairs = (("--text-column", texts, wanted.text), ("--label-column", labels, wanted.label))
    hints = [f"{flag} {' or '.join(map(_quoted, own))}" for flag, own, column in pairs if own and [column] != own]
    fix = f"name them: {' '.join(hints)}" if hints else "name yours with --text-column and --label-column"
    header = "" if hints or not name.endswith(("sv", "SV")) else "; if these are no names, put a first row of names"
    return BakeoffError(expected, got, fix + header)


def check_dataset(data: Dataset) -> list[Remark]:
    """Return what is to be known of labelled texts before anything is learned from them.

    Raises:
        BakeoffError: most labels occur but once or twice, so that the column holds no labels.
    """
    counts = data.counts
    if len(counts) > max(20, len(data) / 3):
        got = f"{len(counts):,} different values in {len(data):,} rows, such as {_quoted(data.targets[0])}"
        raise BakeoffError(f"labels that repeat in {data.name}", got, "name the right column with --label-column")
    shown = [f"{_quoted(label)} {count:,} ({count / len(data):.0%})" for label, count in counts.most_common(SHOWN)]
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    remarks = [Remark(f"{data.name}: {len(data):,} texts, {len(counts)} labels: {', '.join(shown)}{more}")]
    label, most = counts.most_common(1)[0]
    if most / len(data) >= IMBALANCED:
        words = f"always answering {_quoted(label)} would be right in {most / len(data):.0%}: look at macro-F1 too"
        remarks.append(Remark(words, warns=True))
    return remarks + _repeated(data)


def _repeated(data: Dataset) -> list[Remark]:
    """Return what is to be said of texts that stand there more than once, whatever their case and white space."""
    labels: dict[str, Counter[str]] = {}
    for example in data.examples:
        labels.setdefault(" ".join(example.text.lower().split()), Counter())[example.label] += 1
    copies = len(data) - len(labels)
    torn = [text for text, own in labels.items() if len(own) > 1]
    remarks = []
    if copies:
        remarks.append(Remark(f"{copies:,} rows repeat a text; all copies of a text stay on one side of the split"))
    if torn:
        words = f"{len(torn):,} texts stand there with different labels, such as {_quoted(torn[0])}: correct them"
        remarks.append(Remark(words, warns=True))
    return remarks


def check_split(suite: Suite, scenario: Scenario, leaks: bool) -> list[Remark]:
    """Return what is to be known of the parts: their sizes, whether they can decide anything, what will be cut.

    Args:
        suite: whose arms will learn and answer.
        scenario: of which the first step counts.
        leaks: look for leaks as well, as a run does before it begins.
    """
    if suite.kind in (*ASKING, ROUTED):
        return []
    train, validation, test = scenario.steps[0].new, scenario.validation, next(iter(scenario.steps[0].tests.values()))
    sizes = f"{len(train):,} texts to learn from, {len(validation):,} to choose on, {len(test):,} to be judged on"
    remarks = [Remark(f"split: {sizes}")]
    if len(test) < FEW:
        low, high = wilson(LIKELY * len(test), len(test))
        words = (
            f"only {len(test)} test texts: where {LIKELY:.0%} are right, the 95 % interval will be"
            f" {low:.0%} to {high:.0%}, {100 * (high - low):.0f} points wide; label more texts to tell arms apart"
        )
        remarks.append(Remark(words, warns=True))
    rare = [label for label in train.labels if test.counts[label] < RARE]
    if rare and len(test) >= FEW:
        words = f"fewer than {RARE} test texts have the label {_listed(rare)}: macro-F1 hangs on single texts there"
        remarks.append(Remark(words, warns=True))
    found = find_leaks(train, validation, test, searched_passages(suite)) if leaks else []
    told = [Remark(f"{one.what} ({one.count}, such as {', '.join(one.examples)}); {one.fix}", True) for one in found]
    return remarks + _long([*train.texts, *validation.texts, *test.texts], suite) + told


def _long(texts: Sequence[str], suite: Suite) -> list[Remark]:
    """Return a warning of texts that the tuned arms will cut; a token is taken for four characters."""
    read = min((arm.hyperparameters.max_length for arm in suite.arms if arm.approach in READ_BY["base"]), default=0)
    long = sum(len(text) > CHARACTERS * read for text in texts) if read else 0
    words = (
        f"the tuned arms read {read} tokens of a text and cut the rest: that of about {long:,} of {len(texts):,} texts;"
        " to read more, set max_length under hyperparameters in a suite of your own"
    )
    return [Remark(words, warns=True)] if long else []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(_quoted, names[:SHOWN])) + more


def _quoted(text: str) -> str:
    return f"'{text}'" if len(text) <= CUT else f"'{text[:CUT]}…'"
