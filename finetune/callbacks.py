"""What happens at each step, log and validation of a run: the curve, the chart, the warnings and the ending."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import IntervalStrategy, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.checkpoints import mark_complete
from finetune.diagnosis import LossRange, diagnose
from finetune.folder import Asked, TrainingFolder
from lab.chart import LiveChart
from lab.errors import BakeoffError

TOLD = ("loss", "grad_norm", "learning_rate", "eval_loss", "eval_accuracy", "eval_macro_f1")


class Diverged(BakeoffError):
    """A training whose loss is no number any more: its setting's fault, and no other's."""


def curve_point(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the curve keeps of a Trainer's log entry, or None when it is neither a loss nor a validation."""
    if "loss" not in entry and "eval_loss" not in entry:
        return None
    return {"step": entry["step"]} | {name: _rounded(float(entry[name])) for name in TOLD if name in entry}


class Listener(TrainerCallback):
    """Hears at each step what was asked from outside: a pause waits for a checkpoint, a stop for nothing."""

    def __init__(self, folder: TrainingFolder) -> None:
        self._folder, self._pauses = folder, False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop, or ask for a checkpoint; the last step is not worth either."""
        request = self._folder.request if state.global_step < state.max_steps else None
        if request == "stop":
            raise Asked(request, state.global_step)
        if request == "pause":  # what the loss was since the last log would else be lost
            self._pauses = control.should_log = control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Pause, unless the run ends here by itself."""
        if self._pauses and not control.should_training_stop:
            raise Asked("pause", state.global_step)


class Keeper(TrainerCallback):
    """Keeps the curve and the checkpoints in the training's folder; validates and saves at the last step."""

    def __init__(self, folder: TrainingFolder) -> None:
        self._folder = folder

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Add to the curve; a loss that is no number ends the run."""
        point = curve_point(state.log_history[-1])
        if point:
            self._folder.append(point)
            if not math.isfinite(point.get("loss", 0.0)):
                fix = f"lower --learning-rate (it is {args.learning_rate:g})"
                raise Diverged("a finite training loss", f"{point['loss']} at step {state.global_step}", fix)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Note that the checkpoint is whole."""
        mark_complete(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Ask for a checkpoint of the best so far, whatever save_steps says: only what was saved can be kept."""
        score = (metrics or {}).get(str(args.metric_for_best_model))
        if score is not None and (
            state.best_metric is None or (score - state.best_metric) * (1 if args.greater_is_better else -1) > 0
        ):
            control.should_save = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a last validation, if there are any."""
        if state.global_step >= state.max_steps:  # the Trainer saves the last step, but does not validate it
            control.should_evaluate = args.eval_strategy != IntervalStrategy.NO


class Teller(TrainerCallback):
    """Moves the bar and the chart, and names what goes wrong once, while it goes wrong."""

    def __init__(self, view: LiveChart, losses: LossRange) -> None:
        self._view, self._losses = view, losses
        self._named: set[str] = set()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar to where a resumed run goes on."""
        self._view.advance(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar."""
        self._view.advance()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Draw the curve, and say what is wrong with it."""
        curve = [point for entry in state.log_history if (point := curve_point(entry))]
        self._view.plot(curve)
        for finding in diagnose(curve, self._losses.guessing, state.max_steps, self._losses.least):
            if finding.kind not in self._named:
                self._named.add(finding.kind)
                self._view.note(f"{finding.kind}: {finding.words}; {finding.knob}")


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
