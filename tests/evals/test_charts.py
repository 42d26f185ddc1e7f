"""Charts: titles that say what the figures say, marks that do not rest on colour, pictures that carry nothing else."""

import csv
import io
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from evals.charts.accuracy import accuracy_chart
from evals.charts.change import change_chart, withdrawal_chart
from evals.charts.chart import Chart
from evals.charts.classes import class_chart
from evals.charts.differences import differences_chart
from evals.charts.freshness import change_cost_chart, time_line_charts
from evals.charts.labels import Dot, _box, _shared, placed
from evals.charts.learning import learning_chart
from evals.charts.monthly import month_chart, right_cost_chart
from evals.charts.points import robustness_chart, swap_chart
from evals.charts.questions import answers_chart, found_chart, silence_chart, tools_chart
from evals.charts.reliability import reliability_chart
from evals.charts.run import common_charts, finding_charts
from evals.charts.tradeoff import cost_chart, latency_chart, pareto_front
from evals.costs import Load, UnitCosts, break_even_queries
from lab.statistics import wilson

ARMS = ["finetuned", "rag@embedded:x", "knn", "majority"]
EVIL = "=<script>alert(1)</script>"


def _result(accuracy: float, ms: float, usd: float | None = None) -> dict[str, Any]:
    ci = [accuracy - 0.05, accuracy + 0.05]
    timed = {"latency_p50_ms": ms, "cost_per_1k_usd": usd}
    return {"accuracy": accuracy, "accuracy_ci": ci, "n": 100, "failures": 2, **timed}


RESULTS = [_result(0.8, 9.0, 0.02), _result(0.72, 200.0, 0.5), _result(0.6, 12.0, 0.01), _result(0.5, 0.0, 0.0)]


def _pair(other: str, difference: float, p: float) -> dict[str, Any]:
    ci = [difference - 0.1, difference + 0.1]
    return {"a": "finetuned", "b": other, "difference": difference, "ci": ci, "p_adjusted": p, "n": 98}


PAIRS = [_pair("rag@embedded:x", 0.08, 0.2), _pair("knn", 0.2, 0.001), _pair("majority", 0.3, 1e-9)]


def _detail(f1: Sequence[float], ece: float) -> dict[str, Any]:
    labels = ["negative", "neutral", "positive", "never asked"]
    per_class = {
        label: {"precision": one, "recall": one, "f1": one, "support": 20 if one else 0}
        for label, one in zip(labels, [*f1, 0.0], strict=True)
    }
    curve = [
        {"n": 3, "confidence": 0.42, "accuracy": 0.0},
        {"n": 40, "confidence": 0.71, "accuracy": 0.65},
        {"n": 55, "confidence": 0.93, "accuracy": 0.9},
    ]
    matrix = [[round(20 * one) if row == at else 4 for at in range(4)] for row, one in enumerate([*f1, 0.0])]
    confusion = {"labels": labels, "matrix": matrix}
    return {"per_class": per_class, "confusion": confusion, "reliability": {"ece": ece, "curve": curve}}


DETAILS = {
    "finetuned": _detail([0.8, 0.5, 0.9], 0.04),
    "rag@embedded:x": _detail([0.7, 0.4, 0.8], 0.2),
    "knn": _detail([0.6, 0.3, 0.7], 0.1),
    "majority": _detail([0.1, 0.2, 0.7], 0.3),
}
STEPS = ("tweets", "news", "changed labels")


def _moment(arm: str, step: str, test: str, accuracy: float) -> dict[str, Any]:
    ci = [accuracy - 0.1, min(1.0, accuracy + 0.1)]
    return {"arm": arm, "step": step, "test": test, "n": 50, "accuracy": accuracy, "ci": ci}


