"""An embedding model made fast on CPUs: exported to ONNX once, with its pooling, and used only if it embeds alike."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.console import Console
from lab.errors import BakeoffError
from lab.redact import reason
from lab.runtime import Runtime, openvino_runtime
from lab.settings import settings
from lab.workspace import Workspace, fingerprint, lock, new_folder, read_json, write_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LAYOUT = 2  # of the kept folder; another number makes every export anew
GRAPH, CARD = "model.onnx", "export.json"
LIBRARIES = ("torch", "transformers", "sentence-transformers", "openvino")
PARTS = {".json", ".txt", ".model", ".safetensors", ".bin"}  # files that decide what a model says
ALIKE = 0.9999  # cosine similarity with sentence-transformers' vector, at least
CHECKED = (
    "The warm-up raises the learning rate slowly.",
    "  LMAO, AMAZING! 😀 Привет, 你好, naïve café  ",
    "I",
    "",
    "Passages that are longer than the model reads are cut. " * 100,
)


def exported_encoder(name: str, folder: Path) -> Runtime | None:
    """Return the runtime of a sentence-transformers model's export, made now if the cache has none of it.

    Args:
        name: of the model, as the user calls it.
        folder: of the model.

    Returns None where the model cannot be exported, or its export embeds otherwise than the model; says so.
    """
    versions = [version(library) for library in LIBRARIES]
    key = fingerprint(LAYOUT, versions, settings().precision, _content(folder))
    kept = Workspace.current().cache / "embeddings" / key
    try:
        if not kept.exists():
            with lock(kept.with_suffix(".lock"), f"the export of {name}", wait_seconds=900):
                if not kept.exists():
                    Console().note(f"exporting {name} to ONNX, once …")
                    with new_folder(kept) as draft:
                        write_json(draft / CARD, _export(folder, draft))
    except OSError as error:
        Console().note(f"{name} runs in PyTorch, which is slower: no export can be kept ({reason(error)})")
        return None
    card = read_json(kept / CARD)
    if card["unusable"]:
        Console().note(f"{name} runs in PyTorch, which is slower: {card['unusable']}")
        return None
    return _runtime(kept, card["max_length"], card["precision"])


def _export(folder: Path, target: Path) -> dict[str, Any]:
    """Export the model in `folder` into `target`.

    Returns a dict: max_length, in tokens; precision, in which it embeds as the model does, that of the settings if
    that will do; and unusable, the reason why the export cannot be used, "" if it can.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    from lab.onnx_export import export_graph

    logging.disable_progress_bar()
    model: Any = SentenceTransformer(str(folder), device="cpu")
    expected = model.encode(list(CHECKED), normalize_embeddings=True, show_progress_bar=False)
    card = {"max_length": model.max_seq_length, "precision": "float32", "unusable": ""}
    try:
        model[0].auto_model.set_attn_implementation("eager")  # a leaner graph, which runs faster
        model.tokenizer.save_pretrained(target)
        export_graph(model, lambda ids, mask: _vectors(model, ids, mask), target / GRAPH, "vectors", beside=True)
        for precision in dict.fromkeys((settings().precision, "float32")):
            found = _runtime(target, card["max_length"], precision).outputs(CHECKED)
            alike = _likeness(found, expected)
            if alike >= ALIKE:
                return card | {"precision": precision}
    except BakeoffError:
        raise
    except Exception as error:  # of the exporter's many layers, each raises its own
        return card | {"unusable": f"it cannot be exported ({reason(error)})"}
    return card | {"unusable": f"its export embeds otherwise (cosine similarity {alike:.4f})"}


def _likeness(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the smallest cosine similarity of two sets of unit vectors, row by row; 0 if not alike in shape."""
    return float((found * expected).sum(axis=1).min()) if found.shape == expected.shape else 0.0


def _vectors(model: "SentenceTransformer", ids: Any, mask: Any) -> Any:
    """Return one unit vector per text, shape (batch, dimension), by whatever pooling the model has."""
    import torch

    vectors = model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
    return torch.nn.functional.normalize(vectors, dim=-1)


def _runtime(folder: Path, max_length: int, precision: str) -> Runtime:
    return openvino_runtime(folder / GRAPH, folder / "tokenizer.json", max_length, precision)


def _content(folder: Path) -> list[tuple[str, str]]:
    """Return each file that decides what the model says, with the SHA-256 of its content."""
    digests = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in PARTS and path.is_file()):
        with path.open("rb") as file:
            digests.append((str(path.relative_to(folder)), hashlib.file_digest(file, "sha256").hexdigest()))
    return digests
