"""How well each class is told, drawn: precision, recall or F1 of each label by arm."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evals.charts.chart import GREY, Chart, drawn
from evals.charts.marks import arm_name, lines_of, marked_by

Measure = Literal["precision", "recall", "f1"]
WORDS = {"precision": "precision", "recall": "recall", "f1": "F1"}
MOST = 6  # classes that are drawn: those with the most texts


def class_chart(details: Mapping[str, Mapping[str, Any]], measure: Measure = "f1") -> Chart | None:
    """Return a measure of each class by arm; None where nothing was answered.

    Args:
        details: those of results.json, by the keys of the arms.
        measure: which one.
    """
    import altair as alt

    support: dict[str, int] = {}
    for detail in details.values():
        for label, row in detail["per_class"].items():
            if row["support"]:  # else it was an answer only, never a target
                support[label] = max(support.get(label, 0), row["support"])
    labels = sorted(sorted(support, key=lambda label: -support[label])[:MOST])
    rows = [
        {"arm": arm, "class": label, measure: round(found[label][measure], 3), "texts": found[label]["support"]}
        for arm, detail in details.items()
        for label in labels
        if label in (found := detail["per_class"])
    ]
    if not rows:
        return None
    base = drawn(rows).encode(y=lines_of("arm", rows))
    across = alt.X(f"{measure}:Q", title=WORDS[measure]).scale(domain=[0, 1]).axis(tickCount=5)
    spans = base.mark_rule(color=GREY, opacity=0.5).encode(
        x=f"min({measure}):Q", x2=f"max({measure}):Q", tooltip=alt.value(None)
    )
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x=across, **marked_by("class", labels))
    left = f" The {MOST} largest of {len(support)} classes." if len(support) > MOST else ""
    note = f"{WORDS[measure]} of each class over the texts that were answered; a line joins an arm's classes.{left}"
    return Chart(_title(rows, measure), alt.layer(spans, dots), rows, note)


def _title(rows: Sequence[Mapping[str, Any]], measure: Measure) -> str:
    classes: dict[str, list[float]] = {}
    for row in rows:
        classes.setdefault(row["class"], []).append(row[measure])
    if len(classes) == 1:
        best = max(rows, key=lambda row: row[measure])
        return f"{arm_name(best['arm'])} tells {best['class']} best: {WORDS[measure]} {best[measure]:.2f}"
    hardest = min(classes, key=lambda label: sum(classes[label]) / len(classes[label]))
    best = max((row for row in rows if row["class"] == hardest), key=lambda row: row[measure])
    told = f"{hardest} is hardest to tell: {WORDS[measure]} {best[measure]:.2f}"
    return f"{told} at best, by {arm_name(best['arm'])}" if len({row["arm"] for row in rows}) > 1 else told
