"""What a sweep may choose from: for each knob a range or a list, as a user writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune.hyperparameters import Hyperparameters
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

DEFAULT = (
    "learning_rate=2e-5..1e-3",
    "batch_size=8,16,32",
    "num_train_epochs=2..8",
    "weight_decay=0..0.1",
    "warmup_ratio=0..0.3",
    "label_smoothing=0..0.2",
    "lr_scheduler_type=linear,cosine",
)
LOGARITHMIC = 20  # a range that spans more than so many times its start is searched by orders of magnitude
# A sweep looks at its trials in its own way, keeps one seed for all, and trains in steps.
NOT_SEARCHED = ("eval_steps", "save_steps", "early_stopping_patience", "metric_for_best_model", "seed")
HOW = 'write a range as "learning_rate=1e-5..1e-3", a list as "batch_size=8,16,32"'


@dataclass(frozen=True)
class Choice:
    """One knob's values: a range (low, high), or options."""

    knob: str
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, written: str) -> "Choice":
        """Read `knob=low..high` or `knob=a,b,c`.

        Raises:
            BakeoffError: it is neither, the knob is unknown, or a value is outside the knob's limits.
        """
        knob, equals, values = (part.strip() for part in written.partition("="))
        knob = knob.replace("-", "_")
        if not equals or not values or knob not in Hyperparameters.model_fields:
            raise BakeoffError(f"a knob among {', '.join(Hyperparameters.model_fields)}", f"'{written}'", HOW)
        if knob in NOT_SEARCHED:
            raise BakeoffError("a knob that can be searched", f"{knob}, which a sweep sets itself", "leave it out")
        low, dots, high = values.partition("..")
        ends = (low, high) if dots else tuple(value.strip() for value in values.split(","))
        for end in ends:
            Hyperparameters.checked(**{knob: end})
        if not dots:
            return cls(knob, options=ends)
        try:
            chosen = cls(knob, float(low), float(high))
        except ValueError:
            raise BakeoffError(f"numbers as the ends of {knob}", f"'{values}'", HOW) from None
        if float(low) >= float(high):
            raise BakeoffError(f"a range of {knob} that rises", f"'{values}'", HOW)
        return chosen

    def suggest(self, trial: "BaseTrial") -> Any:
        """Let Optuna choose."""
        if self.low is None or self.high is None:
            return trial.suggest_categorical(self.knob, self.options)
        if Hyperparameters.model_fields[self.knob].annotation is int:
            return trial.suggest_int(self.knob, round(self.low), round(self.high), log=self._logarithmic)
        return trial.suggest_float(self.knob, self.low, self.high, log=self._logarithmic)

    @property
    def _logarithmic(self) -> bool:
        return self.low is not None and self.high is not None and 0 < self.low * LOGARITHMIC < self.high

    def __str__(self) -> str:
        values = ",".join(self.options) if self.options else f"{self.low:g}..{self.high:g}"
        return f"{self.knob}={values}"


@dataclass(frozen=True)
class Space:
    """All that a sweep chooses from, and the knobs that are fixed."""

    choices: tuple[Choice, ...]
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, written: Sequence[str], fixed: Mapping[str, Any]) -> "Space":
        """Read the choices as a user writes them; without any, the customary knobs but those that are fixed.

        Raises:
            BakeoffError: one cannot be read, or a knob is both searched and fixed.
        """
        Hyperparameters.checked(**fixed)
        choices = [Choice.parse(line) for line in written or DEFAULT]
        methods = [fixed.get("method"), *(o for choice in choices if choice.knob == "method" for o in choice.options)]
        if "probe" in methods:
            raise BakeoffError("a method that trains in steps", "probe", "search full or lora; train the probe at once")
        twice = [choice.knob for choice in choices if choice.knob in fixed]
        if written and twice:
            raise BakeoffError("a knob either searched or fixed", f"{twice[0]} both", "leave one of the two out")
        return cls(tuple(choice for choice in choices if choice.knob not in fixed), dict(fixed))

    def suggest(self, trial: "BaseTrial", **also: Any) -> Hyperparameters:
        """Return hyper-parameters for a trial."""
        chosen = {choice.knob: choice.suggest(trial) for choice in self.choices}
        return Hyperparameters.checked(**{**self.fixed, **also, **chosen})

    @property
    def most_epochs(self) -> float:
        """Return the passes over the data that the longest trial makes."""
        found = next((choice for choice in self.choices if choice.knob == "num_train_epochs"), None)
        if found is None:
            return float(self.fixed.get("num_train_epochs", Hyperparameters().num_train_epochs))
        return float(found.high if found.high is not None else max(map(float, found.options)))
