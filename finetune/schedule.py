"""How many steps a run takes, and at which of them it logs, validates and saves."""

import math
from dataclasses import dataclass

from finetune.hyperparameters import Hyperparameters
from lab.errors import BakeoffError

VALIDATIONS = 4
LOGS = 40


@dataclass(frozen=True)
class Schedule:
    """The steps of one training run; a step is one move of the weights.

    Attributes:
        planned_steps: those in which the learning rate falls to its end.
        total_steps: those that are taken: all of them, unless the run is to end before.
    """

    steps_per_epoch: int
    planned_steps: int
    total_steps: int
    warmup_steps: int
    eval_steps: int
    save_steps: int
    logging_steps: int

    @classmethod
    def of(cls, examples: int, knobs: Hyperparameters, until: float = 1.0, validates: bool = True) -> "Schedule":
        """Return the schedule of a run over `examples`; a fraction of an epoch is that fraction, rounded up.

        The run ends after the share `until` of what was planned. One that does not validate has nothing to choose by.

        Raises:
            BakeoffError: checkpoints that do not fall on validations, so that none could be chosen as the best.
        """
        batches = math.ceil(examples / knobs.batch_size)
        epoch = math.ceil(batches / knobs.gradient_accumulation_steps)
        total = steps_in(epoch, knobs.num_train_epochs)
        eval_steps = knobs.eval_steps or min(epoch, math.ceil(total / VALIDATIONS))
        save_steps = knobs.save_steps or eval_steps
        if validates and save_steps % eval_steps:
            raise BakeoffError(
                f"save_steps as a multiple of eval_steps ({eval_steps})",
                str(save_steps),
                f"use --save-steps {max(1, round(save_steps / eval_steps)) * eval_steps}",
            )
        warmup = knobs.warmup_steps or round(knobs.warmup_ratio * total)
        ends = steps_in(total, until)
        return cls(epoch, total, ends, warmup, eval_steps, save_steps, max(1, min(total // LOGS, eval_steps)))

    @property
    def epochs(self) -> float:
        """Return the passes over the data that the steps make."""
        return self.total_steps / self.steps_per_epoch

    @property
    def validations(self) -> int:
        """Return how often the run validates; the last step always does."""
        return math.ceil(self.total_steps / self.eval_steps)

    @property
    def checkpoints(self) -> int:
        """Return how often the run saves; the last step always does."""
        return math.ceil(self.total_steps / self.save_steps)


def steps_in(epoch: int, epochs: float) -> int:
    """Return the steps in so many epochs of `epoch` steps, rounded up."""
    return max(1, math.ceil(round(epoch * epochs, 6)))  # in floats 100 x 0.07 is a little more than 7
