"""What happens to each label: confusion, precision, recall, F1, and the interval of the macro-F1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.statistics.resampling import RESAMPLES, Array, percentile_interval


@dataclass(frozen=True)
class Confusion:
    """How often each label was answered with each: `counts[target, predicted]`, in the order of `labels`."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def macro_f1(self) -> float:
        """Return the mean F1 over the labels that occur among the targets; an undefined F1 counts 0."""
        return float(_Cells.all_of(self).macro_f1(self.counts.reshape(1, -1).astype(float))[0])

    def per_class(self) -> dict[str, dict[str, float | int]]:
        """Return precision, recall, F1 and support of each label; what is undefined is 0, as in scikit-learn."""
        right, support, said = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        precision, recall = right / np.maximum(said, 1), right / np.maximum(support, 1)
        f1 = 2 * right / np.maximum(support + said, 1)
        rows = zip(self.labels, precision, recall, f1, support, strict=True)
        return {
            label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for label, p, r, f, n in rows
        }


def confusion(targets: Sequence[str], predicted: Sequence[str]) -> Confusion:
    """Count the pairs of target and prediction over all labels that occur on either side, sorted."""
    labels = sorted({*targets, *predicted})
    number = {label: position for position, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for (target, said), times in Counter(zip(targets, predicted, strict=True)).items():
        counts[number[target], number[said]] = times
    return Confusion(tuple(labels), counts)


def macro_f1_interval(
    targets: Sequence[str],
    predicted: Sequence[str],
    clusters: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the macro-F1 (Efron 1979), examples drawn anew.

    Answers that fall into the same cell of the confusion matrix are alike, so counts of cells are drawn and not single
    examples: the same distribution, however many records there are.

    Args:
        targets: the true label of each answer.
        predicted: the label that was answered.
        clusters: the example of each answer, where examples were repeated; whole clusters are drawn then.
        seed: of the drawing.
        resamples: how many times.
    """
    answers = Counter(zip(targets, predicted, strict=True))
    labels = sorted({label for pair in answers for label in pair})
    number = {label: position for position, label in enumerate(labels)}
    rows = np.array([[number[target], number[said]] for target, said in answers])
    cells = _Cells(rows[:, 0], rows[:, 1], len(labels))
    if clusters is None:
        return percentile_interval(np.array(list(answers.values())), cells.macro_f1, seed, resamples)
    kinds = _kinds(targets, predicted, clusters)
    column = {pair: position for position, pair in enumerate(answers)}
    in_kind = np.zeros((len(kinds), len(answers)))
    for row, kind in enumerate(kinds):
        for pair in kind:
            in_kind[row, column[pair]] += 1
    return percentile_interval(
        np.array(list(kinds.values())), lambda drawn: cells.macro_f1(drawn @ in_kind), seed, resamples
    )


@dataclass(frozen=True)
class _Cells:
    """The cells of a confusion matrix that are counted: target and prediction of each, as numbers of labels."""

    target: NDArray[np.int64]
    said: NDArray[np.int64]
    labels: int

    @classmethod
    def all_of(cls, matrix: Confusion) -> "_Cells":
        target, said = np.indices(matrix.counts.shape)
        return cls(target.ravel(), said.ravel(), len(matrix.labels))

    def macro_f1(self, counts: Array) -> Array:
        """Return the macro-F1 of each row of `counts`, shape (rows, cells)."""
        one_hot = np.eye(self.labels)
        support, said = counts @ one_hot[self.target], counts @ one_hot[self.said]
        hits = self.target == self.said
        right = counts[:, hits] @ one_hot[self.target[hits]]
        present = support > 0
        f1 = np.where(present, 2 * right / np.maximum(support + said, 1), 0)
        return np.asarray(f1.sum(axis=1) / present.sum(axis=1))


def _kinds(
    targets: Sequence[str], predicted: Sequence[str], clusters: Sequence[str]
) -> Counter[tuple[tuple[str, str], ...]]:
    """Count the clusters that hold the same answers, in whatever order."""
    held: dict[str, list[tuple[str, str]]] = {}
    for target, said, cluster in zip(targets, predicted, clusters, strict=True):
        held.setdefault(cluster, []).append((target, said))
    return Counter(tuple(sorted(own)) for own in held.values())
