"""How near two settings are, as numbers to compute with and as words to grasp."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finetune.hyperparameters import Hyperparameters
from finetune.past import PastRun

if TYPE_CHECKING:
    Vector = NDArray[np.float64]

CLOSE, FAR = 0.2, 0.6  # of a knob's range
TOLD = 3  # differences that a sentence names


@dataclass(frozen=True)
class Axis:
    """One knob as a direction: what is sensible for it is 1 long.

    Attributes:
        low, high: the ends of what is sensible; the scale goes on beyond them.
        logarithmic: a factor, not a difference, is what counts.
    """

    knob: str
    label: str
    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high one."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def spoken(self, value: float) -> str:
        """Return a value as people write it: 2e-4, 16, 10 %."""
        if self.knob == "learning_rate":
            mantissa, exponent = f"{value:.1e}".split("e")
            return f"{float(mantissa):g}e{int(exponent)}"
        return f"{value:.3g}" if self.knob != "warmup_ratio" else f"{value:.0%}".replace("%", " %")


AXES = (
    Axis("learning_rate", "learning rate", 1e-5, 1e-3, logarithmic=True),
    Axis("batch_size", "batch size", 4, 128, logarithmic=True),
    Axis("num_train_epochs", "epochs", 0.25, 16, logarithmic=True),
    Axis("weight_decay", "weight decay", 0, 0.2),
    Axis("warmup_ratio", "warm-up", 0, 0.5),
    Axis("gradient_accumulation_steps", "gradient accumulation", 1, 16, logarithmic=True),
    Axis("label_smoothing", "label smoothing", 0, 0.4),
    Axis("max_grad_norm", "gradient clipping", 0.1, 10, logarithmic=True),
    Axis("max_length", "longest text", 16, 512, logarithmic=True),
    Axis("lora_rank", "LoRA rank", 1, 64, logarithmic=True),
)
# What is either the same or not, and how far apart that is.
KINDS = {
    "method": ("method", 2.0),
    "lr_scheduler_type": ("schedule", 0.25),
    "class_weights": ("class weights", 0.5),
    "freeze_embeddings": ("frozen word vectors", 0.25),
}


@dataclass(frozen=True)
class Setting:
    """The knobs that decide what is learned, under their names; warm-up always as a share of the steps.

    When a run looks at itself, where it runs and its seed are left out: they change the figures by chance alone.
    """

    values: Mapping[str, Any]

    @classmethod
    def of(cls, knobs: Hyperparameters, warmup_share: float | None = None) -> "Setting":
        """Take the setting from hyper-parameters."""
        document = knobs.model_dump(include={*(axis.knob for axis in AXES), *KINDS})
        if knobs.method != "lora":
            document["lora_rank"] = Hyperparameters().lora_rank  # a rank that nothing has
        return cls(document | {"warmup_ratio": knobs.warmup_ratio if warmup_share is None else warmup_share})

    @classmethod
    def of_run(cls, run: PastRun) -> "Setting":
        """Take the setting of a past run."""
        return cls.of(run.knobs, run.warmup_share)

    @property
    def place(self) -> "Vector":
        """Return where it lies, an entry per axis."""
        return np.array([axis.place(self.values[axis.knob]) for axis in AXES])

    def distance(self, other: "Setting") -> float:
        """Return how far another is: 1 is one knob moved through all that is sensible for it."""
        steps = [apart for knob, (_, apart) in KINDS.items() if self.values[knob] != other.values[knob]]
        return float(np.linalg.norm([*(self.place - other.place), *steps]))

    def differences(self, other: "Setting") -> list[str]:
        """Return in words in what another differs, what is furthest apart first."""
        apart = {
            f"{axis.label} {axis.spoken(theirs)} instead of {axis.spoken(ours)}": abs(there - here)
            for axis, here, there in zip(AXES, self.place, other.place, strict=True)
            if (ours := self.values[axis.knob]) != (theirs := other.values[axis.knob])
            and axis.spoken(ours) != axis.spoken(theirs)
        }
        for knob, (label, far) in KINDS.items():
            if self.values[knob] != other.values[knob]:
                apart[f"{label} {_word(other.values[knob])} instead of {_word(self.values[knob])}"] = far
        return sorted(apart, key=lambda words: -apart[words])


@dataclass(frozen=True)
class Neighbour:
    """A past run near a setting: how far, and in what it differs."""

    run: PastRun
    distance: float
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Return whether it is the very setting."""
        return not self.differences

    @property
    def nearness(self) -> str:
        """Return the distance as a word."""
        if self.is_same:
            return "this setting"
        return "close" if self.distance <= CLOSE else "some way off" if self.distance <= FAR else "far off"

    @property
    def words(self) -> str:
        """Return in what it differs, as a clause."""
        if self.is_same:
            return "the same setting"
        named, more = list(self.differences[:TOLD]), len(self.differences) - TOLD
        *first, last = [*named, f"{more} more"] if more > 0 else named
        return f"same but for {', '.join(first)} and {last}" if first else f"same but for {last}"


def nearest(setting: Setting, runs: Iterable[PastRun], count: int = 3) -> list[Neighbour]:
    """Return the runs nearest to a setting; of those equally near, whole runs and then newer ones come first."""
    found = [
        Neighbour(run, setting.distance(theirs), tuple(setting.differences(theirs)))
        for run in runs
        if run.curve and (theirs := Setting.of_run(run))
    ]
    return sorted(found, key=lambda one: (round(one.distance, 6), not one.run.is_whole, -one.run.when))[:count]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("_", " ")
