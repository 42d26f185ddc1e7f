"""Fine-tuning and retrieval as one approach: the classifier unless it is unsure, or the scores of all stacked."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from evals.approach import Approach, Fit, Prediction, best
from lab.console import Console
from lab.datasets import Dataset
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from sklearn.model_selection import GridSearchCV

FOLDS = 5
STRENGTHS = (0.01, 0.1, 1.0, 10.0)


class _Hybrid(ABC):
    """Approaches made ready one after the other, and a choice how to join them, made on validation."""

    name = "hybrid"

    def __init__(self, parts: Sequence[Approach], validation_texts: int) -> None:
        self.fitted = Fit()
        self._parts, self._validation_texts = list(parts), validation_texts
        self._watched: Dataset | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Make every part ready, then choose on the first texts of validation how they answer together."""
        self._watched = validation.subset(range(min(len(validation), self._validation_texts)))
        for part in self._parts:
            part.fit(train, validation)
        return self._join()

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Update every part its own way, then choose anew."""
        for part in self._parts:
            part.update(new, gone)
        return self._join()

    def _join(self) -> Self:
        assert self._watched is not None, "fit first"
        names = " and ".join(part.name for part in self._parts)
        Console().note(f"{names} answer {len(self._watched)} validation texts, to choose how they join")
        start = time.perf_counter()
        answers = [part.predict(self._watched.texts) for part in self._parts]
        note = self._choose(answers, self._watched.targets)
        saved = sum(answer.saved_seconds for row in answers for answer in row)
        fits, asked = [part.fitted for part in self._parts], [answer for row in answers for answer in row]
        self.fitted = Fit(
            seconds=sum(fit.seconds for fit in fits) + time.perf_counter() - start + saved,
            reused=all(fit.reused for fit in fits),
            note="; ".join(filter(None, [*(fit.note for fit in fits), note])),
            tokens=sum(fit.tokens for fit in fits) + sum(answer.tokens for answer in asked),
            output_tokens=sum(fit.output_tokens for fit in fits) + sum(answer.output_tokens for answer in asked),
        )
        return self

    @abstractmethod
    def _choose(self, answers: Sequence[Sequence[Prediction]], targets: Sequence[str]) -> str:
        """Learn from each part's answers to the validation texts; return in words what was chosen."""

    @abstractmethod
    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer each text, in order."""


class Cascade(_Hybrid):
    """The first part answers where it is sure, the second where it is not.

    Unsure is a top probability below a threshold: that with the most right answers on validation, and among several
    the one that asks the second part least. Rejecting by the top probability is Chow's rule (1970).
    """

    def __init__(self, first: Approach, second: Approach, validation_texts: int) -> None:
        super().__init__([first, second], validation_texts)
        self._threshold = 0.0

    @property
    def threshold(self) -> float:
        """Return the top probability below which the second part is asked."""
        return self._threshold

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer with the first part; ask the second about the texts that it is unsure of, and those alone."""
        first, second = self._parts
        answers = first.predict(texts)
        unsure = [index for index, answer in enumerate(answers) if _top(answer) < self._threshold]
        if unsure:
            for index, answer in zip(unsure, second.predict([texts[index] for index in unsure]), strict=True):
                used = answers[index]
                answers[index] = replace(
                    answer,
                    evidence=[*used.evidence, *answer.evidence],
                    tokens=used.tokens + answer.tokens,
                    output_tokens=used.output_tokens + answer.output_tokens,
                )
        return answers

    def _choose(self, answers: Sequence[Sequence[Prediction]], targets: Sequence[str]) -> str:
        tops = np.array([_top(answer) for answer in answers[0]])
        right = np.array(
            [[answer.label == target for answer, target in zip(row, targets, strict=True)] for row in answers]
        )
        thresholds = np.unique([0.0, *tops, 1.1])  # never, only below each that occurs, always
        accuracies = [np.where(tops < threshold, right[1], right[0]).mean() for threshold in thresholds]
        self._threshold = float(thresholds[int(np.argmax(accuracies))])  # the first of equals
        share = float((tops < self._threshold).mean())
        return f"{self._parts[1].name} is asked below a probability of {self._threshold:.3f}: {share:.0%} of validation"


class Stacked(_Hybrid):
    """A logistic regression over the scores of all parts (stacking: Wolpert 1992; scikit-learn).

    It is fitted on validation texts, which no part was trained on; its strength is chosen by cross-validation there.
    """

    def __init__(self, parts: Sequence[Approach], validation_texts: int, seed: int) -> None:
        super().__init__(parts, validation_texts)
        self._seed = seed
        self._labels: list[str] = []
        self._model: GridSearchCV | None = None

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Ask every part and weigh their scores; where one fails, the whole does, with its reason."""
        assert self._model is not None, "fit first"
        rows = list(zip(*(part.predict(texts) for part in self._parts), strict=True))
        whole = [index for index, row in enumerate(rows) if not _failed(row)]
        table = self._model.predict_proba(self._features([rows[index] for index in whole])) if whole else []
        shares = dict(zip(whole, table, strict=True))
        return [self._one(row, shares.get(index)) for index, row in enumerate(rows)]

    def _one(self, row: Sequence[Prediction], shares: NDArray[np.float64] | None) -> Prediction:
        evidence = list(dict.fromkeys(source for answer in row for source in answer.evidence))
        spent = Prediction(
            None,
            evidence=evidence,
            tokens=sum(answer.tokens for answer in row),
            saved_seconds=sum(answer.saved_seconds for answer in row),
            output_tokens=sum(answer.output_tokens for answer in row),
        )
        if shares is None:
            failed = _failed(row)[0]
            return replace(spent, failure=failed.failure, failure_kind=failed.failure_kind)
        assert self._model is not None
        scores = dict(zip(map(str, self._model.classes_), map(float, shares), strict=True))
        return replace(spent, label=best(scores), scores=scores)

    def _choose(self, answers: Sequence[Sequence[Prediction]], targets: Sequence[str]) -> str:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold

        rows = list(zip(*answers, strict=True))
        whole = [index for index, row in enumerate(rows) if not _failed(row)]
        known = [targets[index] for index in whole]
        rarest = min((known.count(label) for label in set(known)), default=0)
        if len(set(known)) < 2 or rarest < 2:
            failed = [answer for row in rows for answer in _failed(row)]
            got = f"{rarest} of the rarest label" + (f"; {failed[0].failure}" if failed else "")
            fix = "use more validation texts (validation_texts:), or form: cascade"
            raise BakeoffError("two answered validation texts of each label, to stack on", got, fix)
        self._labels = sorted({label for row in rows for answer in row for label in answer.scores})
        folds = StratifiedKFold(min(FOLDS, rarest), shuffle=True, random_state=self._seed)
        self._model = GridSearchCV(LogisticRegression(max_iter=1000), {"C": STRENGTHS}, cv=folds)
        self._model.fit(self._features([rows[index] for index in whole]), known)
        return f"{len(self._parts)} parts stacked on {len(whole)} validation texts"

    def _features(self, rows: Sequence[Sequence[Prediction]]) -> NDArray[np.float64]:
        """Return each part's score of each label, shape (rows, parts x labels)."""
        return np.array([[answer.scores.get(label, 0.0) for answer in row for label in self._labels] for row in rows])


def _top(answer: Prediction) -> float:
    """Return the top probability; an answer that failed has none."""
    return max(answer.scores.values(), default=0.0)


def _failed(row: Sequence[Prediction]) -> list[Prediction]:
    """Return the parts' answers that are failures."""
    return [answer for answer in row if answer.failure is not None]
