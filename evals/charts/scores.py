"""One text, drawn: how sure each arm was of each label."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import BLUE, GREY, RUST, Chart, drawn
from evals.charts.marks import arm_name, lines_of
from evals.records import Record
from lab.console import printable

MOST = 4  # labels that are drawn: the right one, and those that the arms were surest of
BAR = 0.6  # of a label's room, that a score of 1 takes; the rest is for the figure
LONGEST = 76  # pixels of a label's name
RIGHT, WRONG, OTHER = "its answer, right", "its answer, wrong", "not its answer"


def scores_chart(records: Sequence[Record]) -> Chart | None:
    """Return the label scores of each arm for one text as bars; None where no arm gave any.

    Args:
        records: what each arm answered to the text.
    """
    scored = [record for record in records if record.scores]
    if not scored:
        return None
    labels = _labels(scored)
    rows = [
        {"arm": r.arm, "label": label, "score": round(r.scores.get(label, 0.0), 4), "answer": _kind(r, label)}
        for r in scored
        for label in labels
    ]
    left = len({label for record in scored for label in record.scores}) - len(labels)
    more = f" {left} labels that the arms were less sure of are left out." if left else ""
    note = f"Bars are label scores from 0 to 1: blue the arm's answer where right, rust where wrong.{more}"
    return Chart(_title(scored), _picture(rows, labels), rows, note)


def _labels(records: Sequence[Record]) -> list[str]:
    """Return the target and the labels with the highest scores, in alphabetical order."""
    target = records[0].target
    highest: dict[str, float] = {}
    for record in records:
        for label, score in record.scores.items():
            highest[label] = max(score + (label == record.label), highest.get(label, 0.0))
    ranked = sorted(highest, key=lambda label: (label != target, -highest[label]))
    return sorted(ranked[:MOST])


def _kind(record: Record, label: str) -> str:
    if label != record.label:
        return OTHER
    return RIGHT if record.correct else WRONG


def _picture(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Any:
    """Return bars in columns, one a label: a single axis across, of which each label has one unit."""
    import altair as alt

    placed = [
        {**row, "from": (left := labels.index(row["label"])), "full": left + BAR, "to": left + BAR * row["score"]}
        for row in rows
    ]
    names = json.dumps([printable(label) for label in labels])
    axis = alt.Axis(
        values=list(range(len(labels))), labelExpr=f"{names}[datum.value]", labelAlign="left", labelLimit=LONGEST,
        orient="top", grid=False, ticks=False, domain=False,
    )  # fmt: skip
    across = alt.X("from:Q", title=None, axis=axis).scale(domain=[0, len(labels)], nice=False)
    colour = alt.Color("answer:N", legend=None).scale(domain=[RIGHT, WRONG, OTHER], range=[BLUE, RUST, GREY])
    tooltip = [alt.Tooltip(f"{name}:N") for name in rows[0]]
    base = drawn(placed).encode(y=lines_of("arm", placed), tooltip=tooltip)
    room = base.mark_bar(height=14, color=GREY, opacity=0.15).encode(x=across, x2="full:Q")
    bars = base.mark_bar(height=14).encode(x=across, x2="to:Q", color=colour)
    figures = base.mark_text(align="left", dx=4, fontSize=11).encode(x="full:Q", text=alt.Text("score:Q", format=".2f"))
    return alt.layer(room, bars, figures)


def _title(records: Sequence[Record]) -> str:
    right = [arm_name(record.arm) for record in records if record.correct]
    sure = max(records, key=lambda record: record.scores.get(record.label or "", 0.0))
    told = f"{len(right)} of {len(records)} arms are right"
    return f"{told}; surest is {arm_name(sure.arm)}: {sure.label}, {sure.scores.get(sure.label or '', 0.0):.2f}"