TIMELINE = [
    *(_moment("knn", step, "tweets", right) for step, right in zip(STEPS, (0.6, 0.62, 0.61), strict=True)),
    *(_moment("finetuned", step, "tweets", right) for step, right in zip(STEPS, (0.8, 0.7, 0.4), strict=True)),
    *(_moment("knn", step, "news", right) for step, right in zip(STEPS, (0.4, 0.45, 0.45), strict=True)),
    *(_moment("finetuned", step, "news", right) for step, right in zip(STEPS, (0.5, 0.7, 0.75), strict=True)),
]
CHANGES = [
    {"arm": arm, "change": change, "seconds": seconds, "usd": seconds / 3600}
    for arm, seconds in (("knn", 2.0), ("finetuned", 60.0))
    for change in STEPS[1:]
]
CURVES = {
    "finetuned": {8: {0: 0.4, 1: 0.42}, 32: {0: 0.5, 1: 0.5}, 128: {0: 0.8, 1: 0.82}},
    "knn": {8: {0: 0.5, 1: 0.52}, 32: {0: 0.6, 1: 0.62}, 128: {0: 0.65, 1: 0.63}},
}
CROSSINGS = [{"tuned": "finetuned", "other": "knn", "points": [50.0, 60.0]}]
SWAPS = [
    {"approach": "rag", "before": "embedded:x", "after": "embedded:y", "seconds_again": 0.0}
    | {"difference": 0.04, "ci": [-0.02, 0.1], "p_adjusted": 0.3},
    {"approach": "finetuned", "before": "embedded:a", "after": "embedded:b", "seconds_again": 31.0}
    | {"difference": -0.12, "ci": [-0.2, -0.04], "p_adjusted": 0.01},
]
LOSSES = [("knn", "typos", -0.15, 0.001), ("knn", "emoji", -0.01, 1.0), ("rag", "typos", -0.02, 0.9)]
DROPS = [
    {"arm": arm, "trouble": trouble, "difference": lost, "ci": [lost - 0.05, lost + 0.05], "p_adjusted": p}
    for arm, trouble, lost, p in LOSSES
]


def _figure(value: float) -> dict[str, Any]:
    return {"value": value, "ci": [0.05, 0.9], "n": 30}


ANSWERS = [{"arm": arm, "questions": "handbook", "n": 30, "right": _figure(0.6)} for arm in ("rag", "closed_book")]
SILENT = [{"arm": "rag", "abstains_rightly": _figure(0.8), "abstains_falsely": _figure(0.1)}]
FOUND = [
    {"arm": "bm25", "questions": "all", "n": 30, "ndcg@10": _figure(0.5)},
    {"arm": "fused", "questions": "all", "n": 30, "ndcg@10": _figure(0.7)},
]
PARTS = [
    {"arm": "knn", "part": "hard", "n": 30, "accuracy": 0.5, "ci": [0.4, 0.9]},
    {"arm": "router", "part": "hard", "n": 30, "accuracy": 0.8, "ci": [0.4, 0.9]},
]
CHANGED = [
    {"arm": "finetuned", "change": "news", "before": 0.5, "after": 0.7, "old_before": 0.8, "n": 50}
    | {"before_ci": [0.4, 0.6], "after_ci": [0.6, 0.8], "old_before_ci": [0.7, 0.9]},
    {"arm": "finetuned", "change": "labels", "before": 0.1, "after": 0.9, "old_before": 0.7, "n": 50}
    | {"before_ci": [0.05, 0.2], "after_ci": [0.8, 0.95]},
    {"arm": "knn", "change": "news", "before": 0.4, "after": 0.45, "old_before": 0.6, "n": 50},
    {"arm": "knn", "change": "labels", "before": 0.2, "after": 0.6, "old_before": None, "n": 50},
]
WITHDRAWAL = [
    {"arm": arm, "n": 100, "before": said[0], "standing": said[1], "after": said[2]}
    | {f"{moment}_ci": [0.1, 0.9] for moment in ("before", "standing", "after")}
    for arm, said in (("knn", (0.3, 0.7, 0.3)), ("finetuned-continue", (0.2, 0.7, 0.65)))
]
RIGHTS = {"finetuned": (0.8, 1.0), "rag@embedded:x": (0.0, 1.0)}
COSTS = {"finetuned": UnitCosts(0.001, 10.0), "rag@embedded:x": UnitCosts(0.01, 1.9)}


