"""BERT-like checkpoints: loaded from safetensors only, with a head for the labels at hand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from finetune.hyperparameters import Hyperparameters
from lab.devices import choose_device
from lab.embeddings import model_folder
from lab.errors import BakeoffError
from lab.redact import reason

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_base(base: str, labels: Sequence[str]) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Return a pretrained encoder with a new head for `labels`, and its tokenizer.

    Raises:
        BakeoffError: no such checkpoint, or not one that can classify.
    """
    return load_checkpoint(
        model_folder(base),
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def fitting_length(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", hyperparameters: Hyperparameters
) -> int:
    """Return the longest text in tokens: as wished, but no longer than the model has positions for."""
    positions = getattr(model.config, "max_position_embeddings", None) or hyperparameters.max_length
    return min(hyperparameters.max_length, positions, tokenizer.model_max_length)


def load_checkpoint(name: str, **options: Any) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Return the classifier and tokenizer of a folder or hub id, from safetensors only, on the chosen device.

    Raises:
        BakeoffError: there is no such checkpoint.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # that the head is new is what we ask for
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSequenceClassification.from_pretrained(name, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as error:
        fix = "check the name, or use --base embedded:minilm"
        raise BakeoffError(f"a BERT-like checkpoint with safetensors at '{name}'", reason(error), fix) from error
    return model.to(choose_device()), tokenizer
