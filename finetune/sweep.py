"""Sweeps: Optuna looks for the best hyper-parameters, drops the hopeless early, and says which knob mattered."""

import math
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.callbacks import Diverged
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.methods import prepare
from finetune.schedule import Schedule, steps_in
from finetune.space import Space
from finetune.training import measures, train_model
from lab.datasets import Origin, Split, load_split
from lab.errors import BakeoffError
from lab.redact import reason
from lab.statistics import wilson
from lab.workspace import Workspace

PrunerName = Literal["median", "hyperband", "none"]
HEARTBEAT, GRACE = 20, 60  # seconds: a worker that is silent for longer was killed, and its trial is tried again
FEWEST = 4  # complete trials from which importances can be told
FAILURE = "failure"  # the attribute of a trial that says why it failed, or that its loss diverged
MATTERS = 0.1  # share of the variance from which a knob is said to matter


class TrialFailed(Exception):
    """A trial that its own setting brought to an end, for instance by more memory than there is; the sweep goes on."""


@dataclass(frozen=True)
class Sweep:
    """What to search, on what data, and where the study is kept.

    Attributes:
        storage: any URL that Optuna takes.
        rung: epochs between two looks at a trial; the fidelity by which trials are compared.
        deadline: seconds since the epoch after which no trial begins; None for never.
    """

    study: str
    storage: str
    origin: Origin
    base: str
    space: Space
    trials: int
    pruner: PrunerName = "median"
    rung: float = 0.5
    deadline: float | None = None


@dataclass(frozen=True)
class Swept:
    """What a sweep found: the best trial's setting and score, how much each knob mattered, and that in a sentence."""

    study: str
    trials: dict[str, int]
    best_trial: int
    validation_accuracy: float
    hyperparameters: Hyperparameters
    importances: dict[str, float]
    sentence: str

    def document(self) -> dict[str, Any]:
        """Return it as data."""
        return asdict(self) | {"hyperparameters": self.hyperparameters.model_dump()}


def run_trials(sweep: Sweep, split: Split, told: Callable[[FrozenTrial], None] | None = None) -> None:
    """Work on the study until its trials are done or the time is up; any number of processes may do so at once.

    Args:
        sweep: what to search.
        split: the data that `sweep.origin` names.
        told: is called with each trial that ends.

    Raises:
        BakeoffError: the storage cannot be reached, or holds a study of other data or another space.
    """
    study = open_study(sweep)

    def after(study: optuna.Study, trial: FrozenTrial) -> None:
        if told:
            told(trial)
        if finished(study) >= sweep.trials or (sweep.deadline and time.time() > sweep.deadline):
            study.stop()

    if finished(study) < sweep.trials:
        study.optimize(lambda trial: _objective(trial, sweep, split), callbacks=[after], catch=TrialFailed)


