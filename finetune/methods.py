"""The ways to learn from labels, behind one function: full fine-tuning, LoRA adapters, a probe on frozen embeddings."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from transformers import set_seed

from finetune.encoders import fitting_length, load_base, load_checkpoint, refuse_pickles
from finetune.estimate import Estimate, estimate_training
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters, Method
from finetune.probe import HEAD, Probe, fit_head
from finetune.trackers import close_trackers
from finetune.training import Training, measures, train_model
from lab.console import Console
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.redact import reason
from lab.runtime import Runtime, torch_runtime
from lab.workspace import room_on_disk

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Model: TypeAlias = "PreTrainedModel | Probe"
Fitted: TypeAlias = "tuple[Model, PreTrainedTokenizerBase, dict[str, Any]]"
ADAPTER = "adapter"


def fit_model(
    base: str,
    wished: Hyperparameters,
    train: Dataset,
    validation: Dataset | None,
    folder: TrainingFolder,
    report_to: Sequence[str] = (),
    until: float = 1.0,
    draw: int = 0,
) -> Fitted:
    """Train by the method of the hyper-parameters; return the model, its tokenizer, and what happened.

    Without `validation` nothing is chosen, and the model is that of the last step; the run ends after the share `until`
    of the steps that were planned. Another `draw` begins with the same weights and sees the texts in another order.

    Raises:
        BakeoffError: the base cannot be loaded, the loss diverged, or the disk is full.
        Asked: somebody outside asked for a pause or a stop.
    """
    knobs = wished.resolved()
    if knobs.method == "probe":
        assert validation is not None, "probes are not refitted"
        return _fit_probe(base, knobs, train, validation)
    folder.turn_to(draw)
    _go_on_from_what_is_whole(folder)
    training = replace(prepare(base, knobs, train.labels, folder, report_to), until=until, draw=draw)
    max_length = fitting_length(training.model, training.tokenizer, knobs.max_length)
    forecast = estimate_training(training, train, validation)
    Console().note(f"{forecast.spoken()}; {knobs.device} in {knobs.precision}")
    state = {
        "classifier": folder.path.name,
        "base": base,
        "dataset": train.name,
        "origin": train.origin and asdict(train.origin),
        "hyperparameters": knobs.model_dump(),
        "report_to": list(report_to),
        "draw": draw,
        **measures(train, validation, knobs, until),
    }
    try:
        with room_on_disk(folder.path):
            folder.begin(folder.state | state)
        card = train_model(training, train, validation)
    except BaseException as error:
        folder.end_by(error)
        raise
    finally:
        close_trackers(report_to)
    off_by = None if card["resumed_at"] else round(card["seconds"] / forecast.seconds_of(card["steps"]) - 1, 3)
    card |= {"estimate": forecast.document() | {"off_by": off_by}, "max_length": max_length}
    return _merged(training.model, knobs), training.tokenizer, card


def _go_on_from_what_is_whole(folder: TrainingFolder) -> None:
    """Drop checkpoints that a disk has damaged since, and say from which step the run goes on."""
    wrong = folder.drop_damaged()
    if wrong:
        onwards = f"going on from step {folder.step}, which is whole" if folder.step else "training from the beginning"
        Console().warn(f"a checkpoint is damaged ({wrong}); {onwards}")
    elif folder.step:
        Console().note(f"going on from step {folder.step} of a run that was cut off; --fresh starts over")


def estimate_model(base: str, wished: Hyperparameters, train: Dataset, validation: Dataset | None) -> Estimate:
    """Return what training would take, without training.

    Raises:
        BakeoffError: the base cannot be loaded, or the method has no steps to time.
    """
    knobs = wished.resolved()
    if knobs.method == "probe":
        raise BakeoffError("a method that trains in steps", "probe, which is fitted in seconds", "leave out --estimate")
    return estimate_training(prepare(base, knobs, train.labels, TrainingFolder(Path())), train, validation)


def prepare(
    base: str, knobs: Hyperparameters, labels: Sequence[str], folder: TrainingFolder, report_to: Sequence[str] = ()
) -> Training:
    """Load the base, add a head for the labels, and say which weights are to learn.

    Raises:
        BakeoffError: the base cannot be loaded.
    """
    set_seed(knobs.seed)  # the head's first weights are random too
    model, tokenizer = load_base(base, labels, knobs.device)
    if knobs.method == "lora":
        model = _with_adapters(model, knobs)
    elif knobs.freeze_embeddings:
        model.get_input_embeddings().requires_grad_(False)
    return Training(model, tokenizer, knobs, folder, report_to)


def model_runtime(model: Model, tokenizer: "PreTrainedTokenizerBase", max_length: int) -> Runtime:
    """Return what predicts with a trained model, in PyTorch."""
    return torch_runtime(
        lambda ids, mask: model(input_ids=ids, attention_mask=mask).logits, model, tokenizer, max_length
    )


def load_model(folder: Path, method: Method, labels: int) -> "tuple[Model, PreTrainedTokenizerBase]":
    """Read the model that a classifier's folder holds, from safetensors only.

    Raises:
        BakeoffError: the folder is damaged, or holds pickles.
    """
    refuse_pickles(folder)
    if method != "probe":
        return load_checkpoint(str(folder))
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    encoder, tokenizer = load_checkpoint(str(folder), headless=True)
    probe = Probe(encoder, labels)
    try:
        probe.head.load_state_dict(load_file(folder / HEAD))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise BakeoffError(f"the probe's head in {folder}", reason(error), "train it again with --fresh") from error
    return probe.to(encoder.device), tokenizer


def _with_adapters(model: "PreTrainedModel", knobs: Hyperparameters) -> Any:
    """Return the model with low-rank adapters on all its linear layers (Hu et al. 2021, arXiv 2106.09685; peft)."""
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=knobs.lora_rank,
        lora_alpha=2 * knobs.lora_rank,
        target_modules="all-linear",
    )
    return get_peft_model(model, config)


def _merged(model: Any, knobs: Hyperparameters) -> Any:
    """Return the model with its adapters, if it has any, added into its weights: it predicts the same, but faster."""
    return model.merge_and_unload() if knobs.method == "lora" else model


def _fit_probe(base: str, knobs: Hyperparameters, train: Dataset, validation: Dataset) -> Fitted:
    start = time.perf_counter()
    set_seed(knobs.seed)
    encoder, tokenizer = load_base(base, train.labels, knobs.device, headless=True)
    max_length = fitting_length(encoder, tokenizer, knobs.max_length)
    probe = Probe(encoder, len(train.labels)).to(encoder.device)
    embedding = torch_runtime(probe.embed, probe, tokenizer, max_length)
    card = fit_head(probe, embedding.outputs(train.texts), train, embedding.outputs(validation.texts), validation)
    card |= {"seconds": round(time.perf_counter() - start, 2), "max_length": max_length}
    return probe, tokenizer, card | {"device": knobs.device, "precision": "float32", "estimate": None}
