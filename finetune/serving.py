"""The champion made fast: exported to ONNX in float32 and int8, measured, and int8 used only if it is as accurate."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.classifier import Classifier
from finetune.registry import find_classifier, measured_by
from lab.console import Console
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.onnx_export import export_graph
from lab.runtime import Runtime, onnx_runtime
from lab.workspace import new_folder, read_json, write_json

FOLDER, MEASURED = "serving", "serving.json"
FILES = {"float32": "model.onnx", "int8": "model.int8.onnx"}
ROUNDING = 0.001  # how far a probability may be from PyTorch's
TOLERATED = 0.005  # validation accuracy that int8 may lose
TIMED = 50  # texts that are timed one by one


def export_classifier(folder: Path, validation: Dataset) -> dict[str, Any]:
    """Export the classifier in `folder` to ONNX beside its weights, and return what was measured.

    Returns a dict: used ("float32", "int8", or "torch" where the export does not answer like the model), why,
    validation_texts, careful (which layers are in int8: see `_quantize`), and for each precision accuracy, difference
    (the largest of a probability, from PyTorch's), ms_per_text (one at a time) and megabytes. A refit has learned from
    the validation texts: it has no accuracy, and the export of the classifier before it decides whether int8 will do.

    Raises:
        BakeoffError: the folder is damaged, or the disk is full.
    """
    precedent = _precedent(folder.name, validation)
    Console().note(f"exporting {folder.name} to ONNX, float32 and int8 …")
    classifier = Classifier.load(folder, exported=False)
    expected = classifier.predict_proba(validation.texts)
    with new_folder(folder / FOLDER) as draft:

        def measure(kind: str) -> dict[str, float]:
            runtime = _runtime(draft, folder, classifier.max_length, kind)
            probabilities = runtime.predict_proba(validation.texts)
            return {
                "accuracy": _accuracy(probabilities, classifier.labels, validation),
                "difference": round(float(np.abs(probabilities - expected).max()), 6),
                "ms_per_text": _milliseconds(runtime, validation.texts[:TIMED]),
                "megabytes": round((draft / FILES[kind]).stat().st_size / 1e6, 1),
            }

        _export(classifier, draft / FILES["float32"])
        measured = {"torch": {"accuracy": _accuracy(expected, classifier.labels, validation)}}
        measured["float32"] = measure("float32")
        for careful in (precedent["careful"],) if precedent else (False, True):
            _quantize(draft / FILES["float32"], draft / FILES["int8"], careful)
            measured["int8"] = measure("int8")
            used, why = _choice(measured)
            if used != "float32":
                break
        if precedent:
            used = precedent["used"] if used == "int8" else used
            why = f"{precedent['why'] if used != 'torch' else why}, measured of {measured_by(folder.name)}"
            for figures in measured.values():
                figures.pop("accuracy")  # on texts that it has learned
        document = {"used": used, "why": why, "careful": careful, "validation_texts": len(validation), **measured}
        write_json(draft / MEASURED, document)
    return document


def _precedent(identifier: str, validation: Dataset) -> dict[str, Any] | None:
    """Return what was measured of the classifier before a refit, exported for it if need be; None if this is none."""
    before = measured_by(identifier)
    if before == identifier:
        return None
    folder = find_classifier(before)
    known = folder / FOLDER / MEASURED
    document = read_json(known) if known.exists() else {}
    return document if "careful" in document else export_classifier(folder, validation)


def _choice(measured: dict[str, dict[str, float]]) -> tuple[str, str]:
    """Return the runtime that is to serve, and why."""
    furthest = measured["float32"]["difference"]
    if furthest > ROUNDING:
        return "torch", f"the export's probabilities differ by up to {furthest:.3f}"
    lost = (measured["torch"]["accuracy"] - measured["int8"]["accuracy"]) * 100
    why = f"int8 costs {lost:.2f} points of validation accuracy; {TOLERATED * 100:g} are tolerated"
    return "int8" if lost <= TOLERATED * 100 else "float32", why


def exported_runtime(folder: Path, max_length: int) -> Runtime | None:
    """Return the runtime of the export in a classifier's folder, in the precision it found fit.

    Returns None where there is no export, or where it is damaged, which is said: the weights are there all the same.
    """
    measured = folder / FOLDER / MEASURED
    try:
        used = read_json(measured, "used")["used"] if measured.exists() else "torch"
        return _runtime(folder / FOLDER, folder, max_length, used) if used in FILES else None
    except BakeoffError as error:
        mend = "train it again with --fresh to export it anew"
        Console().warn(f"{folder.name} answers from PyTorch, for its export is damaged ({error.got}); {mend}")
        return None


def _runtime(exported: Path, folder: Path, max_length: int, kind: str) -> Runtime:
    return onnx_runtime(exported / FILES[kind], folder / "tokenizer.json", max_length, kind)


def _export(classifier: Classifier, path: Path) -> None:
    """Write the model as an ONNX graph, from two tensors to its logits."""
    model: Any = classifier.model
    getattr(model, "encoder", model).set_attn_implementation("eager")  # a leaner graph, which runs faster
    export_graph(model, lambda ids, mask: model(input_ids=ids, attention_mask=mask).logits, path, "logits")


def _quantize(source: Path, target: Path, careful: bool) -> None:
    """Write the graph with weights in int8, by channel, and activations quantized as they come (ONNX Runtime).

    If `careful`, the layers that end a feed-forward block stay in float32: their inputs have outliers, which eight
    bits cannot hold (Bondarenko et al. 2021, arXiv 2109.12948). It is slower; on the tweets it halves the error.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

    prepared = target.with_suffix(".prepared")
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    graph = onnx.load(prepared).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    multiplied = [(node, shapes.get(node.input[1])) for node in graph.node if node.op_type == "MatMul"]
    narrowing = [node.name for node, shape in multiplied if careful and shape and shape[0] > shape[1]]
    quantize_dynamic(prepared, target, weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=narrowing)
    prepared.unlink()


def _accuracy(probabilities: np.ndarray, labels: Sequence[str], data: Dataset) -> float:
    predicted = np.array(labels)[probabilities.argmax(axis=1)]
    return round(float((predicted == np.array(data.targets)).mean()), 5)


def _milliseconds(runtime: Runtime, texts: Sequence[str]) -> float:
    """Return the median milliseconds of one text at a time."""
    taken = []
    for text in texts:
        start = time.perf_counter()
        runtime.predict_proba([text])
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1000, 3)