@cache
def _all() -> dict[str, Chart | None]:
    found = dict(zip((f"time line {n}" for n in range(9)), time_line_charts(TIMELINE), strict=False))
    return found | {
        "accuracy": accuracy_chart(RESULTS, ARMS),
        "differences": differences_chart(PAIRS, "finetuned"),
        "latency": latency_chart(RESULTS, ARMS),
        "cost": cost_chart(RESULTS, ARMS),
        "classes": class_chart(DETAILS),
        "reliability": reliability_chart(DETAILS),
        "change": change_chart(CHANGED),
        "withdrawal": withdrawal_chart(WITHDRAWAL),
        "change cost": change_cost_chart(CHANGES),
        "learning": learning_chart(CURVES, CROSSINGS),
        "swaps": swap_chart(SWAPS),
        "robustness": robustness_chart(DROPS),
        "answers": answers_chart(ANSWERS),
        "silence": silence_chart(SILENT),
        "found": found_chart(FOUND),
        "tools": tools_chart(PARTS),
        "month": month_chart(COSTS, Load(10_000, 1), "USD", "finetuned", "rag@embedded:x"),
        "right answers": right_cost_chart(COSTS, RIGHTS, "USD"),
    }


SAID = {
    "accuracy": "finetuned is most accurate: 80.0 %; the interval of rag@x reaches its own",
    "differences": "finetuned beats majority and knn; beside rag@x it may be luck",
    "latency": "Pareto front: majority and finetuned; the others are slower and no more accurate",
    "cost": "Pareto front: majority, knn and finetuned; the others are dearer and no more accurate",
    "classes": "neutral is hardest to tell: F1 0.50 at best, by finetuned",
    "reliability": "finetuned knows best how sure it is: calibration error 0.04; majority worst: 0.30",
    "time line 0": "finetuned forgets most of tweets: 80 to 40 %",
    "time line 1": "finetuned gains most from news: 50 to 70 %; no arm forgets it",
    "change": "The change 'labels' hits hardest: finetuned recovers to 90 %, knn to 60 %",
    "withdrawal": "finetuned-continue still says what was withdrawn",
    "change cost": "A change takes knn 2 s ($0.00056) and finetuned 60 s ($0.017) on average",
    "learning": "finetuned overtakes knn from about 55 labelled examples on, in 2 of 2 seeds",
    "swaps": "finetuned loses 12.0 points by a → b; 1 of 2 swaps change nothing for sure",
    "robustness": "Typos costs knn most: -15.0 points; 1 of 3 losses are real",
    "answers": "rag answers rightly most often: handbook 60 %",
    "silence": "rag abstains on 80 % of what has no answer, and on 10 % of the rest",
    "found": "fused finds the marked passage best: all 70 %",
    "tools": "router calls the right tools most often: hard 80 %",
    "month": "finetuned costs less than rag@x from 900 queries a month on",
    "right answers": "1,000 right answers cost least with finetuned: $1",
}


@pytest.mark.parametrize("name", list(SAID))
def test_a_title_says_what_the_figures_say(name: str) -> None:
    chart = _all()[name]
    assert chart is not None
    assert chart.title == SAID[name]


@pytest.mark.parametrize("name", list(SAID))
def test_a_picture_is_svg_in_the_colour_of_the_text_and_nothing_more(name: str) -> None:
    chart = _all()[name]
    assert chart is not None
    chart.picture.to_dict()  # raises where it is not as Altair's schema has it
    svg = chart.svg(400)
    assert 'width="400"' in svg.split(">")[0]
    assert "currentColor" in svg
    for word in ("<script", "<image", "<a ", "url(", "href", "<style", " id="):
        assert word not in svg
    table = list(csv.DictReader(io.StringIO(chart.csv())))
    assert len(table) == len(chart.rows) > 0


def test_what_is_real_is_told_by_shape_as_well_as_by_colour() -> None:
    chart = differences_chart([*PAIRS, _pair("hybrid", -0.2, 0.001)], "finetuned")
    assert chart is not None
    assert {row["beside"]: row["found"] for row in chart.rows} == {
        "majority": "finetuned ahead",
        "knn": "finetuned ahead",
        "rag@embedded:x": "may be luck",
        "hybrid": "finetuned behind",
    }
    assert chart.title == "finetuned beats majority and knn; hybrid beats finetuned; beside rag@x it may be luck"
    drawn = json.dumps(chart.picture.to_dict())
    for shape in ("triangle-right", "triangle-left", "circle"):
        assert drawn.count(f'"{shape}"') == 1


