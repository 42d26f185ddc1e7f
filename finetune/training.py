"""The training run: Hugging Face's Trainer, with batches of like length, checkpoints to resume from, and a curve."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import extract_model_from_parallel
from numpy.typing import NDArray
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME

from finetune.batches import LengthGrouped, Row, by_length, encode
from finetune.callbacks import Keeper, Listener, Teller, curve_point
from finetune.diagnosis import LossRange, diagnose
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.schedule import Schedule
from lab.chart import live_training
from lab.datasets import Dataset
from lab.workspace import room_on_disk

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EVAL_BATCH = 64


@dataclass(frozen=True)
class Training:
    """One training run: what is trained, on what, how, and where its folder is.

    Attributes:
        knobs: resolved, so that device and precision are not "auto".
        report_to: trackers of the Trainer, such as "wandb".
        callbacks: more of the Trainer's callbacks, for instance one that prunes.
        quiet: without progress, chart and warnings.
        keep: write checkpoints; without them the weights of the last step are the result.
        until: the share of the planned steps after which the run ends.
        draw: of the order of the texts and of dropout; runs that begin with the same weights differ by it alone.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    knobs: Hyperparameters
    folder: TrainingFolder
    report_to: Sequence[str] = ()
    callbacks: Sequence[TrainerCallback] = ()
    quiet: bool = False
    keep: bool = True
    until: float = 1.0
    draw: int = 0

    @property
    def seed(self) -> int:
        """Return the seed of all that is random once the model is there."""
        return self.knobs.seed + self.draw


def train_model(training: Training, train: Dataset, validation: Dataset | None) -> dict[str, Any]:
    """Train `training.model` in place, from the newest checkpoint in its folder if there is one.

    The weights afterwards are those of the checkpoint that was best on `validation`, or without it of the last step.

    Returns a dict: steps, epochs, seconds, train_loss (mean over the curve), curve (points {step, loss, …} and
    {step, eval_loss, eval_accuracy, eval_macro_f1}), what `measures` returns, best_step, findings (what the curve
    suffers from, in words), resumed_at (the step, or 0), device, precision.

    Raises:
        BakeoffError: the loss became NaN or infinite, or the disk is full.
        Asked: somebody outside asked for a pause or a stop.
    """
    knobs, schedule = training.knobs, Schedule.of(len(train), training.knobs, training.until, bool(validation))
    rows = encode(training.model, training.tokenizer, knobs, train)
    watched = encode(training.model, training.tokenizer, knobs, validation) if validation else None
    set_seed(training.seed)
    trainer = build_trainer(training, rows, watched, schedule)
    losses, resumed_at = loss_range(train, knobs), training.folder.step
    title = f"{knobs.method} fine-tuning on {len(train)} texts ({knobs.device}, {knobs.precision})"
    shown = nullcontext() if training.quiet else live_training(title, schedule.total_steps)
    with shown as view, room_on_disk(training.folder.path):
        if view:
            trainer.add_callback(Teller(view, losses))
        trainer.add_callback(Keeper(training.folder))
        trainer.add_callback(Listener(training.folder))  # after the keeper, who marks what was saved as whole
        start = time.perf_counter()
        if resumed_at < schedule.total_steps:
            trainer.train(resume_from_checkpoint=str(training.folder.checkpoint) if resumed_at else None)
        else:
            trainer.take_up(str(training.folder.checkpoint))
        seconds = time.perf_counter() - start
    extract_model_from_parallel(training.model, keep_fp32_wrapper=False)  # or it would predict in bfloat16, too
    state = trainer.state
    curve = [point for entry in state.log_history if (point := curve_point(entry))]
    findings = diagnose(curve, losses.guessing, schedule.total_steps, losses.least)
    return {
        "steps": state.global_step,
        "epochs": round(state.global_step / schedule.steps_per_epoch, 4),
        "seconds": round(seconds, 2),
        "train_loss": round(float(np.mean([point["loss"] for point in curve if "loss" in point])), 4),
        "curve": curve,
        **measures(train, validation, knobs, training.until),
        "best_step": state.best_global_step or state.global_step,
        "findings": [f"{f.kind}: {f.words}; {f.knob}" for f in findings],
        "resumed_at": resumed_at,
        "device": knobs.device,
        "precision": knobs.precision,
    }


def build_trainer(
    training: Training, rows: Sequence[Row], watched: Sequence[Row] | None, schedule: Schedule
) -> "_Trainer":
    """Return a Trainer over `rows` that validates on `watched`, if there are any."""
    knobs = training.knobs
    trainer = _Trainer(
        training.model,
        _arguments(training, schedule, validate=watched is not None),
        train_dataset=rows,
        eval_dataset=by_length(watched) if watched is not None else None,
        processing_class=training.tokenizer,
        compute_metrics=_scores,
        compute_loss_func=_loss(knobs, [row["labels"] for row in rows]),
        callbacks=list(training.callbacks),
    )
    trainer.schedule = schedule
    if knobs.early_stopping_patience and training.keep and watched is not None:
        trainer.add_callback(EarlyStoppingCallback(knobs.early_stopping_patience))
    printer = next(c for c in trainer.callback_handler.callbacks if type(c).__name__ == "PrinterCallback")
    trainer.remove_callback(printer)
    return trainer


