"""The training run: Hugging Face's Trainer with length-grouped batches, an estimate before and a curve after."""

import copy
import math
import tempfile
import time
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from finetune.checkpoints import fitting_length
from finetune.hyperparameters import Hyperparameters
from lab.console import Bar, progress
from lab.datasets import Dataset
from lab.devices import choose_device, choose_precision
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PROBE_STEPS = 12


def train_model(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    hyperparameters: Hyperparameters,
    train: Dataset,
    validation: Dataset,
) -> dict[str, Any]:
    """Train `model` in place and return what happened.

    Returns a dict: steps, epochs, seconds, train_loss (mean over the run), curve (a list of {step, loss} and
    {step, eval_loss}), estimate ({seconds, off_by}: predicted wall time, and actual / predicted - 1).

    Raises:
        BakeoffError: the loss became NaN or infinite.
    """
    rows, watched = (_encode(model, tokenizer, hyperparameters, data) for data in (train, validation))
    estimate = _estimate(model, tokenizer, hyperparameters, rows)
    set_seed(hyperparameters.seed)
    steps = total_steps(len(train), hyperparameters)
    with progress(f"fine-tuning on {len(train)} texts, about {_spoken(estimate)}", total=steps) as bar:
        trainer = _trainer(model, tokenizer, hyperparameters, rows, watched)
        trainer.add_callback(_Watch(bar))
        start = time.perf_counter()
        outcome = trainer.train()
        seconds = time.perf_counter() - start
    return {
        "steps": outcome.global_step,
        "epochs": round(outcome.global_step / steps_per_epoch(len(train), hyperparameters), 4),
        "seconds": round(seconds, 2),
        "train_loss": round(outcome.training_loss, 4),
        "curve": [_point(entry) for entry in trainer.state.log_history if "loss" in entry or "eval_loss" in entry],
        "estimate": {"seconds": round(estimate, 2), "off_by": round(seconds / estimate - 1, 3)},
    }


def steps_per_epoch(examples: int, hyperparameters: Hyperparameters) -> int:
    """Return the optimizer steps of one pass over `examples`."""
    batches = math.ceil(examples / hyperparameters.batch_size)
    return math.ceil(batches / hyperparameters.gradient_accumulation_steps)


def total_steps(examples: int, hyperparameters: Hyperparameters) -> int:
    """Return the optimizer steps of the whole run; a fraction of an epoch is that fraction, rounded up."""
    return math.ceil(steps_per_epoch(examples, hyperparameters) * hyperparameters.num_train_epochs)


def _encode(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", hyperparameters: Hyperparameters, data: Dataset
) -> list[dict[str, Any]]:
    encoded = tokenizer(data.texts, truncation=True, max_length=fitting_length(model, tokenizer, hyperparameters))
    numbers = {str(label): int(number) for label, number in (model.config.label2id or {}).items()}
    return [
        {"input_ids": ids, "attention_mask": mask, "labels": numbers[label]}
        for ids, mask, label in zip(encoded["input_ids"], encoded["attention_mask"], data.targets, strict=True)
    ]


def _estimate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    hyperparameters: Hyperparameters,
    rows: list[dict[str, Any]],
) -> float:
    """Return the seconds the run will take, from real steps on a copy of the model, over texts of all lengths."""
    stamps = _Stamps()
    steps = PROBE_STEPS * hyperparameters.gradient_accumulation_steps
    sample = _even_sample(rows, steps * hyperparameters.batch_size)
    probe = _trainer(copy.deepcopy(model), tokenizer, hyperparameters, sample, None, max_steps=PROBE_STEPS)
    probe.add_callback(stamps)
    probe.train()
    a_step = (stamps.at[-1] - stamps.at[0]) / (len(stamps.at) - 1)
    return a_step * total_steps(len(rows), hyperparameters)


def _even_sample(rows: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Return `size` rows evenly spaced by length, so that the probe's mean step is the run's."""
    ordered = sorted(rows, key=lambda row: len(row["input_ids"]))
    return [ordered[min(len(ordered) - 1, number * len(ordered) // size)] for number in range(size)]


def _trainer(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    hyperparameters: Hyperparameters,
    rows: list[dict[str, Any]],
    watched: list[dict[str, Any]] | None,
    max_steps: int = -1,
) -> Trainer:
    device = choose_device()
    steps = total_steps(len(rows), hyperparameters)
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(),
        per_device_train_batch_size=hyperparameters.batch_size,
        per_device_eval_batch_size=64,
        num_train_epochs=hyperparameters.num_train_epochs,
        max_steps=max_steps if max_steps > 0 else steps,
        learning_rate=hyperparameters.learning_rate,
        weight_decay=hyperparameters.weight_decay,
        warmup_steps=hyperparameters.warmup_steps or round(hyperparameters.warmup_ratio * steps),
        gradient_accumulation_steps=hyperparameters.gradient_accumulation_steps,
        lr_scheduler_type=hyperparameters.lr_scheduler_type,
        label_smoothing_factor=hyperparameters.label_smoothing,
        max_grad_norm=hyperparameters.max_grad_norm,
        train_sampling_strategy="group_by_length",  # like lengths together: hardly any padding to compute
        bf16=choose_precision(device) == torch.bfloat16,
        use_cpu=device == "cpu",
        seed=hyperparameters.seed,
        logging_steps=max(1, steps // 40),
        logging_nan_inf_filter=False,
        eval_strategy="no" if watched is None else "steps",
        eval_steps=hyperparameters.eval_steps or steps_per_epoch(len(rows), hyperparameters),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=device == "cuda",
    )
    trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=watched, processing_class=tokenizer)
    trainer.pop_callback(next(c for c in trainer.callback_handler.callbacks if type(c).__name__ == "PrinterCallback"))
    return trainer


class _Stamps(TrainerCallback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.at.append(time.perf_counter())


class _Watch(TrainerCallback):
    """Moves the bar, and ends a run whose loss is no number any more."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._bar.advance()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            got, fix = f"{loss} at step {state.global_step}", f"lower --learning-rate (it is {args.learning_rate:g})"
            raise BakeoffError("a finite training loss", got, fix)
        self._bar.describe(f"fine-tuning, loss {loss:.3f}")


def _point(entry: dict[str, Any]) -> dict[str, Any]:
    return {"step": entry["step"]} | {name: round(entry[name], 4) for name in ("loss", "eval_loss") if name in entry}


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
