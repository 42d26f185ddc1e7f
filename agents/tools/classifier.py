"""The fine-tuned classifier as a tool in the agent's graph."""

from collections.abc import Mapping

from finetune import Classifier, champion
from lab.loading import loaded_once
from rag import Evidence


def classify(text: str) -> list[Evidence]:
    """Return the champion's label for `text`, as evidence that carries its probabilities.

    Raises:
        BakeoffError: no classifier was trained yet; names the command that trains one.
    """
    identifier, classifier = _loaded(*_champion_key())
    probabilities = map(float, classifier.predict_proba([text])[0])
    return [labelled(text, dict(zip(classifier.labels, probabilities, strict=True)), identifier)]


def labelled(text: str, scores: Mapping[str, float], identifier: str) -> Evidence:
    """Return a classifier's verdict on `text`, a probability per label, as the evidence that the agent reads."""
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    label, score = ranked[0]
    shares = ", ".join(f"{name} {share:.2f}" for name, share in ranked)
    found = f"The fine-tuned classifier labels the text “{text}” as {label} ({shares})."
    return Evidence(found, f"classifier:{identifier}", (0, len(text)), score, label)


def _champion_key() -> tuple[str, float]:
    """Return the champion's id and when its pointer was written, so that a promotion is seen at once."""
    from finetune.registry import CHAMPION, champion_id
    from lab.workspace import Workspace

    pointer = Workspace.current().classifiers / CHAMPION
    return champion_id() or "", pointer.stat().st_mtime if pointer.exists() else 0.0


@loaded_once
def _loaded(identifier: str, written: float) -> tuple[str, Classifier]:
    return champion()
