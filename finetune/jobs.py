"""A training as the command line asks for it: load the data, split it, train or go on, and tell what came out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from finetune.folder import TrainingFolder, interrupted_training
from finetune.hyperparameters import Hyperparameters
from finetune.registry import champion_id, classifier_id, measured_by, refit_id, train_or_reuse
from finetune.trackers import check_trackers
from lab.console import Console
from lab.datasets import Origin, Split, load_dataset, split_dataset
from lab.errors import BakeoffError
from lab.settings import settings

if TYPE_CHECKING:
    from finetune.estimate import Estimate

TOLD = ("steps", "epochs", "seconds", "train_loss", "validation")


@dataclass(frozen=True)
class Job:
    """What to train on what; `origin.seed` splits the data and seeds the training.

    With `refit` it is trained once to choose and measure, and then so many times more on the validation texts too.
    """

    origin: Origin
    base: str = "embedded:minilm"
    knobs: Hyperparameters = field(default_factory=Hyperparameters)
    report_to: tuple[str, ...] = ()
    refit: int = 0

    @classmethod
    def of(
        cls,
        data: str = "tweets",
        text_column: str = "text",
        label_column: str = "label",
        base: str = "embedded:minilm",
        knobs: Mapping[str, Any] | None = None,
        report_to: tuple[str, ...] = (),
        refit: int = 0,
    ) -> "Job":
        """Make a job of what a user wrote; the seed is the settings' where the knobs have none.

        Raises:
            BakeoffError: a knob outside its limits, or a tracker that is not there.
        """
        check_trackers(report_to)
        hyperparameters = Hyperparameters.checked(**{"seed": settings().seed, **(knobs or {})})
        origin = Origin(data, text_column, label_column, hyperparameters.seed)
        return cls(origin, base, hyperparameters, report_to, refit)

    def load(self) -> Split:
        """Load and split the data; tells what was left out.

        Raises:
            BakeoffError: it cannot be loaded, or a label is too rare to split.
        """
        dataset = load_dataset(self.origin.data, self.origin.text_column, self.origin.label_column)
        for line in dataset.left_out:
            Console().warn(line)
        return split_dataset(dataset, self.knobs.seed)

    def identifier(self, split: Split | None = None) -> str:
        """Return the id of the classifier that this makes; loads the data unless it is given."""
        split = split or self.load()
        return refit_id(classifier_id(split.train, split.validation, self.knobs, self.base), self.refit)

    def arguments(self) -> list[str]:
        """Return what `bakeoff train` is told to do this, without what goes without saying."""
        usual, own = Job.of(), {name: value for name, value in self.knobs.told().items() if name != "seed"}
        said = {**asdict(usual.origin), "base": usual.base}
        wished = {**asdict(self.origin), "base": self.base, "seed": self.knobs.seed}
        given = {name: value for name, value in wished.items() if value != said[name]} | own
        return [
            *(part for name, value in given.items() for part in _flag(name, value)),
            *(part for name in self.report_to for part in ("--report-to", name)),
            *(["--refit", str(self.refit)] if self.refit else []),
        ]

    def estimate(self) -> "Estimate":
        """Return what the training would take, from a few real steps; of a refit, what all trainings would."""
        from finetune.methods import estimate_model

        split = self.load()
        first = estimate_model(self.base, self.knobs, split.train, split.validation)
        if not self.refit:
            return first
        # Another may end before its last step: where the first was best, which nobody knows yet.
        another = estimate_model(self.base, self.knobs, split.train.joined(split.validation), None)
        return reduce(lambda whole, one: whole.then(one), [another] * self.refit, first)


def run_job(job: Job, fresh: bool = False) -> dict[str, Any]:
    """Train, or go on, or take what is there; return the document of `bakeoff train --json`."""
    split = job.load()
    trained = train_or_reuse(split.train, split.validation, job.knobs, job.base, fresh, job.report_to, refit=job.refit)
    card = trained.classifier.card
    if trained.reused:
        Console().note(f"{trained.id} was trained before with this data and setting; --fresh trains it again")
    if champion_id() != trained.id:
        fix = f"bakeoff classifier promote {trained.id}"
        Console().note(f"the agent goes on with {champion_id() or 'no classifier'}; to use this one: {fix}")
    told = {name: card[name] for name in TOLD}
    knobs = job.knobs.model_dump()
    return {"classifier": trained.id, **told, "hyperparameters": knobs, "estimate": card["estimate"]} | {
        **{name: card[name] for name in ("best_step", "findings", "resumed_at", "device", "precision")},
        "averaged": card.get("averaged", 1),
    }


def resumed_job(wanted: Job | None) -> Job:
    """Return the job to go on with: `wanted`, or without one the last that was cut off.

    Raises:
        BakeoffError: there is nothing to go on with.
    """
    if wanted is None:
        training = interrupted_training()
        if training is None:
            raise BakeoffError("a training that was cut off", "none in this workspace", "start one with: bakeoff train")
        Console().note(f"going on with {training.path.name}, begun {training.state['started']}")
        return job_of(training)
    identifier = wanted.identifier()
    if not any(TrainingFolder.of(one).is_begun for one in (identifier, measured_by(identifier))):
        fix = "leave out --resume to train it, or give --resume alone to go on with the last one that was cut off"
        raise BakeoffError(f"a checkpoint of {identifier}", "none", fix)
    return wanted


def job_of(training: TrainingFolder) -> Job:
    """Return the job that a training whose data can be loaded again was begun with."""
    state = training.state
    knobs = Hyperparameters.checked(**state["hyperparameters"])
    return Job(Origin(**state["origin"]), state["base"], knobs, tuple(state["report_to"]), int(state.get("refit", 0)))


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)]
