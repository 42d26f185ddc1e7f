"""What an arm is made of, each part with what it takes: to get ready, to take a change in, and to answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evals.costs import Effort
from evals.forecast.efforts import UNKNOWN, Lesson, Ready
from evals.forecast.rates import PromptRate, Rates
from evals.suite import Arm
from finetune.hyperparameters import Hyperparameters
from finetune.registry import classifier_folder, classifier_id, refit_id
from finetune.schedule import Schedule

MOST = "at most: the LLM is asked only where the classifier is unsure"
ABSTAINS = "at most: it abstains on some questions"
CONTENT_FREE = 3  # prompts without a text, by which an LLM's bias is learned


class Part(Protocol):
    """One piece of an arm, or the whole of it."""

    @property
    def note(self) -> str:
        """Return in words what its figures rest on, once they were asked for."""
        ...

    def learn(self, lesson: Lesson) -> Effort:
        """Return what getting ready takes, or taking a change in."""
        ...

    def answer(self) -> Effort:
        """Return what one text takes."""
        ...


UNFORETOLD = {
    "agent": "how many steps it goes cannot be foretold",
    "team": "how often its reviewer sends an answer back cannot be foretold",
    "native": "how many tokens its tools' descriptions take is the provider's count",
    "reranked": "how long a reranker reads cannot be foretold",
}


def whole_arm(arm: Arm, kind: str, rates: Rates, ready: Ready) -> Part:
    """Return an arm of a suite of that kind as one part; of a class of the user's own all is unknown."""
    if arm.approach in ("closed_book", "knn", "rag") and kind == "knowledge":
        return _answering(arm, rates, ready)
    trained, indexed = Trained(arm, rates, ready), Indexed(rates, ready)
    match arm.approach:
        case "majority" | "router":
            return Joined([])
        case "zero_shot":
            return Prompted(arm, rates, shots=0)
        case "knn" | "dense" | "bm25" | "fused":
            return indexed
        case "rag":
            return Joined([indexed, Prompted(arm, rates, arm.k)])
        case "linear_probe" | "finetuned":
            return trained
        case "hybrid":
            parts: list[Part] = [trained, indexed, Prompted(arm, rates, arm.k)]
            return Joined(parts, arm.validation_texts, MOST if arm.form == "cascade" else "")
        case "agent" | "team" | "native" | "reranked":
            learning = indexed if kind == "compound" else trained
            known: dict[str, list[Part]] = {"agent": [learning], "team": [indexed], "reranked": [indexed], "native": []}
            return Joined([*known[arm.approach], Unknown(UNFORETOLD[arm.approach], learns=False)])
        case _:
            return Unknown("what its own code takes cannot be foretold")


def _answering(arm: Arm, rates: Rates, ready: Ready) -> Part:
    """Return an arm that answers questions in words."""
    if arm.approach == "closed_book":
        return Spoken(arm, rates, passages=0)
    return Joined([Indexed(rates, ready), Read(arm, rates) if arm.approach == "knn" else Spoken(arm, rates, arm.k)])


@dataclass
class Unknown:
    """What cannot be foretold: the user's own code, or an agent's way to an answer."""

    note: str
    learns: bool = True

    def learn(self, lesson: Lesson) -> Effort:
        """Return what nobody knows, if there is something to learn."""
        return UNKNOWN if self.learns else Effort()

    def answer(self) -> Effort:
        """Return what nobody knows."""
        return UNKNOWN


@dataclass
class Joined:
    """Parts that each learn and each answer, and so many validation texts by which their joint is chosen."""

    parts: Sequence[Part]
    validation_texts: int = 0
    caveat: str = ""

    @property
    def note(self) -> str:
        """Return the notes of all parts."""
        return "; ".join(filter(None, [self.caveat, *(part.note for part in self.parts)]))

    def learn(self, lesson: Lesson) -> Effort:
        """Return what all parts take, and their answers to the validation texts."""
        learned = sum((part.learn(lesson) for part in self.parts), start=Effort())
        watched = min(self.validation_texts, len(lesson.validation))
        return learned + self.answer() * watched if watched else learned

    def answer(self) -> Effort:
        """Return what all parts take."""
        return sum((part.answer() for part in self.parts), start=Effort())


@dataclass
class Indexed:
    """An index of the training examples, and the embedding of each text that is looked up in it."""

    rates: Rates
    ready: Ready
    _spared: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        """Return why nothing has to be embedded, where that is so."""
        return self._spared[0] if all(self._spared) and self._spared else ""

    def learn(self, lesson: Lesson) -> Effort:
        """Return what embedding the new examples takes."""
        self._spared.append(self.ready.take_index(lesson))
        return Effort() if self._spared[-1] else Effort(self.rates.embedding * len(lesson.new))

    def answer(self) -> Effort:
        """Return what embedding one text takes."""
        return Effort(self.rates.embedding)


