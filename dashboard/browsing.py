"""What the example browser shows: the lines of a run's answers that a user asks for, in the address as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.answer_table import FAILED, AnswerTable, Mask, Place
from evals.charts.marks import arm_name
from evals.suite import Suite
from lab.console import printable

SHOWS = {
    "first": "First right, second wrong",
    "second": "Second right, first wrong",
    "neither": "Both wrong",
    "disputed": "Arms disagree",
    "all": "All",
}
TUNED, RETRIEVED = ("finetuned",), ("rag", "knn")


@dataclass(frozen=True)
class Wanted:
    """Which texts are shown.

    Attributes:
        first, second: two arms.
        show: a key of SHOWS, about these two.
        label: the texts' target; empty for any.
        words: that a text holds.
        scenario, step, test, repeat: where in the experiment they were asked; empty for anywhere.
    """

    first: str
    second: str
    show: str
    label: str = ""
    words: str = ""
    scenario: str = ""
    step: str = ""
    test: str = ""
    repeat: str = ""

    def lines(self, table: AnswerTable) -> Sequence[int]:
        """Return the numbers of the lines that are shown, in their order."""
        kept = self._between(table)
        if self.label:
            kept = kept & (table.targets == list(table.labels).index(self.label))
        for number, name in enumerate(Place._fields[:-1]):
            wanted = getattr(self, name)
            if wanted:
                kept = kept & np.array([str(place[number]) == wanted for place in table.places])
        if self.words:
            kept = kept & table.holding(self.words)
        found: list[int] = np.flatnonzero(kept).tolist()
        return found

    def _between(self, table: AnswerTable) -> Mask:
        a, b = (list(table.arms).index(arm) for arm in (self.first, self.second))
        right, wrong = table.right, table.wrong
        if self.show == "first":
            return right[:, a] & wrong[:, b]
        if self.show == "second":
            return right[:, b] & wrong[:, a]
        if self.show == "neither":
            return wrong[:, a] & wrong[:, b]
        return table.disputed() if self.show == "disputed" else np.ones(len(table), dtype=bool)


def rivals(suite: Suite, table: AnswerTable) -> tuple[str, str]:
    """Return the arms that are held against each other to begin with: a fine-tuned one and the best that retrieves."""
    first = suite.reference_key or table.arms[0]
    right = dict(zip(table.arms, table.right.sum(axis=0), strict=True))
    approach = {arm.key: arm.approach for arm in suite.arms}
    others = [arm for arm in table.arms if arm != first] or [first]
    retrieving = [arm for arm in others if approach[arm] == "rag"] or [a for a in others if approach[a] in RETRIEVED]
    return first, max(retrieving or others, key=lambda arm: right[arm])


def rows_of(table: AnswerTable, lines: Sequence[int], first: Sequence[str]) -> Any:
    """Return these lines as a table of Arrow: text, target, and the label of each arm, a wrong one marked.

    The arms named `first` come first.
    """
    import pyarrow as pa

    labels = [printable(label) or "(none)" for label in table.labels]
    said = [*labels, *(f"✗ {label}" for label in labels), "failed", "–"]
    picked = np.asarray(lines, dtype=np.int64)
    columns = {
        "text": pa.array([printable(table.texts[line]) for line in lines], pa.string()),
        "target": pa.array(labels, pa.string()).take(pa.array(table.targets[picked])),
    }
    for arm in dict.fromkeys((*first, *table.arms)):
        number = list(table.arms).index(arm)
        answers, wrong = table.answers[picked, number], table.wrong[picked, number]
        codes = np.where(wrong, answers + len(labels), answers)
        codes = np.where(answers < 0, np.where(answers == FAILED, 2 * len(labels), 2 * len(labels) + 1), codes)
        columns[printable(arm_name(arm))] = pa.array(said, pa.string()).take(pa.array(codes))
    return pa.table(columns)
