"""A user's own approach: a class that a suite names, taken in although it may lack parts of the contract."""

import importlib
import inspect
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Self, TypeVar

from evals.approach import Fit, Prediction, best, together
from evals.suite import ENTRY_POINTS, Arm
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import resolve_llm
from lab.redact import reason
from lab.workspace import fingerprint

MOST_TOKENS = 2**53
HANDBOOK = 'see "Your own approach" in the handbook'
T = TypeVar("T")


def own_approach(arm: Arm) -> "Own":
    """Make the approach that `arm` names as module:Class or by an entry point, with its options.

    Raises:
        BakeoffError: there is no such module or class, it lacks a method, or it does not take the options.
    """
    found = load_class(arm)
    options = arm.options | ({"llm": resolve_llm(arm.llm)} if arm.llm else {})

    def make() -> Any:
        try:
            return found(**options)
        except BakeoffError:
            raise
        except (Exception, SystemExit) as error:  # whatever the user's constructor raises
            raise BakeoffError(
                f"{arm.approach} to take its options", _said(error), "correct options: or the class"
            ) from error

    return Own(arm.approach, make)


def own_code(arm: Arm) -> str:
    """Return a fingerprint of the file that defines an arm's own class, so that edited code is another approach.

    Raises:
        BakeoffError: there is no such module or class, or it lacks a method.
    """
    file = inspect.getsourcefile(load_class(arm))
    return fingerprint(Path(file).read_text(encoding="utf-8") if file else arm.approach)


def load_class(arm: Arm) -> type[Any]:
    """Return the class an arm names; modules beside the suite's file and in the current folder are found too.

    Raises:
        BakeoffError: there is no such module or class, or it lacks a method.
    """
    point = next(iter(entry_points(group=ENTRY_POINTS, name=arm.approach)), None)
    module, _, name = (point.value if point else arm.approach).partition(":")
    for folder in filter(None, (arm.folder, str(Path.cwd()))):
        if folder not in sys.path:
            sys.path.append(folder)  # last, so that nothing installed is shadowed
    found = getattr(_imported(module, arm), name.strip(), None)
    if not inspect.isclass(found):
        raise BakeoffError(f"a class {name} in the module {module}", "none", f"correct approach: {arm.approach}")
    lacking = [method for method in ("fit", "predict") if not callable(getattr(found, method, None))]
    if lacking:
        raise BakeoffError("a class with fit and predict", f"{arm.approach} without {' and '.join(lacking)}", HANDBOOK)
    return found


def _imported(module: str, arm: Arm) -> Any:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise BakeoffError(
                f"{module} to be importable", f"no module {error.name}", f"pip install {error.name}"
            ) from error
        where = f"none in {arm.folder or 'the current folder'}, nor installed"
        raise BakeoffError(
            f"a module {module}", where, f"correct approach: {arm.approach}, or put {module}.py there"
        ) from None
    except (Exception, SystemExit) as error:  # a user's module can raise anything, a syntax error included
        raise BakeoffError(f"{module} to be importable", _said(error), f"correct {module}.py") from error


class Own:
    """A user's object as an approach: what it lacks of name, fitted and update is made up for.

    Its predict may return predictions, labels, or scores per label. An error it raises is a failure with that reason.
    """

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name, self.fitted = name, Fit()
        self._make, self._own = make, make()
        self._data: tuple[Dataset, Dataset] | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Fit the user's object; its own `fitted` is kept, else the seconds are taken here."""
        self._data = (train, validation)
        return self._timed(lambda: self._own.fit(train, validation))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Let the user's object answer.

        Raises:
            BakeoffError: it raised an error, or did not answer each text with something that is a prediction.
        """
        answers = self._asked(lambda: list(map(self._prediction, self._own.predict(texts))))
        if len(answers) != len(texts):
            got = f"{len(answers)} for {len(texts)} texts"
            raise BakeoffError(f"one prediction of {self.name} per text", got, "correct its predict")
        return answers

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Let the user's object update itself; one that cannot is made and fitted anew on all that holds now."""
        assert self._data is not None, "fit first"
        train, validation = together(self._data[0], new, gone), self._data[1]
        if callable(getattr(self._own, "update", None)):
            self._data = (train, validation)
            return self._timed(lambda: self._own.update(new, gone))
        self._own = self._make()
        return self.fit(train, validation)

    def _timed(self, work: Callable[[], object]) -> Self:
        start = time.perf_counter()
        self._asked(work)
        own = getattr(self._own, "fitted", None)
        self.fitted = self._checked(own) if isinstance(own, Fit) else Fit(time.perf_counter() - start)
        return self

    def _checked(self, fit: Fit) -> Fit:
        """Return what the user's object says of its fit, if it can be counted."""
        try:
            seconds, counts = float(fit.seconds), [_count(fit.tokens), _count(fit.output_tokens)]
            if not 0 <= seconds < math.inf:
                raise ValueError(seconds)
        except (TypeError, ValueError, OverflowError):
            raise BakeoffError(f"seconds and tokens from 0 on in {self.name}.fitted", f"{fit}", HANDBOOK) from None
        return Fit(seconds, bool(fit.reused), str(fit.note), *counts)

    def _asked(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except BakeoffError:
            raise
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise BakeoffError(f"{self.name} to do its work", _said(error), "correct the class") from error

    def _prediction(self, answer: object) -> Prediction:
        if isinstance(answer, Mapping) and answer:
            answer = Prediction(str(best(answer)), scores=answer)
        elif isinstance(answer, str):
            answer = Prediction(str(answer))
        if not isinstance(answer, Prediction):
            got = f"a {type(answer).__name__}"
            raise BakeoffError(f"a Prediction, a label or scores from {self.name}", got, "correct its predict")
        answer = Prediction(
            None if answer.label is None else str(answer.label),
            answer.failure,
            {str(label): float(score) for label, score in answer.scores.items()},
            tuple(str(source) for source in answer.evidence),
            _count(answer.tokens),
            answer.failure_kind,
            output_tokens=_count(answer.output_tokens),
        )
        if not all(map(math.isfinite, answer.scores.values())):
            return Prediction(None, "gave a score that is no finite number", tokens=answer.tokens)
        assert self._data is not None, "fit first"
        in_words = self._data[0].labels == [""]  # documents have no labels: any answer is one
        if answer.label is None or in_words or answer.label in self._data[0].labels:
            return answer
        return Prediction(None, f"answered {answer.label[:80]!r}, which is no label", tokens=answer.tokens)


def _count(number: Any) -> int:
    """Return a number of tokens.

    Raises:
        ValueError: it is negative, or more than there are.
    """
    if not 0 <= int(number) <= MOST_TOKENS:
        raise ValueError(f"{number} tokens")
    return int(number)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {reason(error)}"