def measures(train: Dataset, validation: Dataset | None, knobs: Hyperparameters, until: float = 1.0) -> dict[str, Any]:
    """Return what a curve is to be read by: the data, the steps to come, and the loss of guessing and of certainty."""
    losses = loss_range(train, knobs)
    return {
        "data_fingerprint": train.fingerprint,
        "examples": len(train),
        "validation_examples": len(validation or ()),
        "total_steps": Schedule.of(len(train), knobs, until, bool(validation)).total_steps,
        "baseline_loss": losses.guessing,
        "least_loss": losses.least,
    }


def loss_range(data: Dataset, knobs: Hyperparameters) -> LossRange:
    """Return the loss of always answering the label frequencies, and the least that label smoothing leaves."""
    labels, smoothing = len(data.counts), knobs.label_smoothing
    shares = np.array(list(data.counts.values())) / len(data)
    if knobs.class_weights == "balanced":
        shares = np.full(labels, 1 / labels)
    certain = np.eye(labels)[0]
    guessing, least = ((1 - smoothing) * target + smoothing / labels for target in (shares, certain))
    return LossRange(_entropy(guessing), _entropy(least))


def _entropy(shares: NDArray[np.float64]) -> float:
    """Return the entropy of shares that sum to one, in nats."""
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


class _Trainer(Trainer):
    """The Trainer, with batches of like length in an order that survives a resume."""

    schedule: Schedule

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGrouped:
        rows: Any = self.train_dataset
        return LengthGrouped(rows, self.args.per_device_train_batch_size, self.args.seed, self._epoch)

    def create_scheduler(self, num_training_steps: int, *arguments: Any, **named: Any) -> Any:
        """Let the learning rate fall over the planned steps, wherever the run ends."""
        return super().create_scheduler(self.schedule.planned_steps, *arguments, **named)

    def evaluate(self, *arguments: Any, **named: Any) -> dict[str, float]:
        """Validate without drawing from the training's random numbers: looking more often must change nothing."""
        with torch.random.fork_rng(devices=[]):  # a data loader draws a seed, on the CPU
            return super().evaluate(*arguments, **named)

    def take_up(self, checkpoint: str) -> None:
        """Be as after the last step, of which this is the checkpoint: `train` would go one step further."""
        self.state = TrainerState.load_from_json(f"{checkpoint}/{TRAINER_STATE_NAME}")
        self._load_from_checkpoint(checkpoint)
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint:
            self._load_best_model()

    def _epoch(self) -> int:
        return int(self.state.global_step // self.schedule.steps_per_epoch)


def _arguments(training: Training, schedule: Schedule, validate: bool) -> TrainingArguments:
    knobs = training.knobs
    choose = validate and training.keep
    return TrainingArguments(
        output_dir=str(training.folder.path),
        per_device_train_batch_size=knobs.batch_size,
        per_device_eval_batch_size=EVAL_BATCH,
        max_steps=schedule.total_steps,
        learning_rate=knobs.learning_rate,
        weight_decay=knobs.weight_decay,
        warmup_steps=schedule.warmup_steps,
        gradient_accumulation_steps=knobs.gradient_accumulation_steps,
        lr_scheduler_type=knobs.lr_scheduler_type,
        max_grad_norm=knobs.max_grad_norm,
        bf16=knobs.precision == "bfloat16",
        use_cpu=knobs.device == "cpu",
        seed=training.seed,
        logging_steps=schedule.logging_steps,
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        eval_strategy="steps" if validate else "no",
        eval_steps=schedule.eval_steps,
        save_strategy="steps" if training.keep else "no",
        save_steps=schedule.save_steps,
        save_total_limit=2,
        load_best_model_at_end=choose,
        restore_callback_states_from_checkpoint=True,  # or early stopping would begin to count anew
        metric_for_best_model=f"eval_{knobs.metric_for_best_model}" if choose else None,
        greater_is_better=knobs.metric_for_best_model != "loss" if choose else None,
        report_to=list(training.report_to),
        run_name=training.folder.path.name,
        disable_tqdm=True,
        dataloader_pin_memory=knobs.device == "cuda",
    )


def _loss(knobs: Hyperparameters, targets: Sequence[int]) -> Callable[..., torch.Tensor]:
    """Return the loss function: cross-entropy, with label smoothing and class weights if they are asked for."""
    weights = _balanced(targets) if knobs.class_weights == "balanced" else None

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        total = torch.nn.functional.cross_entropy(
            outputs.logits.float(),
            labels,
            weight=weights.to(labels.device) if weights is not None else None,
            label_smoothing=knobs.label_smoothing,
            reduction="sum",
        )
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    return loss


def _balanced(targets: Sequence[int]) -> torch.Tensor:
    """Return a weight per label that gives each label the same say (scikit-learn's "balanced")."""
    counts = np.bincount(targets)
    return torch.tensor(len(targets) / (len(counts) * counts), dtype=torch.float32)


def _scores(prediction: EvalPrediction) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score

    predicted, targets = np.argmax(np.asarray(prediction.predictions), axis=-1), prediction.label_ids
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "macro_f1": float(f1_score(targets, predicted, average="macro")),
    }
