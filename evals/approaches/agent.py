"""The agent under the judge: Bakeoff's own graph is asked for the label, with its router and all its tools."""

import re
from collections.abc import Sequence
from typing import Self

from agents import Conversation, Turn
from agents.tools.catalogue import own_tools
from agents.tools.classifier import labelled
from evals.approach import Fit, Prediction
from evals.approaches.labelling import fill
from evals.approaches.tuned import Tuned
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import BaseLLM, FailureKind
from rag import Evidence

QUESTION = 'Classify this text: "{text}"\n{instruction}'
SHOWN = 80  # characters of an answer that is no label


class Agent:
    """Asks the agent's graph for each text's label, in a conversation of its own.

    Its classify tool uses a classifier trained on this experiment's training data, not the workspace's champion. The
    label is what that tool found; if it was not called, the one label that the answer names. Everything else is a
    failure.
    """

    name = "agent"

    def __init__(self, llm: BaseLLM, instruction: str, classifier: Tuned) -> None:
        self.fitted = Fit()
        self._llm, self._instruction, self._classifier = llm, instruction, classifier
        self._labels: list[str] = []

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train the classifier behind the classify tool, or take the one that this data and setting gave before."""
        self._classifier.fit(train, validation)
        return self._ready(train.labels)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Ask the agent about each text, without memory of the others."""
        return [self._ask(text) for text in texts]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Update the classifier; the agent itself has nothing to learn."""
        self._classifier.update(new, gone)
        return self._ready(sorted({*self._labels, *new.labels}))

    def _ready(self, labels: list[str]) -> Self:
        self._labels, self.fitted = labels, self._classifier.fitted
        self._catalogue = own_tools(self._classify)
        return self

    def _classify(self, text: str) -> list[Evidence]:
        scores = self._classifier.predict([text])[0].scores
        return [labelled(text, scores, self._classifier.identifier)]

    def _ask(self, text: str) -> Prediction:
        quoted = re.sub(r"[\"“”«»„]", "'", text)  # the router takes what stands in double quotes for the text
        question = QUESTION.format(text=quoted, instruction=fill(self._instruction, self._labels))
        try:
            turn = Conversation(self._llm, self._catalogue).answer(question)
        except BakeoffError as error:
            return Prediction(None, str(error), failure_kind="retryable")
        label = chosen_label(turn, self._labels)
        failure = None if label else f"answered {turn.answer[:SHOWN]!r}, which is no label"
        evidence = [item.source for item in turn.evidence]
        kind: FailureKind | None = None if label else "permanent"
        return Prediction(
            label,
            failure,
            evidence=evidence,
            tokens=turn.tokens,
            failure_kind=kind,
            output_tokens=turn.output_tokens,
        )


def chosen_label(turn: Turn, labels: Sequence[str]) -> str | None:
    """Return the label that a tool found last, else the only label that the answer names, else None."""
    found = [item.label for item in turn.evidence if item.label in labels]
    if found:
        return found[-1]
    named = [label for label in labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", turn.answer, re.IGNORECASE)]
    return named[0] if len(named) == 1 else None
