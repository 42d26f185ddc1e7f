"""The learning curves of training runs, drawn: where each began to overfit or underfit, and what is only predicted."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals.charts.chart import GREY, SERIES, Chart, drawn
from finetune.past import PastRun
from finetune.surface import Predicted
from lab.statistics import wilson

if TYPE_CHECKING:
    import altair as alt

HEIGHT = 300  # pixels
ASIDE = 16  # pixels that a prediction stands beside what was measured
TRAINING, VALIDATION = "training", "validation"
MEASURED, PREDICTED = "measured", "prediction"

Row = Mapping[str, Any]


def loss_chart(runs: Sequence[PastRun]) -> Chart:
    """Return the losses of runs over their passes, each finding at the place where it begins.

    Args:
        runs: at least one; the title is about the first.
    """
    import altair as alt

    rows = [row for run in runs for row in (*_losses(run), *_findings(run))]
    placed = drawn(rows).encode(x=_passes(), y=alt.Y("loss:Q", title="cross-entropy, nats").scale(zero=False))
    base = placed.encode(color=_colours(runs))
    begun = alt.datum.finding != ""
    curves = base.transform_filter(alt.datum.finding == "").encode(
        strokeDash=alt.StrokeDash("texts:N", legend=None).scale(domain=[VALIDATION, TRAINING], range=[[1, 0], [2, 3]])
    )
    looked = curves.transform_filter(alt.datum.texts == VALIDATION)
    places = base.transform_filter(begun).mark_point(shape="triangle-down", filled=True, size=130, opacity=1)
    words = placed.transform_filter(begun).mark_text(dy=10, baseline="top", fontWeight="bold").encode(text="finding:N")
    guessing = alt.Chart(alt.Data(values=[{"guessing": runs[0].losses.guessing}]))
    line = guessing.mark_rule(color=GREY, strokeDash=[6, 4]).encode(y="guessing:Q")
    picture = alt.layer(line, curves.mark_line(), looked.mark_point(size=30, filled=True), places, words)
    note = "Dotted: training loss; solid: validation loss; dashed and grey: what guessing the label shares costs."
    if any(row["finding"] for row in rows):
        note += " A triangle is where a finding begins."
    return Chart(_loss_title(runs[0]), picture.properties(height=HEIGHT), rows, note)


def accuracy_chart(runs: Sequence[PastRun], predicted: Predicted | None = None, epochs: float = 0.0) -> Chart:
    """Return the validation accuracy of runs over their passes, and beside them what is predicted.

    Args:
        runs: at least one; the title is about the first.
        predicted: what nobody has measured; it is drawn as such.
        epochs: the passes that the prediction is for.
    """
    import altair as alt

    rows = [row for number, run in enumerate(runs) for row in _accuracies(run, is_first=not number)]
    rows += [_prediction(predicted, epochs)] if predicted else []
    height = alt.Y("accuracy_percent:Q", title="validation accuracy, %").scale(zero=False)
    base = drawn(rows).encode(x=_passes(), y=height)
    real = base.transform_filter(alt.datum.kind == MEASURED).encode(color=_colours(runs))
    span = real.transform_filter(alt.datum.spanned).encode(y="from_percent:Q", y2="to_percent:Q")
    layers = [span.mark_rule(strokeWidth=2), real.mark_line(), real.mark_point(size=40, filled=True)]
    if predicted:
        guess = base.transform_filter(alt.datum.kind == PREDICTED)
        reach = guess.encode(y="from_percent:Q", y2="to_percent:Q")
        layers += [
            reach.mark_rule(color=GREY, strokeDash=[4, 3], strokeWidth=2, xOffset=ASIDE),
            guess.mark_point(color=GREY, shape="diamond", size=120, filled=False, strokeWidth=2, xOffset=ASIDE),
            guess.mark_text(dx=ASIDE + 8, dy=4, align="right", baseline="top", fontWeight="bold").encode(
                y="from_percent:Q", text="kind:N"
            ),
        ]
    note = "The upright line is the 95 % interval of the nearest run's best accuracy, for so many texts (Wilson)"
    note += "; grey and dashed is the prediction for one new run, with its own." if predicted else "."
    return Chart(_accuracy_title(runs[0]), alt.layer(*layers).properties(height=HEIGHT), rows, note)


def passes(run: PastRun, step: int) -> float:
    """Return how often a run had seen the data at a step."""
    return round(run.knobs.num_train_epochs * step / max(1, run.total_steps), 3)


def _losses(run: PastRun) -> list[Row]:
    return [
        {"run": run.name, "epoch": passes(run, point["step"]), "step": point["step"], "texts": texts}
        | {"loss": point[name], "finding": ""}
        for texts, name in ((TRAINING, "loss"), (VALIDATION, "eval_loss"))
        for point in run.curve
        if math.isfinite(point.get(name, math.nan))
    ]


def _findings(run: PastRun) -> list[Row]:
    """Return each finding on the curve that it is about."""
    rows: list[Row] = []
    for finding in run.findings:
        texts, name = (TRAINING, "loss")
        if finding.kind in ("overfitting", "no gain"):
            texts, name = (VALIDATION, "eval_loss")
        near = [point for point in run.curve if math.isfinite(point.get(name, math.nan))]
        if near:
            point = min(near, key=lambda point: abs(point["step"] - finding.step))
            place = {"epoch": passes(run, point["step"]), "step": point["step"], "texts": texts, "loss": point[name]}
            rows.append({"run": run.name, **place, "finding": finding.kind})
    return rows


def _accuracies(run: PastRun, is_first: bool) -> list[Row]:
    """Return each validation; the best of the first run has its interval drawn."""
    looked = [point for point in run.curve if "eval_accuracy" in point]
    best = max((point["eval_accuracy"] for point in looked), default=0.0)
    first = next((point["step"] for point in looked if point["eval_accuracy"] == best), 0)
    return [
        {"run": run.name, "epoch": passes(run, point["step"]), "step": point["step"]}
        | _percent(point["eval_accuracy"], *_interval(point["eval_accuracy"], run))
        | {"kind": MEASURED, "spanned": is_first and point["step"] == first}
        for point in looked
    ]


def _prediction(predicted: Predicted, epochs: float) -> Row:
    figures = _percent(predicted.accuracy, *predicted.interval)
    return {"run": "nobody's", "epoch": epochs, "step": None} | figures | {"kind": PREDICTED, "spanned": False}


def _percent(accuracy: float, low: float, high: float) -> dict[str, float]:
    figures = {"accuracy_percent": accuracy, "from_percent": low, "to_percent": high}
    return {name: round(100 * value, 2) for name, value in figures.items()}


def _interval(accuracy: float, run: PastRun) -> tuple[float, float]:
    texts = run.ground.validation_examples
    return wilson(round(accuracy * texts), texts)


def _passes() -> "alt.X":
    import altair as alt

    place = alt.X("epoch:Q", title="passes over the data (epochs)")
    return place.axis(tickCount=6).scale(padding=2 * ASIDE, nice=False, zero=True)


def _colours(runs: Sequence[PastRun]) -> "alt.Color":
    import altair as alt

    names = [run.name for run in runs]
    return alt.Color("run:N", title=None, legend=_legend()).scale(domain=names, range=list(SERIES[: len(names)]))


def _legend() -> "alt.Legend":
    import altair as alt

    return alt.Legend(orient="bottom", columns=1, symbolType="stroke", labelLimit=280)


def _loss_title(run: PastRun) -> str:
    if run.findings:
        first = run.findings[0]
        return f"{run.name}: {first.kind} begins after {passes(run, first.step):.2g} epochs"
    looked = [point for point in run.curve if "eval_loss" in point]
    if not looked:
        return f"{run.name} has not been validated yet"
    best = min(looked, key=lambda point: float(point["eval_loss"]))
    return f"{run.name}: validation loss lowest after {passes(run, best['step']):.2g} epochs, {best['eval_loss']:.3f}"


def _accuracy_title(run: PastRun) -> str:
    if run.accuracy is None:
        return f"{run.name} has no accuracy yet"
    verb = "reached" if run.is_whole else "has come to"
    return f"{run.name} {verb} {100 * run.accuracy:.1f} % of {run.ground.validation_examples} validation texts"