def test_no_reference_or_no_pair_is_no_chart_of_differences() -> None:
    assert differences_chart(PAIRS, None) is None
    assert differences_chart([], "finetuned") is None
    assert differences_chart(PAIRS, "knn") is None


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([("a", 1.0, 50.0), ("b", 2.0, 60.0), ("c", 3.0, 55.0)], ["a", "b"]),
        ([("a", 1.0, 50.0), ("b", 1.0, 60.0)], ["b"]),
        ([("a", 1.0, 50.0), ("b", 2.0, 50.0)], ["a"]),
        ([("slow", 9.0, 90.0), ("fast", 1.0, 95.0)], ["fast"]),
        ([], []),
    ],
)
def test_the_pareto_front_is_what_nothing_else_beats(points: list[tuple[str, float, float]], front: list[str]) -> None:
    assert pareto_front(points) == front


def test_names_beside_dots_that_lie_together_do_not_cover_each_other() -> None:
    dots = [Dot(0.5, 0.5, 0.4, 0.6), Dot(0.53, 0.52, 0.42, 0.62), Dot(0.5, 0.56, 0.5, 0.6), Dot(0.98, 0.1, 0, 0.2)]
    names = ["zero_shot@smollm2", "rag@smollm2", "finetuned", "hybrid@gemma3-270m"]
    boxes = [
        _box((dot.x * 320, dot.y * 200), name, place)
        for dot, name, place in zip(dots, names, placed(dots, names), strict=True)
    ]
    for number, box in enumerate(boxes):
        assert box[2] <= 320, "a name stays inside the plot"
        assert not any(_shared(box, other) for other in boxes[:number])


def test_an_answer_that_is_never_asked_for_is_no_class_and_a_point_of_few_texts_is_not_drawn() -> None:
    classes, reliability = class_chart(DETAILS, "recall"), reliability_chart({"knn": DETAILS["knn"]})
    assert classes is not None and reliability is not None
    assert {row["class"] for row in classes.rows} == {"negative", "neutral", "positive"}
    assert [row["texts"] for row in reliability.rows] == [40, 55]
    assert reliability.title == "knn is off by 10 points in how sure it is"


def test_curves_read_from_a_file_are_drawn_as_those_in_memory() -> None:
    kept = json.loads(json.dumps({"accuracy": CURVES, "crossings": CROSSINGS}))
    fresh, read = learning_chart(CURVES, CROSSINGS), learning_chart(kept["accuracy"], kept["crossings"])
    assert fresh is not None and read is not None
    assert (fresh.title, fresh.rows, fresh.note) == (read.title, read.rows, read.note)
    assert "finetuned overtakes knn from 55 on" in fresh.note
    never = learning_chart(CURVES, [{"tuned": "finetuned", "other": "knn", "points": [None, None]}])
    assert never is not None
    assert never.title == "finetuned does not overtake knn up to 128 labelled examples"


def test_the_break_even_that_is_marked_is_where_two_cost_the_same() -> None:
    load = Load(10_000, 1)
    chart = month_chart(COSTS, load, "USD", "finetuned", "rag@embedded:x")
    at = break_even_queries(COSTS["finetuned"], COSTS["rag@embedded:x"], load)
    assert chart is not None
    assert at in [row["queries_per_month"] for row in chart.rows]
    assert "Diamond: break-even" in chart.note
    assert month_chart({"knn": UnitCosts(None, 1.0)}, load, "USD", "knn") is None
    one = month_chart(COSTS | {"majority": UnitCosts(None, None)}, load, "seconds", "finetuned")
    assert one is not None
    assert "majority" in one.note


def test_only_a_significant_change_bears_a_star() -> None:
    chart = swap_chart(SWAPS)
    assert chart is not None
    svg = chart.svg()
    assert "−12.0 *" in svg
    assert "+4.0<" in svg


def test_where_nothing_was_measured_there_is_no_chart() -> None:
    nothing = [row | {"accuracy": None, "accuracy_ci": None, "latency_p50_ms": None} for row in RESULTS]
    assert accuracy_chart(nothing, ARMS) is latency_chart(nothing, ARMS) is cost_chart(nothing, ARMS) is None
    empty: dict[str, Any] = {"knn": {"per_class": {}, "reliability": None}}
    assert class_chart(empty) is reliability_chart(empty) is None
    assert learning_chart({}) is swap_chart([]) is robustness_chart([]) is answers_chart([]) is None
    assert time_line_charts([]) == finding_charts([]) == []
    document = {"results": nothing, "comparisons": [], "details": dict.fromkeys(ARMS, empty["knn"])}
    assert common_charts(document, "finetuned") == []


