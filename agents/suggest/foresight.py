"""What a half-typed text will be labelled, with the probability that it will: learned from cut validation texts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab.console import Console
from lab.errors import BakeoffError
from lab.workspace import Workspace, fingerprint, read_json, write_json

if TYPE_CHECKING:
    from finetune import Classifier
    from lab.datasets import Dataset

CUTS = (0.25, 0.5, 0.75, 1.0)  # shares of a text's characters
SURE = 0.8  # the probability from which on there is a warning
SHORTEST_SHARE = 0.1  # of the first quarters, the share that is too short to tell
CERTAIN = 1e-6  # how near a confidence comes to 0 and 1


@dataclass(frozen=True)
class Warned:
    """What a text will probably be labelled.

    Attributes:
        label: the champion's.
        probability: of that label, in [0, 1]: among as many warnings, that share comes true.
        classifier: the champion's id.
        share: of the nearest cases, those with this label; None where cases have no labels.
    """

    label: str
    probability: float
    classifier: str
    share: float | None = None


@dataclass(frozen=True)
class Scale:
    """From the classifier's confidence in its label to the probability that a whole text gets it (Platt 1999).

    A logistic regression on the log-odds of the confidence and the logarithm of the length, so that the beginning of
    a text is trusted less than all of it.

    Attributes:
        weights: of the two, and the constant.
        shortest: characters below which a text is too short to tell.
        texts: how many beginnings of texts it was learned from.
    """

    weights: tuple[float, float, float]
    shortest: int
    texts: int

    def probability(self, confidence: float, characters: int) -> float:
        """Return the probability that the label comes true."""
        inputs = _inputs(np.array([confidence]), np.array([characters]))[0]
        return float(1 / (1 + np.exp(-(inputs @ self.weights[:2] + self.weights[2]))))

    @classmethod
    def learn(cls, confidence: NDArray[np.float64], right: NDArray[np.bool_], characters: NDArray[np.int64]) -> "Scale":
        """Learn the scale from beginnings of texts, one row each, a quarter of every text first.

        Args:
            confidence: of the classifier in its label.
            right: whether that is the label of the whole text.
            characters: the lengths.
        """
        from sklearn.linear_model import LogisticRegression

        quarters = np.sort(characters[: len(characters) // len(CUTS)])
        shortest = int(quarters[int(SHORTEST_SHARE * len(quarters))])
        if right.all() or not right.any():  # nothing to regress on: the share alone, never quite 0 or 1
            odds = (right.sum() + 1) / (len(right) - right.sum() + 1)
            return cls((0.0, 0.0, float(np.log(odds))), shortest, len(right))
        model = LogisticRegression().fit(_inputs(confidence, characters), right)
        logit, length = map(float, model.coef_[0])
        return cls((logit, length, float(model.intercept_[0])), shortest, len(right))


class Foresight:
    """The champion on half-typed texts."""

    def __init__(self, identifier: str, classifier: "Classifier", scale: Scale) -> None:
        self.identifier = identifier
        self.scale = scale
        self._classifier = classifier

    @classmethod
    def of_champion(cls) -> "Foresight":
        """Return the champion's; its scale is learned once, from the validation part of its data, and kept.

        Raises:
            BakeoffError: there is no champion, or its data cannot be had any more.
        """
        from finetune import Classifier, champion
        from finetune.registry import find_classifier, measured_by

        identifier, classifier = champion()
        key = fingerprint(identifier, classifier.card["validation"], classifier.card["data_fingerprint"], CUTS)
        kept = Workspace.current().home / "suggest" / f"{key}.json"
        if kept.exists():
            document = read_json(kept)
            return cls(identifier, classifier, Scale(**document | {"weights": tuple(document["weights"])}))
        from finetune.promotion import learned_split

        Console().note(f"learning what {identifier} can tell from half a text, once …")
        validation, judged = learned_split(identifier, classifier).validation, measured_by(identifier)
        unspoilt = classifier if judged == identifier else Classifier.load(find_classifier(judged))
        scale = cls.measured(judged, unspoilt, validation).scale
        write_json(kept, asdict(scale))
        return cls(identifier, classifier, scale)

    @classmethod
    def measured(cls, identifier: str, classifier: "Classifier", validation: "Dataset") -> "Foresight":
        """Return a classifier's, with its scale learned from labelled texts that it has not learned from."""
        texts = [text for cut in CUTS for text in beginnings(validation.texts, cut)]
        targets = np.array(validation.targets * len(CUTS))
        probabilities = classifier.predict_proba(texts)
        right = np.array(classifier.labels)[probabilities.argmax(axis=1)] == targets
        confidence = probabilities.max(axis=1).astype(np.float64)
        return cls(identifier, classifier, Scale.learn(confidence, right, np.array([len(text) for text in texts])))

    def foresee(self, texts: Sequence[str]) -> list[Warned | None]:
        """Return for each text its probable label, however improbable; None where it is too short to tell."""
        found: list[Warned | None] = []
        for text, row in zip(texts, self._classifier.predict_proba(texts), strict=True):
            label, confidence = self._classifier.labels[int(row.argmax())], float(row.max())
            probability = self.scale.probability(confidence, len(text))
            told = len(text.strip()) >= self.scale.shortest
            found.append(Warned(label, probability, self.identifier) if told else None)
        return found


def beginnings(texts: Sequence[str], share: float) -> Iterator[str]:
    """Yield the first `share` of each text's characters, at least one."""
    return (text[: max(1, round(share * len(text)))] for text in texts)


def champion_foresight() -> Foresight | None:
    """Return the champion's foresight; None without one, which is said with the command that mends it."""
    try:
        return Foresight.of_champion()
    except BakeoffError as error:
        Console().note(f"cases only, without warnings: {error}")
        return None


def _inputs(confidence: NDArray[np.float64], characters: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-odds and the logarithm of the length, shape (texts, 2)."""
    sure = np.clip(confidence, CERTAIN, 1 - CERTAIN)
    return np.column_stack([np.log(sure / (1 - sure)), np.log1p(characters)])
