"""Questions by their kind, drawn: what is answered, what is found, and which tools are called."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import Chart, drawn
from evals.charts.marks import arm_name, lines_of, marked_by, percent


def answers_chart(answers: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return the share of right answers by arm and kind of question; None where there are none.

    Args:
        answers: the data of that name among a knowledge run's findings.
    """
    rows = [_row(row["arm"], row["questions"], row["right"], row["n"]) for row in answers if row["right"]]
    return _by_kind(rows, "questions answered rightly, %", _firsts(rows, "answers rightly"))


def silence_chart(abstention: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return how often each arm abstains where no answer exists, and where one does; None where there are none.

    Args:
        abstention: the data of that name among a knowledge run's findings.
    """
    kinds = {"abstains_rightly": "no answer exists", "abstains_falsely": "an answer exists"}
    rows = [
        _row(row["arm"], told, row[name], row[name]["n"])
        for row in abstention
        for name, told in kinds.items()
        if row[name]
    ]
    return _by_kind(rows, "questions on which it abstains, %", _silent(abstention))


def found_chart(found: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return nDCG@10 by arm and kind of question; None where there is none.

    Args:
        found: the data of that name among a retrieval run's findings.
    """
    rows = [_row(row["arm"], row["questions"], row["ndcg@10"], row["n"]) for row in found if "ndcg@10" in row]
    return _by_kind(rows, "nDCG@10, %", _firsts(rows, "finds the marked passage best"))


def tools_chart(by_part: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return the share of utterances with the right tools by arm and part; None where there are none.

    Args:
        by_part: the data of that name among a routing run's findings.
    """
    rows = [_row(row["arm"], row["part"], {"value": row["accuracy"], "ci": row["ci"]}, row["n"]) for row in by_part]
    return _by_kind(rows, "utterances with the right tools, %", _firsts(rows, "calls the right tools"))


def _row(arm: str, kind: str, figure: Mapping[str, Any], n: int) -> dict[str, Any]:
    low, high = figure["ci"]
    return {
        "arm": arm,
        "kind": kind,
        "percent": percent(figure["value"]),
        "from_percent": percent(low),
        "to_percent": percent(high),
        "n": n,
    }


def _by_kind(rows: Sequence[Mapping[str, Any]], axis: str, title: str) -> Chart | None:
    """Return a line for each arm, and on it a mark with its interval for each kind."""
    import altair as alt

    if not rows:
        return None
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    marks = marked_by("kind", kinds)
    across = alt.X("from_percent:Q", title=axis).scale(domain=[0, 100]).axis(tickCount=5)
    base = drawn(rows).encode(y=lines_of("arm", rows), yOffset=alt.YOffset("kind:N", sort=kinds), color=marks["color"])
    spans = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=across, x2="to_percent:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="percent:Q", shape=marks["shape"])
    picture = alt.layer(spans, dots).properties(height=alt.Step(max(9, 30 // len(kinds)), **{"for": "offset"}))
    return Chart(title, picture, rows, "Marks are shares, lines their 95 % intervals.")


def _firsts(rows: Sequence[Mapping[str, Any]], does: str) -> str:
    """Say which arm comes first on each kind."""
    firsts: dict[str, list[str]] = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        best = max((row for row in rows if row["kind"] == kind), key=lambda row: row["percent"])
        firsts.setdefault(best["arm"], []).append(f"{kind} {best['percent']:.0f} %")
    told = [f"{arm_name(arm)}: {', '.join(kinds)}" for arm, kinds in firsts.items()]
    most = " most often" if len({row["arm"] for row in rows}) > 1 and not does.endswith("best") else ""
    return "; ".join(told).replace(":", f" {does}{most}:", 1)


def _silent(abstention: Sequence[Mapping[str, Any]]) -> str:
    """Say which arm keeps silent where it should and speaks where it should (Youden's J, 1950)."""
    known = [row for row in abstention if row["abstains_rightly"] and row["abstains_falsely"]]
    if not known:
        return "When the arms abstain"
    best = max(known, key=lambda row: row["abstains_rightly"]["value"] - row["abstains_falsely"]["value"])
    rightly, falsely = (100 * best[name]["value"] for name in ("abstains_rightly", "abstains_falsely"))
    return (
        f"{arm_name(best['arm'])} abstains on {rightly:.0f} % of what has no answer, and on {falsely:.0f} % of the rest"
    )
