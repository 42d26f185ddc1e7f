"""A fine-tuned BERT with scikit-learn's manners: fit, predict, predict_proba, save, load."""

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from lab.console import Console
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.runtime import Runtime
from lab.settings import settings
from lab.workspace import new_folder, read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from finetune.methods import Model

CARD = "classifier.json"
TOLD = ("base", "hyperparameters", "labels", "card")  # in it
DIGITS = 6  # of a confidence that is written down
DECILES = np.linspace(0.1, 0.9, 9)


@dataclass
class Classifier:
    """A sequence classifier over any BERT-like checkpoint.

    Attributes:
        base: what it starts from: "embedded:minilm", a Hugging Face id, or a folder.
        labels: the label of each output, known after `fit`.
        card: how it came about: data fingerprint, steps, seconds, losses, validation scores.
    """

    base: str = "embedded:minilm"
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    labels: list[str] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)
    _model: "Model | None" = field(default=None, repr=False)
    _tokenizer: "PreTrainedTokenizerBase | None" = field(default=None, repr=False)
    _runtime: Runtime | None = field(default=None, repr=False)

    def fit(
        self,
        train: Dataset,
        validation: Dataset,
        folder: TrainingFolder | None = None,
        report_to: Sequence[str] = (),
    ) -> "Classifier":
        """Train on `train`; `validation` chooses the best checkpoint.

        Args:
            train: what is learned.
            validation: what the run is watched on.
            folder: keeps the curve and the checkpoints, and is gone on from if a run in it was cut off; None keeps
                nothing.
            report_to: trackers of Hugging Face's Trainer.

        Raises:
            BakeoffError: the base cannot be loaded, a validation label is unseen in `train`, or the loss diverged.
        """
        validation.require_known(train.labels)
        self._learn(train, validation, folder, report_to)
        self.card |= {"validation": self.score(validation), "reference": self._reference(validation)}
        return self

    def refit(
        self,
        train: Dataset,
        validation: Dataset,
        folder: TrainingFolder | None = None,
        report_to: Sequence[str] = (),
        times: int = 1,
    ) -> "Classifier":
        """Return another of this setting that learned from `validation` too, nothing being chosen any more.

        The other ends at the share of its steps at which this one, which trained in steps, was best: as scikit-learn's
        searches refit the best setting, and AutoGluon the number of epochs. No text is left to measure it on but those
        of the test part; what was measured of this one on validation stands on the card of the other.

        Args:
            train: what this one learned from.
            validation: what this one was chosen on.
            folder: as for `fit`; it keeps each training that is done, too.
            report_to: as for `fit`.
            times: how many to train, each with the same first weights and the texts in another order; the other is the
                mean of them.

        Raises:
            BakeoffError: the loss diverged, or the disk is full.
            Asked: somebody outside asked for a pause or a stop.
        """
        texts, until = train.joined(validation), self.card["best_step"] / self.card["total_steps"]
        with tempfile.TemporaryDirectory() as nowhere:
            kept = folder or TrainingFolder(Path(nowhere))
            if wrong := kept.drop_damaged_parts():
                Console().warn(f"a training that was done is damaged ({wrong}); it is done again")
            parts = [kept.part(draw) for draw in range(times)]
            for draw in [draw for draw in range(times) if not parts[draw].exists()]:
                Console().note(f"training {2 + draw} of {1 + times}: on the validation texts too")
                part = Classifier(self.base, self.hyperparameters)
                part._learn(texts, None, kept, report_to, until, draw)
                part.save(parts[draw])
            other = Classifier.average(parts)
        other.card |= {name: self.card[name] for name in ("data_fingerprint", "validation", "reference")}
        other.card["fit_seconds"] = round(self.card["fit_seconds"] + other.card["fit_seconds"], 2)
        return other

    @classmethod
    def average(cls, folders: Sequence[Path]) -> "Classifier":
        """Return the mean of classifiers of one setting that `save` wrote, reading one at a time.

        Raises:
            BakeoffError: one of the folders is damaged.
        """
        from finetune.averaging import average_into, joint_card

        mean = cls.load(folders[0], exported=False)
        average_into(mean.model, (cls.load(folder, exported=False).model for folder in folders[1:]))
        mean.card = joint_card([read_json(folder / CARD, *TOLD)["card"] for folder in folders])
        return mean

    @property
    def model(self) -> "Model":
        """Return the PyTorch model.

        Raises:
            BakeoffError: there is none: never fitted, or loaded from its export.
        """
        if self._model is None:
            raise BakeoffError("a classifier in PyTorch", "none", "call fit first, or load it with exported=False")
        return self._model

    @property
    def max_length(self) -> int:
        """Return the longest text in tokens: as the knobs wish, but no longer than the model has positions for."""
        return int(self.card["max_length"])

    @property
    def runtime(self) -> Runtime:
        """Return what computes.

        Raises:
            BakeoffError: it was never fitted.
        """
        if self._runtime is None:
            raise BakeoffError("a trained classifier", "one that was never fitted", "call fit first")
        return self._runtime

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the probability of each label for each text, shape (len(texts), len(labels))."""
        return self.runtime.predict_proba(texts)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return [self.labels[index] for index in self.predict_proba(texts).argmax(axis=1)]

    def stream(self, texts: Iterable[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield each text with its probabilities, in order and in constant memory, however many there are."""
        return self.runtime.stream(texts)

    def score(self, data: Dataset) -> dict[str, float]:
        """Return accuracy and macro-F1 on labelled data."""
        from sklearn.metrics import accuracy_score, f1_score

        predicted = self.predict(data.texts)
        return {
            "accuracy": float(accuracy_score(data.targets, predicted)),
            "macro_f1": float(f1_score(data.targets, predicted, average="macro")),
        }

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer and card into `folder`, all or nothing.

        Raises:
            BakeoffError: it was never fitted, or the disk is full.
        """
        if self._model is None or self._tokenizer is None:
            raise BakeoffError("a trained classifier", "one that was never fitted", "call fit first")
        with new_folder(folder) as draft:
            self._model.save_pretrained(draft)
            self._tokenizer.save_pretrained(draft)
            document = {"base": self.base, "labels": self.labels, "hyperparameters": self.hyperparameters.model_dump()}
            write_json(draft / CARD, document | {"card": self.card})

    @classmethod
    def load(cls, folder: Path, exported: bool = True) -> "Classifier":
        """Read a classifier that `save` wrote.

        Args:
            folder: of the classifier.
            exported: compute with its ONNX export, where there is one and no GPU is asked for by BAKEOFF_DEVICE.

        Raises:
            BakeoffError: the folder is not such a classifier, or is damaged.
        """
        from finetune.serving import exported_runtime

        document = read_json(folder / CARD, *TOLD)
        knobs = Hyperparameters.checked(**document["hyperparameters"])
        classifier = cls(document["base"], knobs, document["labels"], document["card"])
        if exported and settings().device in ("auto", "cpu"):
            classifier._runtime = exported_runtime(folder, classifier.max_length)
        if classifier._runtime is None:
            from finetune.methods import load_model, model_runtime

            classifier._model, classifier._tokenizer = load_model(folder, knobs.method, len(classifier.labels))
            classifier._runtime = model_runtime(classifier._model, classifier._tokenizer, classifier.max_length)
        return classifier

    def _learn(
        self,
        train: Dataset,
        validation: Dataset | None,
        folder: TrainingFolder | None,
        report_to: Sequence[str],
        until: float = 1.0,
        draw: int = 0,
    ) -> None:
        from finetune.methods import fit_model, model_runtime

        start = time.perf_counter()
        self.labels = train.labels
        with tempfile.TemporaryDirectory() as nowhere:
            kept = folder or TrainingFolder(Path(nowhere))
            fitted = fit_model(self.base, self.hyperparameters, train, validation, kept, report_to, until, draw)
        self._model, self._tokenizer, self.card = fitted
        self._runtime = model_runtime(self._model, self._tokenizer, self.max_length)
        origin = asdict(train.origin) if train.origin else None
        self.card |= {"data_fingerprint": train.fingerprint, "dataset": train.name, "examples": len(train)}
        self.card |= {"origin": origin, "fit_seconds": round(time.perf_counter() - start, 2)}

    def _reference(self, validation: Dataset) -> dict[str, Any]:
        """Return what predictions look like on validation texts, which later drift is measured against."""
        probabilities = self.predict_proba(validation.texts)
        confidence = probabilities.max(axis=1).round(DIGITS)  # as the log of predictions rounds, so that ties agree
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(self.labels))
        edges = np.quantile(confidence, DECILES).round(DIGITS)
        return {
            "labels": dict(zip(self.labels, map(int, counts), strict=True)),
            "confidence": {
                "edges": [round(float(edge), DIGITS) for edge in edges],
                "counts": [int(n) for n in np.bincount(np.searchsorted(edges, confidence), minlength=10)],
            },
        }