@dataclass
class Prompted:
    """A base LLM that is asked for the label, after so many examples."""

    arm: Arm
    rates: Rates
    shots: int
    note: str = ""

    def learn(self, lesson: Lesson) -> Effort:
        """Return what learning the LLM's bias takes."""
        asked = {
            "none": 0,
            "content_free": 0 if self.shots else CONTENT_FREE,
            "batch": min(self.arm.validation_texts, len(lesson.validation)),
        }
        prompts = asked[self.arm.calibration]
        return self._prompt() * prompts if prompts else Effort()

    def answer(self) -> Effort:
        """Return what one answer takes, with those about nothing where each context has a bias of its own."""
        asides = CONTENT_FREE if self.arm.calibration == "content_free" and self.shots else 0
        return self._prompt() * (1 + asides)

    def _prompt(self) -> Effort:
        rate = self.rates.labelling(str(self.arm.llm), self.shots)
        if rate.too_long:
            self.note = f"{rate.too_long:.0%} of the prompts are too long for the LLM: these answers will fail"
        return _effort(rate)


@dataclass
class Spoken:
    """A base LLM that answers in words, out of so many passages; without any it first says whether it knows."""

    arm: Arm
    rates: Rates
    passages: int
    note: str = ABSTAINS

    def learn(self, lesson: Lesson) -> Effort:
        """Return what saying of each validation question whether it knows takes; out of passages that is no work."""
        return Effort() if self.passages else self._knowing() * len(lesson.validation)

    def answer(self) -> Effort:
        """Return what one answer takes."""
        spoken = _effort(self.rates.answering(str(self.arm.llm), self.passages))
        return spoken if self.passages else self._knowing() + spoken

    def _knowing(self) -> Effort:
        return _effort(self.rates.knowing(str(self.arm.llm)))


@dataclass
class Read:
    """The sentences of the passages found, each embedded to find the nearest."""

    arm: Arm
    rates: Rates
    note: str = ABSTAINS

    def learn(self, lesson: Lesson) -> Effort:
        """Return nothing: sentences are embedded when they are asked about."""
        return Effort()

    def answer(self) -> Effort:
        """Return what the sentences of one question take."""
        return Effort(self.rates.reading(self.arm.k))


def _effort(rate: PromptRate) -> Effort:
    return Effort(rate.seconds, rate.read, rate.written)


@dataclass
class Trained:
    """A classifier: fine-tuned in steps, or a linear probe."""

    arm: Arm
    rates: Rates
    ready: Ready
    _base: str = ""
    _spared: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        """Return why nothing has to be trained, where that is so."""
        return self._spared[0] if all(self._spared) and self._spared else ""

    def learn(self, lesson: Lesson) -> Effort:
        """Return what the training takes, which a classifier that is there spares."""
        goes_on = lesson.follows and self.arm.update_by == "continue" and not self._is_probe
        if goes_on and not len(lesson.new):
            return Effort()
        data = lesson.new if goes_on else lesson.known
        knobs = self._knobs(len(data), lesson.seed)
        first = classifier_id(data, lesson.validation, knobs, self._base if goes_on else self.arm.base)
        again, watched = refit_id(first, self.arm.refit), len(lesson.validation)
        self._base = str(classifier_folder(again))
        seconds = {again: self.arm.refit * self._seconds(len(data) + watched, 0, knobs)} if self.arm.refit else {}
        seconds |= {first: self._seconds(len(data), watched, knobs)}
        spared = {made: self.ready.take_classifier(made) for made in seconds}
        self._spared += spared.values()
        return Effort(sum(seconds[made] for made in seconds if not spared[made]))

    def answer(self) -> Effort:
        """Return what one text takes."""
        return Effort(self.rates.classifying(self.arm.base, self.arm.hyperparameters))

    @property
    def _is_probe(self) -> bool:
        return self.arm.approach == "linear_probe" or self.arm.hyperparameters.method == "probe"

    def _knobs(self, examples: int, seed: int) -> Hyperparameters:
        """Return the hyper-parameters as the approach sets them for so many examples."""
        knobs = self.arm.hyperparameters
        epochs = max(knobs.num_train_epochs, self.arm.least_steps * knobs.batch_size / examples)
        method = "probe" if self._is_probe else knobs.method
        return knobs.model_copy(update={"seed": seed, "num_train_epochs": epochs, "method": method})

    def _seconds(self, learned: int, watched: int, knobs: Hyperparameters) -> float:
        """Return the seconds of a training, which begins with an estimate and ends with two readings of `watched`."""
        from finetune.estimate import PROBE_TEXTS, small_steps

        reading = self.rates.classifying(self.arm.base, self.arm.hyperparameters)
        if self._is_probe:
            return reading * (learned + 3 * watched)
        rate, schedule = (
            self.rates.training(self.arm.base, self.arm.hyperparameters),
            Schedule.of(learned, knobs, validates=bool(watched)),
        )
        share = min(1.0, learned / (knobs.batch_size * knobs.gradient_accumulation_steps))  # of a batch that is full
        steps = schedule.total_steps + small_steps(knobs, learned, schedule.total_steps)[1]
        watching = (rate.validation * schedule.validations + 2 * reading) * watched
        watching += 2 * rate.validation * min(PROBE_TEXTS, watched)
        return rate.setup + rate.step * share * steps + watching
