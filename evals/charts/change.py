"""Changes of the data as they are lived through, drawn: the fall, the recovery, and what is still remembered."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import GREY, Chart, drawn
from evals.charts.marks import arm_name, dashed_by, lines_of, listed, marked_by, percent

HEIGHT = 300
CEILING = 120  # per cent, on the axis: above 100 stand the names of the changes
TAKING = 0.5  # of the way from one change to the next: while it is taken in
MARGIN = 0.1  # on both sides, on the same scale
REMEMBERED = 5.0  # points above its own error at which an arm still says what was withdrawn
MOMENTS = {"before": "before it came", "standing": "while it stood", "after": "after its withdrawal"}

Rows = Sequence[Mapping[str, Any]]


def change_chart(changes: Rows) -> Chart | None:
    """Return each arm's accuracy on what is asked now, one change after the other; None where nothing changed.

    Between two bands a line falls, for the next change has come; within a band it recovers, for it is taken in.

    Args:
        changes: the data of that name among a freshness run's findings.
    """
    import altair as alt

    rows = _moments(changes)
    names = list(dict.fromkeys(row["change"] for row in changes))
    if not rows:
        return None
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    marks = marked_by("arm", arms)
    bands = [{"change": name, "from": at, "to": at + TAKING} for at, name in enumerate(names, 1)]
    across = alt.X("at:Q", title="time").scale(domain=[TAKING - MARGIN, len(names) + TAKING + MARGIN], nice=False)
    across = across.axis(labels=False, ticks=False, grid=False)
    upward = alt.Y("accuracy_percent:Q", title="accuracy on the texts of the change, %")
    upward = upward.scale(domain=[0, CEILING]).axis(values=list(range(0, 101, 20)))
    base = drawn(rows).encode(x=across, y=upward, color=marks["color"])
    shades = drawn(bands).mark_rect(color=GREY, opacity=0.16).encode(x="from:Q", x2="to:Q")
    names_above = drawn(bands).transform_calculate(at=f"datum.from + {TAKING / 2}").mark_text(lineBreak=" ", dy=12)
    names_above = names_above.encode(x=across, y=alt.value(0), text="change:N")
    lines = base.mark_line(strokeWidth=1.8).encode(strokeDash=dashed_by("arm", arms))
    spans = base.mark_rule(opacity=0.35).encode(y=alt.Y("from_percent:Q"), y2="to_percent:Q")
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(shape=marks["shape"])
    note = "Each band is a change that is taken in: accuracy on its texts before, on the left, and after, on the right."
    note += " Upright lines are 95 % intervals."
    picture = alt.layer(shades, names_above, spans, lines, dots).properties(height=HEIGHT)
    return Chart(_change_title(changes), picture, rows, note)


def withdrawal_chart(withdrawal: Rows) -> Chart | None:
    """Return how often each arm says a wrong label before it came, while it stood and after its withdrawal.

    Args:
        withdrawal: the data of that name among a freshness run's findings.
    """
    import altair as alt

    rows = [
        {"arm": row["arm"], "when": when, "says_it_percent": percent(row[moment]), **_span(row.get(f"{moment}_ci"))}
        for row in withdrawal
        for moment, when in MOMENTS.items()
        if row[moment] is not None
    ]
    if not rows:
        return None
    marks = marked_by("when", list(MOMENTS.values()))
    offset = alt.YOffset("when:N", sort=list(MOMENTS.values()))
    base = drawn(rows).encode(y=lines_of("arm", rows), yOffset=offset, color=marks["color"])
    across = (
        alt.X("says_it_percent:Q", title="texts that get the wrong label, %").scale(domain=[0, 100]).axis(tickCount=5)
    )
    spans = base.mark_rule(strokeWidth=2, opacity=0.7).encode(x=alt.X("from_percent:Q"), x2="to_percent:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x=across, shape=marks["shape"])
    note = "What an arm says before it ever saw the wrong labels is its own error. Lines are 95 % intervals."
    picture = alt.layer(spans, dots).properties(height=alt.Step(11, **{"for": "offset"}))
    return Chart(_withdrawal_title(withdrawal), picture, rows, note)


def _moments(changes: Rows) -> list[dict[str, Any]]:
    """Return the accuracy of each arm on what was asked, moment by moment; `at` is where it stands on the axis."""
    rows = []
    for arm in dict.fromkeys(row["arm"] for row in changes):
        own = [row for row in changes if row["arm"] == arm]
        steps = [(TAKING, "at first", own[0], "old_before")]
        for number, row in enumerate(own, 1):
            steps += [(number, f"{row['change']}: it comes", row, "before")]
            steps += [(number + TAKING, f"{row['change']}: taken in", row, "after")]
        rows += [
            {"arm": arm, "moment": moment, "accuracy_percent": percent(row[name]), **_span(row.get(f"{name}_ci"))}
            | {"at": at}
            for at, moment, row, name in steps
            if row[name] is not None
        ]
    return rows


def _span(interval: Sequence[float] | None) -> dict[str, float | None]:
    """Return an interval in per cent; runs of before intervals were kept have none."""
    low, high = map(percent, interval) if interval else (None, None)
    return {"from_percent": low, "to_percent": high}


def _change_title(changes: Rows) -> str:
    """Say of the change that hits hardest who recovers most and who least."""
    known = [row for row in changes if row["before"] is not None and row["after"] is not None]
    if not known:
        return "No text was answered both before and after a change"
    names = dict.fromkeys(row["change"] for row in known)
    lows = {name: [row["before"] for row in known if row["change"] == name] for name in names}
    worst = min(lows, key=lambda name: sum(lows[name]) / len(lows[name]))
    after = {arm_name(row["arm"]): 100 * row["after"] for row in known if row["change"] == worst}
    most, least = max(after, key=after.__getitem__), min(after, key=after.__getitem__)
    told = f"The change '{worst}' hits hardest: {most} recovers to {after[most]:.0f} %"
    return f"{told}, {least} to {after[least]:.0f} %" if most != least else told


def _withdrawal_title(withdrawal: Rows) -> str:
    """Say who still says what was withdrawn."""
    known = [row for row in withdrawal if row["after"] is not None and row["before"] is not None]
    still = [row["arm"] for row in known if 100 * (row["after"] - row["before"]) > REMEMBERED]
    if not still:
        return "No arm still says what was withdrawn"
    return f"{listed(still)} still say{'s' * (len(still) == 1)} what was withdrawn"
