"""Follows training runs and the log of production predictions, and turns what stands out into alerts with numbers."""

import math
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from finetune.diagnosis import Finding, diagnose
from finetune.drift import Drift, DriftDetector
from finetune.folder import CURVE, STATE, UNDER_WAY, is_gone
from finetune.tail import Tail, curve_point, finite, logged_prediction, modified, number_or, shortened
from finetune.telling import Alert, figures
from lab.errors import BakeoffError
from lab.workspace import Workspace, read_json

FALSE_ALARM_EVERY = 100_000  # predictions of a classifier
CARD = "classifier.json"

SPIKE_WINDOW, SPIKE_LEAST = 16, 8  # logged losses before the one in question
SPIKE_DEVIATIONS, SPIKE_TIMES = 8.0, 1.5  # beyond noise in 99 of 100 runs of 40 logged losses, and worth a look
SILENCE, SILENCE_TIMES, FIRST_LINE = 120.0, 20.0, 900.0  # seconds; usual gaps between lines; seconds to the first line
DIAGNOSES = 200  # per poll and training: the curve is judged at so many of its new points
LASTING = 4  # a drift that covers more than one in so many predictions since the last alarm is the same one


class Watch:
    """Reads what is new in the workspace's training runs and in the log of predictions, at each `poll`."""

    def __init__(
        self,
        predictions: Path | None = None,
        history: bool = True,
        false_alarm_every: float = FALSE_ALARM_EVERY,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Watch the current workspace.

        Args:
            predictions: the log, JSONL of {time, classifier, label, confidence}; default: predictions.jsonl in the
                workspace. It is read from its beginning, so that drift is judged on all of it.
            history: also report on the training runs that had ended before the first poll.
            false_alarm_every: without drift, at most one drift alert comes in so many predictions of a classifier, on
                average.
            note: is told, once each, what could not be judged.
        """
        workspace, told = Workspace.current(), set[str]()
        self.log = predictions or workspace.home / "predictions.jsonl"

        def once(text: str) -> None:
            if text not in told:
                told.add(text)
                note(text)

        self._trainings = _Trainings(workspace.trainings, history, once)
        self._production = _Production(self.log, workspace.classifiers, false_alarm_every, once)

    def poll(self) -> list[Alert]:
        """Return the alerts since the last poll, the oldest first."""
        return sorted([*self._trainings.poll(), *self._production.poll()], key=lambda alert: alert.when)

    @property
    def seen(self) -> dict[str, int]:
        """Return how many trainings and predictions were looked at, and how many lines of the log were none."""
        return {
            "trainings": self._trainings.seen,
            "predictions": self._production.seen,
            "skipped_lines": self._production.skipped,
        }


class _Trainings:
    """All training runs of the workspace; those that have ended are not read again."""

    def __init__(self, folder: Path, history: bool, note: Callable[[str], None]) -> None:
        self._folder, self._history, self._note = folder, history, note
        self._open: dict[str, _Training] = {}
        self._closed: dict[str, int] = {}  # when the state of an ended run was written, to see it begin again

    @property
    def seen(self) -> int:
        return len(self._open.keys() | self._closed.keys())

    def poll(self) -> Iterator[Alert]:
        for path in sorted(self._folder.glob(f"[!.]*/{STATE}")):
            name = path.parent.name
            written = modified(path)
            if self._closed.get(name) == written:
                continue
            state = _state(path)
            if not state:
                self._note(f"{path} cannot be read; that training is not watched")
                continue
            running = state.get("status") in UNDER_WAY
            if running or self._history or name in self._open:
                training = self._open.setdefault(name, _Training(path.parent))
                yield from training.poll(state)
            if not running:
                self._closed[name] = written
        self._history = True  # whatever ends from now on is news


class _Training:
    """One training run: its curve so far, and what was already told about it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._tail = folder, Tail(folder / CURVE)
        self._curve: list[dict[str, Any]] = []
        self._told: set[str] = set()
        self._looked = self._last_spike = -1  # the step up to which spikes were looked for, and that of the last one

    def poll(self, state: Mapping[str, Any]) -> Iterator[Alert]:
        """Yield what the new points say; the curve of a run that was taken up again is read anew."""
        fresh = [point for point in map(curve_point, self._tail.lines()) if point]
        if self._tail.rewound:
            if self._curve[:1] != fresh[:1]:  # not the same run taken up again, but another
                self._told, self._looked, self._last_spike = set(), -1, -1
            self._curve = []
        if fresh:
            self._told.discard("stalled")
        stride = -(-len(fresh) // DIAGNOSES)
        for number, point in enumerate(fresh, 1):
            self._curve.append(point)
            yield from self._spike(point)
            if number % stride == 0 or number == len(fresh):
                yield from self._diagnose(state, point)
        if state.get("status") in UNDER_WAY:
            yield from self._stalled(state)

    def _spike(self, point: dict[str, Any]) -> Iterator[Alert]:
        if not math.isfinite(point.get("loss", math.nan)) or point["step"] <= self._looked:
            return
        self._looked = point["step"]
        losses = [p for p in self._curve[-4 * SPIKE_WINDOW :] if math.isfinite(p.get("loss", math.nan))]
        found = spike([p["step"] for p in losses], [p["loss"] for p in losses])
        if found is None:
            self._told.discard("spike")  # the next one is another
            return
        self._last_spike = point["step"]
        if "spike" in self._told:
            return
        self._told.add("spike")
        name, (level, deviations) = self._folder.name, found
        loss, trend = f"{point['loss']:.3f}", f"{level:.3f}"
        words = (
            f"{name}: spike: the training loss jumped to {loss} at step {point['step']}, where its trend stood at"
            f" {trend} ({deviations:.0f} times its usual deviation)"
        )
        numbers = {"step": point["step"], "loss": point["loss"], "trend": level, "deviations": deviations}
        yield Alert("spike", name, point["time"], numbers, words, (loss, trend))

    def _diagnose(self, state: Mapping[str, Any], point: dict[str, Any]) -> Iterator[Alert]:
        if "diverged" in self._told:  # there is nothing left to judge
            return
        baseline, total = number_or(state.get("baseline_loss"), math.inf), number_or(state.get("total_steps"), 0)
        for finding in diagnose(self._curve, baseline, int(total)):
            spiky = finding.kind == "noisy" and self._last_spike >= finding.step  # one spike is no noise
            if finding.kind not in self._told and not spiky:
                self._told.add(finding.kind)
                yield self._found(finding, point, baseline)

    def _found(self, finding: Finding, point: dict[str, Any], baseline: float) -> Alert:
        name, loss = self._folder.name, next((p["loss"] for p in reversed(self._curve) if "loss" in p), math.nan)
        words = f"{name}: {finding.kind} at step {finding.step}: {finding.words}; {finding.knob}"
        numbers = {"step": finding.step, "loss": finite(loss), "baseline_loss": finite(baseline)}
        key = tuple(figures(finding.words)) or (str(finding.step),)
        return Alert(finding.kind, name, point["time"], numbers, words, key)

    def _stalled(self, state: Mapping[str, Any]) -> Iterator[Alert]:
        """The run says that it is running, but its process is gone from here, or it has long been silent."""
        if "stalled" in self._told:
            return
        path, pid, name, now = self._folder / STATE, state.get("pid"), self._folder.name, time.time()
        step, total = (self._curve[-1]["step"] if self._curve else 0), state.get("total_steps", 0)
        numbers = {"step": step, "total_steps": total}
        if is_gone(state, modified(path) / 1e9):
            if _state(path).get("status") not in UNDER_WAY:  # it ended between two looks
                return
            words = f"{name}: stalled: stopped at step {step} of {total} without an end: its process {pid} is gone"
            numbers, key = numbers | {"pid": pid}, (str(step), str(total))
        else:
            times = [point["time"] for point in self._curve[-SPIKE_WINDOW:]]
            gaps = [after - before for before, after in pairwise(times)]
            patience = max(SILENCE, SILENCE_TIMES * statistics.median(gaps)) if gaps else FIRST_LINE
            silence = now - (times[-1] if times else modified(path) / 1e9)
            if silence < patience:
                return
            words = f"{name}: stalled: nothing was written for {silence:.0f} seconds, at step {step} of {total}"
            numbers, key = numbers | {"silent_seconds": round(silence)}, (f"{silence:.0f}", str(step))
        self._told.add("stalled")
        yield Alert("stalled", name, now, numbers, words, key)


def spike(steps: Sequence[int], losses: Sequence[float]) -> tuple[float, float] | None:
    """Return where the trend stood and by how many deviations the last loss left it, or None if it did not.

    The trend is the Theil-Sen line (median of all slopes) through at most 16 logged losses before the last one, and
    at least 8; a rise is continued to the last step, a fall is not, for losses flatten. The deviation is 1.4826 times
    the median absolute residual. A spike is 8 deviations above the trend and 1.5 times as high. On exponentially
    falling losses with up to 25 % noise, fewer than one run in 100 shows a false one in 40 logged losses.
    """
    x, y = np.array(steps[-SPIKE_WINDOW - 1 : -1], float), np.array(losses[-SPIKE_WINDOW - 1 : -1], float)
    if len(x) < SPIKE_LEAST or (np.diff(x) <= 0).any():
        return None
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    residuals = y - slope * x
    middle = float(np.median(residuals))
    deviation = 1.4826 * float(np.median(np.abs(residuals - middle)))
    level = max(middle + slope * x[-1] + max(slope, 0.0) * (steps[-1] - x[-1]), float(y.min()))
    deviations = float(losses[-1] - level) / max(deviation, 0.02 * abs(level), 1e-3)
    return (level, deviations) if deviations > SPIKE_DEVIATIONS and losses[-1] > SPIKE_TIMES * level else None


class _Production:
    """The log of predictions, and a monitor for each classifier in it that has a reference."""

    def __init__(self, log: Path, classifiers: Path, every: float, note: Callable[[str], None]) -> None:
        self._tail, self._folder, self._every, self._note = Tail(log), classifiers, every, note
        self._monitors: dict[str, tuple[int, _Monitor | None]] = {}  # with when its card was written
        self.seen = self.skipped = self._strangers = 0

    def poll(self) -> Iterator[Alert]:
        # Ids in the log are outsiders' text: they are compared with the folders there are, never made into a path.
        cards = {path.parent.name: modified(path) for path in self._folder.glob(f"[!.]*/{CARD}")}
        for line in self._tail.lines():
            prediction = logged_prediction(line)
            if prediction is None:
                self.skipped += 1
                continue
            self.seen += 1
            monitor = self._monitor(prediction["classifier"], cards)
            if monitor:
                yield from monitor.take(prediction)
        if self.skipped:
            self._note(f"lines of {self._tail.path} that are no predictions are skipped")

    def _monitor(self, name: str, cards: Mapping[str, int]) -> "_Monitor | None":
        if name not in cards:
            self._strangers += 1
            if self._strangers == 1:
                self._note(f"the log has predictions of '{shortened(name)}', which is no classifier here")
            return None
        written, monitor = self._monitors.get(name, (0, None))
        if written != cards[name]:  # not seen before, or trained anew
            monitor = self._new(name)
            self._monitors[name] = cards[name], monitor
        return monitor

    def _new(self, name: str) -> "_Monitor | None":
        try:
            return _Monitor(name, read_json(self._folder / name / CARD)["card"]["reference"], self._every)
        except (BakeoffError, AttributeError, KeyError, TypeError, ValueError):
            self._note(f"{name} has no reference to judge drift against; train it again to get one")
            return None


class _Monitor:
    """One classifier in production: are its labels and its confidence still those of the validation texts?"""

    def __init__(self, name: str, reference: Mapping[str, Any], every: float) -> None:
        self._name = name
        self._labels = {str(label): number for number, label in enumerate(reference["labels"])}
        self._edges = sorted(map(float, reference["confidence"]["edges"]))
        counts, deciles = [*reference["labels"].values(), 0], list(reference["confidence"]["counts"])
        if len(deciles) != len(self._edges) + 1 or min(counts + deciles) < 0 or not sum(deciles):
            raise ValueError("counts that do not fit their edges")
        # Each of the two tests gets half of the false alarms.
        self._label_drift, self._confidence_drift = DriftDetector(counts, 2 * every), DriftDetector(deciles, 2 * every)
        self._stranger = ""  # an example of a label that the classifier does not have
        self._told: set[str] = set()

    def take(self, prediction: Mapping[str, Any]) -> Iterator[Alert]:
        """Yield the alerts of one more prediction: hardly ever any."""
        number = self._labels.get(prediction["label"], len(self._labels))
        if number == len(self._labels):
            self._stranger = shortened(prediction["label"])
        drift = self._label_drift.add(number)
        if drift and self._is_news("label drift", drift):
            yield self._label_alert(drift, prediction["time"])
        drift = self._confidence_drift.add(bisect_left(self._edges, prediction["confidence"]))
        if drift and self._is_news("confidence drift", drift):
            yield self._confidence_alert(drift, prediction["time"])

    def _is_news(self, kind: str, drift: Drift) -> bool:
        """After an alarm the detector starts anew; if it finds a change right at its start, the drift simply lasts."""
        news = kind not in self._told or LASTING * drift.since < drift.seen
        self._told.add(kind)
        return news

    def _label_alert(self, drift: Drift, when: float) -> Alert:
        before, after = _shares(self._label_drift.reference.tolist()), _shares(drift.counts)
        most = max(range(len(after)), key=lambda number: abs(after[number] - before[number]))
        strange = most == len(self._labels)
        label = self._stranger if strange else shortened(list(self._labels)[most])
        told = f"unknown to it, such as “{label}”" if strange else f"“{label}”"
        categories = [*map(shortened, self._labels), "unknown to it"]
        numbers = {"label": label, "share": after[most], "expected": before[most], "categories": categories}
        return self._alert("label drift", f"are labelled {told}", numbers, drift, when)

    def _confidence_alert(self, drift: Drift, when: float) -> Alert:
        before, after = (np.cumsum(_shares(c))[:-1] for c in (self._confidence_drift.reference.tolist(), drift.counts))
        most = int(np.abs(after - before).argmax())
        numbers: dict[str, Any] = {"at_most": self._edges[most], "share": float(after[most])}
        numbers |= {"expected": float(before[most]), "categories": _deciles(self._edges)}
        return self._alert("confidence drift", f"are at most {self._edges[most]:.3f} confident", numbers, drift, when)

    def _alert(self, kind: str, what: str, numbers: dict[str, Any], drift: Drift, when: float) -> Alert:
        share, expected = f"{numbers['share']:.1%}", f"{numbers['expected']:.1%}"
        words = (
            f"{self._name}: {kind}: of the last {drift.since} predictions {share} {what}, against {expected} of the"
            f" validation texts; population stability index {drift.psi:.2f}"
        )
        detector = self._label_drift if kind == "label drift" else self._confidence_drift
        numbers |= {"predictions": drift.since, "population_stability_index": drift.psi}
        numbers |= {"counts": list(drift.counts), "reference_counts": detector.reference.astype(int).tolist()}
        return Alert(kind, self._name, when, numbers, words, (share, expected))


def _state(path: Path) -> dict[str, Any]:
    """Return a training's state; empty when it is damaged, or has just been removed."""
    try:
        return dict(read_json(path))
    except (BakeoffError, TypeError, ValueError):
        return {}


def _deciles(edges: Sequence[float]) -> list[str]:
    """Return what each bin of the confidence holds, as people read it."""
    bounds = [f"{edge:.3f}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    return [f"up to {bounds[0]}", *between, f"above {bounds[-1]}"]


def _shares(counts: Sequence[float]) -> list[float]:
    return [count / max(1, sum(counts)) for count in counts]
