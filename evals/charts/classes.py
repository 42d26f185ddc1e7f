"""How well each class is told, drawn: precision, recall or F1 of each label by arm."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evals.charts.chart import Chart, drawn
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
        {"arm": arm, "class": label, measure: round(found[label][measure], 3)}
        | _interval(detail, label, measure)
        | {"texts": found[label]["support"]}
        for arm, detail in details.items()
        for label in labels
        if label in (found := detail["per_class"])
    ]
    if not rows:
        return None
    marks = marked_by("class", labels)
    base = drawn(rows).encode(y=lines_of("arm", rows), yOffset=alt.YOffset("class:N", sort=labels))
    base = base.encode(color=marks["color"])
    across = alt.X(f"{measure}:Q", title=WORDS[measure]).scale(domain=[0, 1]).axis(tickCount=5)
    spans = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=alt.X("from:Q"), x2="to:Q")
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(x=across, shape=marks["shape"])
    left = f" The {MOST} largest of {len(support)} classes." if len(support) > MOST else ""
    note = f"{WORDS[measure]} of each class over the texts that were answered; lines are 95 % intervals.{left}"
    picture = alt.layer(spans, dots).properties(height=alt.Step(9, **{"for": "offset"}))
    return Chart(_title(rows, measure), picture, rows, note)


def _interval(detail: Mapping[str, Any], label: str, measure: Measure) -> dict[str, float | None]:
    """Return the 95 % interval of a measure of a class (Wilson 1927); repeats of a text are alike, and count as one.

    That of F1 is F1 = 2J / (1 + J) of the interval of J, the share of right answers among all texts that are of the
    class or were taken for it (Lam et al. 2023, arXiv 2309.14621: Wilson indirect).
    """
    from lab.statistics import wilson

    matrix, at = detail["confusion"]["matrix"], detail["confusion"]["labels"].index(label)
    right, support, said = matrix[at][at], sum(matrix[at]), sum(row[at] for row in matrix)
    of = {"recall": support, "precision": said, "f1": support + said - right}[measure]
    if not of:
        return {"from": None, "to": None}
    repeats = detail.get("repeats") or 1
    low, high = wilson(right / repeats, of / repeats)
    if measure == "f1":
        low, high = (2 * share / (1 + share) for share in (low, high))
    return {"from": round(low, 3), "to": round(high, 3)}


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
