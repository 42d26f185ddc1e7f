"""BERT-like encoders: loaded from safetensors only, with a head for the labels at hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.devices import choose_device
from lab.embeddings import model_folder
from lab.errors import BakeoffError
from lab.redact import reason

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED, LOWER_HALF = "embedded:minilm", "embedded:minilm-3"
HEADS = ("classifier", "score", "pre_classifier", "pooler", "vocab")  # parts that a base may lack: training makes them


def load_base(
    base: str, labels: Sequence[str], device: str | None = None, headless: bool = False
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Return a pretrained encoder with a new head for `labels` (or none, if headless), and its tokenizer.

    "embedded:minilm-3" is the lower half of the embedded BERT: leaving the upper layers out costs little (Sajjad et al.
    2020, arXiv 2004.03844).

    Raises:
        BakeoffError: no such checkpoint, or not one that can classify.
    """
    shortened = {"num_hidden_layers": 3} if base == LOWER_HALF else {}
    return load_checkpoint(
        model_folder(EMBEDDED if base == LOWER_HALF else base),
        device,
        headless,
        **shortened,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def load_checkpoint(
    name: str, device: str | None = None, headless: bool = False, **options: Any
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Return the classifier (or bare encoder, if headless) and tokenizer of a folder or hub id.

    Weights are read from safetensors only and put on `device` (None: the settings').

    Raises:
        BakeoffError: there is no such checkpoint, it is damaged, or its weights are those of another architecture.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # that the head is new is what we ask for
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model, loaded = (AutoModel if headless else AutoModelForSequenceClassification).from_pretrained(
            name, use_safetensors=True, output_loading_info=True, **options
        )
    except Exception as error:  # a damaged folder raises whatever its readers stumble on
        fix = "check the name, download the folder again, or use --base embedded:minilm"
        raise BakeoffError(f"a BERT-like checkpoint with safetensors at '{name}'", reason(error), fix) from error
    _check_fit(name, loaded["missing_keys"])
    return model.to(device or choose_device()), tokenizer


def fitting_length(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", wished: int) -> int:
    """Return the longest text in tokens: as wished, but no longer than the model has positions for."""
    positions = getattr(model.config, "max_position_embeddings", None) or wished
    return int(min(wished, positions, tokenizer.model_max_length))


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder whose weights are pickles, which can run code when they are read.

    Raises:
        BakeoffError: names the file.
    """
    pickles = [path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt") for path in folder.glob(pattern)]
    if pickles and not list(folder.glob("*.safetensors")):
        fix = "convert it to safetensors where you trust it, then copy the folder again"
        raise BakeoffError(f"weights as safetensors in {folder}", f"a pickle, {sorted(pickles)[0]}", fix)


def _check_fit(name: str, missing: Sequence[str]) -> None:
    """Refuse weights that do not fill the encoder: transformers would fill the rest with noise and say nothing."""
    holes = sorted(key for key in missing if not any(part.startswith(HEADS) for part in key.split(".")))
    if holes:
        got = f"weights without {holes[0]}" + (f" and {len(holes) - 1} more" if len(holes) > 1 else "")
        fix = "use a folder whose config.json and weights belong together, or --base embedded:minilm"
        raise BakeoffError(f"the weights of the architecture that '{name}' names", got, fix)
