"""Two small classifiers on a text's features: which tool it needs, and whether it is only understood after another."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from agents.routing.clauses import clauses, earlier
from agents.routing.features import features
from agents.routing.utterances import Utterance
from lab.console import Console
from lab.embeddings import Embedder
from lab.errors import BakeoffError
from lab.workspace import Workspace, fingerprint

C, FOLDS = 100.0, 5  # chosen on the suite's validation part among 10, 30, 100
ALONE, FOLLOWS = "alone", "follows"
ARRAYS = ("labels", "weights", "bias", "temperature")
Featurize = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class Linear:
    """A calibrated linear classifier.

    Attributes:
        labels: of its outputs, shape (labels,).
        weights, bias: of shape (labels, features) and (labels,).
        temperature: that its outputs are divided by before the softmax.
    """

    labels: NDArray[np.str_]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: np.float32

    @classmethod
    def fit(cls, rows: Any, targets: Sequence[str]) -> Self:
        """Fit logistic regression; the temperature is fitted on outputs for rows that were left out (cross-fitting).

        Temperature scaling is that of Guo et al. 2017 (arXiv 1706.04599), with scipy's bounded minimum of the negative
        log-likelihood; a class counts the same however many utterances it has.
        """
        from sklearn.model_selection import StratifiedKFold

        y, unseen = np.asarray(targets), np.zeros((len(targets), len(set(targets))))
        for train, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(y, y):
            unseen[held_out] = _outputs(_regression(rows[train], y[train]), rows[held_out])
        model = _regression(rows, y)
        temperature = _temperature(unseen, np.searchsorted(model.classes_, y))
        weights, bias = model.coef_, model.intercept_
        if len(weights) == 1:
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return cls(model.classes_, weights.astype("f4"), bias.astype("f4"), np.float32(temperature))

    def probabilities(self, rows: Any) -> NDArray[np.float64]:
        """Return the probability of each label for each row, shape (rows, labels)."""
        from scipy.special import softmax

        probabilities: NDArray[np.float64] = softmax((rows @ self.weights.T + self.bias) / self.temperature, axis=1)
        return probabilities


@dataclass(frozen=True)
class Learned:
    """All that is learned from utterances: which `route` a text takes, and a `gate`: does a turn follow another?

    Learning it took so many `seconds`.
    """

    route: Linear
    gate: Linear
    seconds: float

    @classmethod
    def learn(cls, utterances: Sequence[Utterance], featurize: Featurize) -> Self:
        """Learn from utterances; a question for several tools teaches what each of its clauses needs.

        A turn follows another if it needs the same tool as that one; all that was said without an earlier turn stands
        alone.
        """
        start = time.perf_counter()
        lessons: list[tuple[str, str]] = []
        gates: list[tuple[str, str]] = []
        label_of = {one.text: one.label for one in utterances if not one.history}
        for one in utterances:
            follows = bool(one.history) and label_of.get(one.history[-1], one.label) == one.label
            gates.append((one.text, FOLLOWS if follows else ALONE))
            parts = clauses(one.text)
            if len(one.tools) < 2:
                lessons.append((f"{earlier(one.history)} {one.text}" if follows else one.text, one.label))
            elif len(parts) == len(one.tools):
                lessons += zip(parts, one.tools, strict=True)
        texts = list(dict(lessons + gates))
        rows, place = featurize(texts), {text: number for number, text in enumerate(texts)}
        route, gate = (
            Linear.fit(rows[[place[text] for text, _ in pairs]], [label for _, label in pairs])
            for pairs in (lessons, gates)
        )
        return cls(route, gate, time.perf_counter() - start)

    @classmethod
    def kept(cls, utterances: Sequence[Utterance], embedder: Embedder) -> Self:
        """Return what was learned from these utterances with this embedder, from the cache folder where it is there."""
        libraries = version("bakeoff"), version("scikit-learn")
        key = fingerprint(libraries, embedder.name, embedder.kind, [asdict(one) for one in utterances])
        path = Workspace.current().cache / "routers" / f"{key}.npz"
        with suppress(OSError, ValueError, KeyError):
            return cls._read(path)
        Console().note(f"the router learns from {len(utterances):,} utterances, once …")
        learned = cls.learn(utterances, lambda texts: features(texts, embedder))
        with suppress(OSError, BakeoffError):  # a cache that cannot be written costs time and nothing else
            learned._write(path)
        return learned

    @classmethod
    def _read(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as arrays:
            route, gate = ({name: arrays[f"{part}.{name}"] for name in ARRAYS} for part in ("route", "gate"))
            return cls(Linear(**route), Linear(**gate), float(arrays["seconds"]))

    def _write(self, path: Path) -> None:
        arrays = {f"{part}.{name}": getattr(getattr(self, part), name) for part in ("route", "gate") for name in ARRAYS}
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.stem}-{os.getpid()}.npz")
        np.savez(draft, seconds=np.float64(self.seconds), **arrays)
        draft.replace(path)


def _regression(rows: Any, targets: NDArray[np.str_]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, class_weight="balanced", max_iter=2000).fit(rows, targets)


def _outputs(model: Any, rows: Any) -> NDArray[np.float64]:
    """Return an output per label; scikit-learn has but one where there are two labels."""
    outputs = model.decision_function(rows)
    return np.stack([-outputs / 2, outputs / 2], axis=1) if outputs.ndim == 1 else outputs


def _temperature(outputs: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Return what to divide outputs by so that their softmax is likeliest for the targets."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(temperature: float) -> float:
        return -float(log_softmax(outputs / temperature, axis=1)[np.arange(len(targets)), targets].mean())

    return float(minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x)
