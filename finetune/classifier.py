"""A fine-tuned BERT with scikit-learn's manners: fit, predict, predict_proba, save, load."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finetune.checkpoints import fitting_length, load_base, load_checkpoint
from finetune.hyperparameters import Hyperparameters
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.workspace import new_folder, read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CARD = "classifier.json"
BATCH = 64


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
    _model: "PreTrainedModel | None" = field(default=None, repr=False)
    _tokenizer: "PreTrainedTokenizerBase | None" = field(default=None, repr=False)

    def fit(self, train: Dataset, validation: Dataset) -> "Classifier":
        """Fine-tune on `train`; `validation` is only watched.

        Raises:
            BakeoffError: the base cannot be loaded, a validation label is unseen in `train`, or the loss diverged.
        """
        from transformers import set_seed

        from finetune.training import train_model

        start = time.perf_counter()
        validation.require_known(train.labels)
        self.labels = train.labels
        set_seed(self.hyperparameters.seed)  # the head's first weights are random too
        self._model, self._tokenizer = load_base(self.base, self.labels)
        self.card = train_model(self._model, self._tokenizer, self.hyperparameters, train, validation)
        self.card |= {"data_fingerprint": train.fingerprint, "dataset": train.name, "examples": len(train)}
        self.card["fit_seconds"] = round(time.perf_counter() - start, 2)
        self.card["validation"] = self.score(validation)
        return self

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the probability of each label for each text, shape (len(texts), len(labels))."""
        import torch

        if self._model is None or self._tokenizer is None:
            raise BakeoffError("a trained classifier", "one that was never fitted", "call fit first")
        result = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # like lengths together: little padding
        self._model.eval()
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            inputs = self._tokenizer(
                [texts[index] for index in batch],
                truncation=True,
                max_length=fitting_length(self._model, self._tokenizer, self.hyperparameters),
                padding=True,
                return_tensors="pt",
            ).to(self._model.device)
            with torch.inference_mode():
                result[batch] = self._model(**inputs).logits.float().softmax(-1).cpu().numpy()
        return result

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return [self.labels[index] for index in self.predict_proba(texts).argmax(axis=1)]

    def score(self, data: Dataset) -> dict[str, float]:
        """Return accuracy and macro-F1 on labelled data."""
        from sklearn.metrics import accuracy_score, f1_score

        predicted = self.predict(data.texts)
        return {
            "accuracy": float(accuracy_score(data.targets, predicted)),
            "macro_f1": float(f1_score(data.targets, predicted, average="macro")),
        }

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer and card into `folder`, all or nothing."""
        if self._model is None or self._tokenizer is None:
            raise BakeoffError("a trained classifier", "one that was never fitted", "call fit first")
        with new_folder(folder) as draft:
            self._model.save_pretrained(draft)
            self._tokenizer.save_pretrained(draft)
            settings = {"base": self.base, "labels": self.labels, "hyperparameters": self.hyperparameters.model_dump()}
            write_json(draft / CARD, settings | {"card": self.card})

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Read a classifier that `save` wrote.

        Raises:
            BakeoffError: the folder is not such a classifier, or is damaged.
        """
        document = read_json(folder / CARD)
        classifier = cls(
            document["base"], Hyperparameters(**document["hyperparameters"]), document["labels"], document["card"]
        )
        classifier._model, classifier._tokenizer = load_checkpoint(str(folder))
        return classifier