def test_names_from_outside_stay_names() -> None:
    chart = accuracy_chart(RESULTS[:2], [EVIL, "b"])
    assert chart is not None
    svg = chart.svg()
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert f"'{EVIL}" in chart.csv(), "no spreadsheet runs it"


SHARES = {  # charts of shares of n texts, with the first row's interval
    "accuracy": ("from_percent", 75.0, "to_percent", 85.0),
    "change": ("from_percent", 70.0, "to_percent", 90.0),
    "withdrawal": ("from_percent", 10.0, "to_percent", 90.0),
    "reliability": ("from_percent", 49.51, "to_percent", 77.87),  # Wilson, 26 of 40
    "right answers": ("from", 1.0, "to", 1.25),
}


@pytest.mark.parametrize("name", list(SHARES))
def test_a_share_of_texts_has_its_interval_drawn_and_among_the_figures(name: str) -> None:
    chart = _all()[name]
    assert chart is not None
    first, low, last, high = SHARES[name]
    assert (chart.rows[0][first], chart.rows[0][last]) == (pytest.approx(low), pytest.approx(high))
    assert f'"field": "{last}"' in json.dumps(chart.picture.to_dict())
    assert f",{first},{last}" in chart.csv().splitlines()[0]


def test_a_change_is_drawn_moment_by_moment_and_without_intervals_where_a_run_has_none() -> None:
    chart = change_chart(CHANGED)
    assert chart is not None
    assert [row["accuracy_percent"] for row in chart.rows if row["arm"] == "finetuned"] == [80, 50, 70, 10, 90]
    assert {row["from_percent"] for row in chart.rows if row["arm"] == "knn"} == {None}
    assert change_chart([]) is withdrawal_chart([]) is None
    said = withdrawal_chart([row | {"after": 0.3} for row in WITHDRAWAL])
    assert said is not None and said.title == "finetuned-continue still says what was withdrawn"
    gone = withdrawal_chart([row | {"after": row["before"]} for row in WITHDRAWAL])
    assert gone is not None and gone.title == "No arm still says what was withdrawn"


def test_the_interval_of_a_measure_of_a_class_counts_texts_and_not_their_repeats() -> None:
    matrix = {"labels": ["a", "b"], "matrix": [[6, 2], [4, 8]]}
    per_class = {label: {"precision": 0.6, "recall": 0.75, "f1": 0.667, "support": 8} for label in ("a", "b")}
    once = {"knn": {"per_class": per_class, "confusion": matrix, "reliability": None, "repeats": 1}}
    twice = {"knn": {**once["knn"], "repeats": 2, "confusion": matrix | {"matrix": [[12, 4], [8, 16]]}}}
    of = {"recall": (6, 8), "precision": (6, 10), "f1": (6, 12)}
    for measure, (right, all_of_them) in of.items():
        bounds = wilson(right, all_of_them)
        low, high = (2 * b / (1 + b) for b in bounds) if measure == "f1" else bounds
        for details in (once, twice):
            chart = class_chart(details, measure)  # type: ignore[arg-type]
            assert chart is not None
            assert (chart.rows[0]["from"], chart.rows[0]["to"]) == (round(low, 3), round(high, 3))
            assert low < {"recall": 0.75, "precision": 0.6, "f1": 2 / 3}[measure] < high


def test_a_run_shows_what_its_suite_is_about_first() -> None:
    findings: list[dict[str, Any]] = [
        {"data": {"changes": CHANGES, "timeline": TIMELINE}},
        {"data": {"withdrawal": []}},
    ]
    titles = [chart.title for chart in finding_charts(findings)]
    assert titles == [SAID["time line 0"], SAID["time line 1"], SAID["change cost"]]
    document = {"results": RESULTS, "comparisons": PAIRS, "details": DETAILS}
    common = [chart.title for chart in common_charts(document, "finetuned")]
    assert common[:4] == [SAID[name] for name in ("accuracy", "differences", "latency", "cost")]
    assert len(common) == 6
