"""For a text as it stands: the past cases nearest to it, and the champion's warning."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from agents.suggest.foresight import SURE, Foresight, Warned, champion_foresight
from lab.console import progress
from rag import Evidence, Index, document_index, example_index, example_passages
from rag.index import as_documents

if TYPE_CHECKING:
    from lab.datasets import Dataset

CASES = 5


@dataclass(frozen=True)
class Suggestion:
    """What there is to say of a text.

    Attributes:
        text: as it stood.
        cases: the nearest past cases, nearest first.
        warning: the champion's, if it is sure enough.
        seconds: how long it took.
    """

    text: str
    cases: list[Evidence]
    warning: Warned | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """Return it as data: text, cases, numbered from 1, warning or None, seconds."""
        return asdict(self) | {"cases": as_documents(self.cases)}


class Suggester:
    """Answers for each state of a text, fast enough for typing; a program keeps one."""

    def __init__(self, cases: Index, foresight: Foresight | None = None, k: int = CASES, sure: float = SURE) -> None:
        """Suggest from an index.

        Args:
            cases: past cases, labelled examples or passages of documents.
            foresight: warns; None never does.
            k: how many cases.
            sure: the probability from which on there is a warning.
        """
        self.cases = cases
        self._foresight, self._k, self._sure = foresight, k, sure

    @classmethod
    def over_examples(cls, data: "Dataset | None" = None, k: int = CASES, sure: float = SURE) -> "Suggester":
        """Return one over labelled examples, which are indexed once; the champion warns.

        Args:
            data: the examples; None takes what the champion learned from, or without one the tweets' training part.
            k: how many cases.
            sure: the probability from which on there is a warning.

        Raises:
            BakeoffError: the examples cannot be loaded.
        """
        data = data or _usual_cases()
        index = example_index(data.fingerprint)
        if len(index) < len({(example.text, example.label, example.source) for example in data.examples}):
            with progress(f"index of {len(data)} past cases", total=len(data)) as bar:
                rows = ((example.text, example.label, example.source) for example in data.examples)
                index.sync(example_passages(rows), advance=bar.advance)
        return cls(index, champion_foresight(), k, sure)

    @classmethod
    def over_documents(cls, k: int = CASES, sure: float = SURE) -> "Suggester":
        """Return one over the passages of the document index; the champion warns."""
        return cls(document_index(), champion_foresight(), k, sure)

    def suggest(self, text: str) -> Suggestion:
        """Return what there is to say of `text` as it stands; of an empty one, nothing."""
        start = time.perf_counter()
        cases = self.cases.search([text], self._k)[0] if text.strip() else []
        return Suggestion(text, cases, self._warning(text, cases), time.perf_counter() - start)

    def _warning(self, text: str, cases: Sequence[Evidence]) -> Warned | None:
        if not self._foresight or not text.strip():
            return None
        found = self._foresight.foresee([text])[0]
        if found is None or found.probability < self._sure:
            return None
        labels = [case.label for case in cases if case.label]
        return replace(found, share=labels.count(found.label) / len(labels) if labels else None)


def _usual_cases() -> "Dataset":
    """Return the training part of the champion's data, or of the tweets where there is none to be had."""
    from finetune.registry import champion_id, describe_classifier
    from lab.datasets import Origin, load_dataset, load_split, split_dataset
    from lab.settings import settings

    identifier = settings().classifier or champion_id()
    origin = describe_classifier(identifier)["card"]["origin"] if identifier else None
    return (load_split(Origin(**origin)) if origin else split_dataset(load_dataset())).train
