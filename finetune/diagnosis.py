"""What a learning curve says while it is drawn: diverging, noisy, over- or underfitting, and the knob to turn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["diverged", "exploding", "noisy", "overfitting", "underfitting", "no gain"]
Point = Mapping[str, Any]

WINDOW = 8  # logged losses that noise is judged on
EXPLODED = 1.5  # times the loss of guessing
NOISE = 0.35  # standard deviation around the trend, as a share of the loss of guessing
OVERFIT = 1.05  # validation loss, as a share of its lowest
GUESSING = 0.95  # training loss, as a share of the loss of guessing, that counts as having learned nothing
IDLE = 4  # validations in a row without a gain


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a curve: from which step on, in words, and what would help."""

    kind: Kind
    step: int
    words: str
    knob: str


@dataclass(frozen=True)
class LossRange:
    """The cross-entropy, in nats, of always answering the label frequencies, and the least there can be."""

    guessing: float
    least: float = 0.0


def diagnose(curve: Sequence[Point], baseline_loss: float, total_steps: int, least_loss: float = 0.0) -> list[Finding]:
    """Return what is wrong with a learning curve so far, the gravest first.

    The rules are those of thumb in Goodfellow, Bengio and Courville (2016), "Deep Learning", chapters 7 and 11, with
    thresholds set on the tweets.

    Args:
        curve: points {step, loss} and {step, eval_loss, eval_accuracy}, in order.
        baseline_loss: the cross-entropy, in nats, of always answering the label frequencies.
        total_steps: of the whole run.
        least_loss: what label smoothing leaves even of a perfect answer.
    """
    losses = [(int(point["step"]), float(point["loss"])) for point in curve if "loss" in point]
    if not losses:
        return []
    if not math.isfinite(losses[-1][1]):
        return [Finding("diverged", losses[-1][0], f"the training loss is {losses[-1][1]}", "lower --learning-rate")]
    finite = [(step, loss) for step, loss in losses if math.isfinite(loss)]
    steps, values = np.array([step for step, _ in finite]), np.array([loss for _, loss in finite])
    checks = (
        _exploding(steps, values, baseline_loss),
        _noisy(steps, values, baseline_loss),
        _overfitting(curve, steps, values),
        _underfitting(steps, values, LossRange(baseline_loss, least_loss), total_steps),
        _idle(curve),
    )
    return [finding for finding in checks if finding]


def beginnings(curve: Sequence[Point], losses: LossRange, total_steps: int) -> list[Finding]:
    """Return what is wrong with a whole curve, each finding with the step from which on it has been.

    What has passed by the end is left out; a finding's words are those of the end.
    """
    since: dict[Kind, Finding] = {}
    for length in range(1, len(curve) + 1):
        now = diagnose(curve[:length], losses.guessing, total_steps, losses.least)
        since = {f.kind: replace(f, step=min(f.step, since.get(f.kind, f).step)) for f in now}
    return list(since.values())


def _exploding(steps: NDArray[np.int_], losses: NDArray[np.float64], baseline: float) -> Finding | None:
    """Two losses in a row far above what guessing costs."""
    start = max(baseline, min(losses[0], 3 * baseline))  # a new head knows nothing of the label frequencies
    if len(losses) < 2 or losses[-2:].min() < EXPLODED * start:
        return None
    words = f"the training loss is {losses[-1]:.2f}, where guessing costs {baseline:.2f}"
    return Finding("exploding", int(steps[-2]), words, "lower --learning-rate, or warm up longer with --warmup-ratio")


def _noisy(steps: NDArray[np.int_], losses: NDArray[np.float64], baseline: float) -> Finding | None:
    """The last losses jump around their own straight line."""
    if len(losses) < WINDOW:
        return None
    x, y = steps[-WINDOW:], losses[-WINDOW:]
    spread = float(np.std(y - np.polyval(np.polyfit(x, y, 1), x), ddof=2))
    if spread < NOISE * baseline:
        return None
    words = f"the training loss jumps by ±{spread:.2f} around its trend"
    knob = "raise --batch-size or --gradient-accumulation-steps, or lower --learning-rate"
    return Finding("noisy", int(x[0]), words, knob)


def _overfitting(curve: Sequence[Point], steps: NDArray[np.int_], losses: NDArray[np.float64]) -> Finding | None:
    """The validation loss has risen at least twice since its lowest, while the training loss went on falling."""
    validated = [(int(point["step"]), float(point["eval_loss"])) for point in curve if "eval_loss" in point]
    if len(validated) < 3:
        return None
    step, lowest = min(validated, key=lambda pair: pair[1])
    later = [loss for after, loss in validated if after > step]
    fallen = losses[steps > step].size and losses[-1] < np.interp(step, steps, losses)
    if len(later) < 2 or min(later[-2:]) < OVERFIT * lowest or not fallen:
        return None
    words = f"the validation loss was lowest at step {step} ({lowest:.3f}) and is {later[-1]:.3f} now"
    knob = "lower --num-train-epochs or --learning-rate, raise --weight-decay or --label-smoothing, or add examples"
    return Finding("overfitting", step, words, knob)


def _underfitting(
    steps: NDArray[np.int_], losses: NDArray[np.float64], bounds: LossRange, total_steps: int
) -> Finding | None:
    """Half of the run is over, and the loss is still that of guessing."""
    if steps[-1] < total_steps / 2:
        return None
    recent = float(np.mean(losses[-max(2, len(losses) // 5) :]))
    if recent < bounds.least + GUESSING * (bounds.guessing - bounds.least):
        return None
    words = f"the training loss is {recent:.2f} after {steps[-1]} steps, where guessing costs {bounds.guessing:.2f}"
    lost = losses[1:].max(initial=0) > 1.25 * max(bounds.guessing, losses[0])
    knob = "lower --learning-rate: it broke the weights" if lost else "raise --num-train-epochs or --learning-rate"
    return Finding("underfitting", int(steps[-1]), words, knob)


def _idle(curve: Sequence[Point]) -> Finding | None:
    """Validation accuracy has not risen for a while."""
    scores = [(int(point["step"]), float(point["eval_accuracy"])) for point in curve if "eval_accuracy" in point]
    if len(scores) <= IDLE:
        return None
    step, best = max(scores, key=lambda pair: pair[1])
    if sum(after > step for after, _ in scores) < IDLE:
        return None
    words = f"no gain since step {step}, where validation accuracy was {best:.1%}"
    return Finding("no gain", step, words, "lower --num-train-epochs: the best checkpoint is kept")