def open_study(sweep: Sweep) -> optuna.Study:
    """Open the study, or make it.

    Raises:
        BakeoffError: the storage cannot be reached, or holds a study of other data or another space.
    """
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    if sweep.storage.startswith("sqlite:///"):
        Path(sweep.storage.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = optuna.storages.RDBStorage(
            sweep.storage,
            heartbeat_interval=HEARTBEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
        study = optuna.create_study(
            study_name=sweep.study,
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True),
            pruner=_pruner(sweep),
        )
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        got = f"{type(error).__name__} from {public_url(sweep.storage)}"
        fix = "check --storage and that its server runs; PostgreSQL needs the extra 'postgres'"
        raise BakeoffError("a storage that Optuna can open", got, fix) from None
    _check_same(study, sweep)
    return study


def finished(study: optuna.Study) -> int:
    """Return how many trials came to an end of their own: complete, pruned, or failed by their setting."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return sum(trial.state != TrialState.FAIL or FAILURE in trial.user_attrs for trial in ended)


def conclude(sweep: Sweep) -> Swept:
    """Return what the study has found so far.

    Raises:
        BakeoffError: no trial is complete yet.
    """
    study = open_study(sweep)
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        failures = [trial.user_attrs[FAILURE] for trial in trials if FAILURE in trial.user_attrs]
        got = f"none among {len(trials)}" + (f"; the last to fail: {failures[-1]}" if failures else "")
        raise BakeoffError("a complete trial", got, "search other values, or for longer: --trials, --max-minutes")
    best, validation = study.best_trial, load_split(sweep.origin).validation
    counts = {state.name.lower(): sum(trial.state == state for trial in trials) for state in TrialState}
    importances = _importances(study) if len(complete) >= FEWEST else {}
    knobs = Hyperparameters.checked(**best.user_attrs["hyperparameters"])
    score = float(best.value or 0)
    sentence = _sentence(best, complete, counts, importances, len(validation))
    return Swept(study.study_name, counts, best.number, score, knobs, importances, sentence)


def default_storage(study: str) -> str:
    """Return the URL of a study's own SQLite file in the workspace."""
    return f"sqlite:///{Workspace.current().home.resolve() / 'sweeps' / study}.db"


def public_url(storage: str) -> str:
    """Return a storage's URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(storage).render_as_string(hide_password=True)
    except ArgumentError:
        return "a URL that is none"


def plain(value: Any) -> str:
    """Return a knob's value in few digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class _Reporter(TrainerCallback):
    """Reports validation accuracy at each rung, and ends a trial that the pruner gives up."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self._rung = trial, 0

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Report, and prune."""
        self._rung += 1
        self._trial.report((metrics or {})["eval_accuracy"], self._rung)
        if self._trial.should_prune():
            raise optuna.TrialPruned


def _objective(trial: optuna.Trial, sweep: Sweep, split: Split) -> float:
    """Train once and return the best validation accuracy on the way.

    Raises:
        TrialPruned: it was hopeless, or its loss diverged.
        TrialFailed: its setting cannot be trained here.
        BakeoffError: no setting can, for instance on a full disk.
    """
    knobs = sweep.space.suggest(trial, seed=sweep.origin.seed)
    steps = Schedule.of(len(split.train), knobs.model_copy(update={"eval_steps": 0, "save_steps": 0})).steps_per_epoch
    looks = {"eval_steps": steps_in(steps, sweep.rung), "save_steps": 0, "early_stopping_patience": 0}
    knobs = knobs.model_copy(update=looks)
    trial.set_user_attr("hyperparameters", knobs.model_dump())
    trial.set_user_attr("measures", measures(split.train, split.validation, knobs))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kept = TrainingFolder(Path(folder))
        try:
            training = prepare(sweep.base, knobs.resolved(), split.train.labels, kept)
            training = replace(training, callbacks=(_Reporter(trial),), quiet=True, keep=False)
            card = train_model(training, split.train, split.validation)
        except Diverged as error:
            trial.set_user_attr(FAILURE, str(error))
            raise optuna.TrialPruned from error
        except (optuna.TrialPruned, BakeoffError):
            raise
        except Exception as error:  # whatever PyTorch says of a setting that it cannot compute
            trial.set_user_attr(FAILURE, f"{type(error).__name__}: {reason(error)}")
            raise TrialFailed from error
        finally:
            trial.set_user_attr("curve", kept.curve())
            trial.set_user_attr("seconds", round(time.perf_counter() - start, 2))
    return float(max(point["eval_accuracy"] for point in card["curve"] if "eval_accuracy" in point))


def _pruner(sweep: Sweep) -> optuna.pruners.BasePruner:
    rungs = max(2, math.ceil(sweep.space.most_epochs / sweep.rung))
    match sweep.pruner:
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        case "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=rungs, reduction_factor=3)
        case "none":
            return optuna.pruners.NopPruner()


def _check_same(study: optuna.Study, sweep: Sweep) -> None:
    """Refuse to mix trials that cannot be compared."""
    meant = {
        "data": asdict(sweep.origin),
        "base": sweep.base,
        "space": [str(choice) for choice in sweep.space.choices],
        "fixed": dict(sweep.space.fixed),
        "rung": sweep.rung,
    }
    there = study.user_attrs.get("bakeoff")
    if there is None:
        study.set_user_attr("bakeoff", meant)
    elif there != meant:
        other = next(name for name in meant if there.get(name) != meant[name])
        got = f"one with other {other} ({there.get(other)})"
        raise BakeoffError(f"the study {study.study_name} to be this one", got, "name another with --study")


def _importances(study: optuna.Study) -> dict[str, float]:
    """Return the share of each knob in what made trials good (PED-ANOVA, Watanabe et al. 2023, arXiv 2304.10255)."""
    try:
        found = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):  # all trials alike
        return {}
    return {name: round(float(share), 4) for name, share in found.items() if math.isfinite(share)}


def _sentence(
    best: FrozenTrial, complete: list[FrozenTrial], counts: dict[str, int], importances: dict[str, float], texts: int
) -> str:
    score = float(best.value or 0)
    low, _ = wilson(round(score * texts), texts)
    alike = sum(float(trial.value or 0) >= low for trial in complete)
    setting = ", ".join(f"{name} {plain(value)}" for name, value in best.params.items())
    strong = [f"{name} ({share:.0%})" for name, share in importances.items() if share >= MATTERS]
    weak = [name for name, share in importances.items() if share < MATTERS]
    what = f"What mattered: {', then '.join(strong)}" if strong else "Too few trials to say what mattered"
    rest = f"; hardly: {', '.join(weak)}" if strong and weak else ""
    return (
        f"Best of {counts['complete'] + counts['pruned']} trials ({counts['pruned']} pruned): validation accuracy"
        f" {score:.1%} with {setting}. {what}{rest}. On {texts} validation texts, {alike} of the {counts['complete']}"
        f" complete trials are within the best one's 95 % interval."
    )
