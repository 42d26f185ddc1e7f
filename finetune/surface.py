"""What a setting would reach, predicted from real runs: a Gaussian process, believed only where it proves itself."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finetune.hyperparameters import Hyperparameters
from finetune.jobs import Job
from finetune.nearby import AXES, KINDS, Setting
from finetune.past import Ground, PastRun
from lab.datasets import Origin
from lab.errors import BakeoffError

if TYPE_CHECKING:
    Vector = NDArray[np.float64]

FEWEST = 12  # different settings
BETTER = 0.9  # of the mean's error on runs left out, from which on a prediction is worth more than the mean
FIRST_SWEEP = 20  # trials
FOLDS = 12  # of the check: with as few runs as there may be, each is left out alone
NOISE = 0.3  # share of the variance that is chance, as far as one can say beforehand
CLIMB = 60  # steps to the best parameters of the kernel
ROUNDING = 1e-9


@dataclass(frozen=True)
class LeftOut:
    """How well runs are predicted from others, without having been seen: the check of a surface.

    Attributes:
        runs: how many were left out in turn.
        error: root mean square, as a share of all texts.
        baseline: the same for the mean of the other runs.
        coverage: the share of runs within their 95 % interval.
    """

    runs: int
    error: float
    baseline: float
    coverage: float

    @property
    def words(self) -> str:
        """Return it in a sentence."""
        return (
            f"Each of {self.runs} real runs, predicted from the others, is off by {100 * self.error:.1f} points (their"
            f" mean: {100 * self.baseline:.1f}); {self.coverage:.0%} lie within their 95 % interval".replace("%", " %")
        )


@dataclass(frozen=True)
class Predicted:
    """A validation accuracy that nobody has measured, with its 95 % interval for a single new run.

    Attributes:
        beyond: the knobs that no run has tried so low or so high.
    """

    accuracy: float
    interval: tuple[float, float]
    beyond: tuple[str, ...]


@dataclass(frozen=True)
class Surface:
    """Validation accuracy over settings, learned from the whole runs of one ground."""

    ground: Ground
    check: LeftOut
    _settings: tuple[Setting, ...]
    _columns: "_Columns"
    _process: "_Process"

    @classmethod
    def of(cls, ground: Ground, runs: Sequence[PastRun]) -> "Surface":
        """Learn from the whole runs of `ground`; the same runs give the same surface.

        A Gaussian process with a Matérn 5/2 kernel, one length scale per knob and noise (Rasmussen and Williams 2006,
        "Gaussian Processes for Machine Learning", chapter 2; Snoek et al. 2012, arXiv 1206.2944, for hyper-parameters;
        scikit-learn's GaussianProcessRegressor); intervals after Student's t, for runs are few. Trials that were pruned
        are left out: how far they would have come, nobody knows.

        Raises:
            BakeoffError: there are too few runs, or they tell no more than their mean; names the sweep to run.
        """
        whole = [run for run in runs if run.ground == ground and run.is_whole]
        settings = tuple(Setting.of_run(run) for run in whole)
        columns = _Columns.of(settings)
        rows = np.array([columns.row(setting) for setting in settings])
        different = len({tuple(row) for row in rows.round(6).tolist()}) if len(whole) else 0
        if different < FEWEST:
            raise BakeoffError(
                f"at least {FEWEST} whole runs with different settings, to predict from",
                f"{different} on {ground.name} with {ground.base}",
                f"make more: {sweep_command(ground, runs, FEWEST - different)}",
            )
        scores = np.array([run.accuracy for run in whole], float)
        process = _Process(rows, scores)
        check = _left_out(rows, scores, process.theta)
        if check.error > BETTER * check.baseline:
            raise BakeoffError(
                "predictions that are better than the mean of the runs",
                f"an error of {100 * check.error:.1f} points where the mean has {100 * check.baseline:.1f}",
                f"try more settings: {sweep_command(ground, runs, FEWEST)}",
            )
        return cls(ground, check, settings, columns, process)

    def predict(self, setting: Setting) -> Predicted:
        """Return what a single new run with this setting would reach on validation.

        Raises:
            BakeoffError: it differs in a knob that all runs have alike, so that they cannot tell what that does.
        """
        if unseen := self._columns.unseen(setting):
            raise BakeoffError(
                f"runs that differ in {unseen}, to predict what it does",
                f"{len(self._settings)} runs alike in it",
                "train this very setting, and it is known",
            )
        (middle,), (reach,) = self._process.predict(np.array([self._columns.row(setting)]))
        low, high = (float(np.clip(end, 0, 1)) for end in (middle - reach, middle + reach))
        return Predicted(float(np.clip(middle, 0, 1)), (low, high), self._beyond(setting))

    def _beyond(self, setting: Setting) -> tuple[str, ...]:
        tried, wished = np.array([theirs.place for theirs in self._settings]), setting.place
        out = (wished < tried.min(axis=0) - ROUNDING) | (wished > tried.max(axis=0) + ROUNDING)
        return tuple(axis.label for axis, is_out in zip(AXES, out, strict=True) if is_out)


def sweep_command(ground: Ground, runs: Sequence[PastRun], more: int) -> str:
    """Return the sweep that makes so many more whole runs of a ground."""
    origin = ground.origin or Origin(ground.name, "text", "label")
    job = Job(origin, ground.base, Hyperparameters(seed=origin.seed or 0))
    trials = sum(run.source == "trial" for run in runs) + more
    wanted = ["--trials", str(max(trials, FIRST_SWEEP)), "--pruner", "none", "--no-train"]
    return shlex.join(["bakeoff", "sweep", *job.arguments(), *wanted])


@dataclass(frozen=True)
class _Columns:
    """In what settings differ: the axes, and of each kind the values beyond the first, as 0 or the distance.

    Attributes:
        alike: the values of all knobs in which they do not differ.
        values: of each kind, in order.
    """

    axes: tuple[int, ...]
    values: Mapping[str, tuple[Any, ...]]
    alike: Mapping[str, Any]

    @classmethod
    def of(cls, settings: Sequence[Setting]) -> "_Columns":
        """Find what differs."""
        seen = {knob: {setting.values[knob] for setting in settings} for knob in (*(a.knob for a in AXES), *KINDS)}
        axes = tuple(number for number, axis in enumerate(AXES) if len(seen[axis.knob]) > 1)
        alike = {knob: next(iter(values)) for knob, values in seen.items() if len(values) == 1}
        return cls(axes, {knob: tuple(sorted(seen[knob], key=str)) for knob in KINDS}, alike)

    def row(self, setting: Setting) -> list[float]:
        """Return a setting's entries."""
        place = setting.place
        kinds = [(knob, value) for knob, values in self.values.items() for value in values[1:]]
        return [
            *(float(place[axis]) for axis in self.axes),
            *(KINDS[knob][1] * (setting.values[knob] == value) for knob, value in kinds),
        ]

    def unseen(self, setting: Setting) -> str | None:
        """Return the label of the first knob of which these columns know nothing where the setting has it."""
        labels = {axis.knob: axis.label for axis in AXES} | {knob: label for knob, (label, _) in KINDS.items()}
        new = [knob for knob, value in self.alike.items() if setting.values[knob] != value]
        new += [knob for knob, values in self.values.items() if setting.values[knob] not in values]
        return labels[new[0]] if new else None


class _Process:
    """A Gaussian process over rows, for scores whose mean and scale it finds itself."""

    def __init__(self, rows: "Vector", scores: "Vector", start: "Vector | None" = None) -> None:
        """Fit by the posterior of the kernel's parameters, from `start` or from where the priors are highest."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        self._mean, self._scale = float(scores.mean()), float(scores.std()) or 1.0
        self._runs = len(scores)
        lengths = Matern(np.full(rows.shape[1], 2.0), (0.05, 100.0), nu=2.5)
        kernel = ConstantKernel(1.0, (0.02, 50.0)) * lengths + WhiteKernel(NOISE, (0.005, 5.0))
        kernel = kernel if start is None else kernel.clone_with_theta(start)
        self._fitted = GaussianProcessRegressor(kernel, optimizer=_Priors(rows.shape[1]).climb)
        self._fitted.fit(rows, (scores - self._mean) / self._scale)

    @property
    def theta(self) -> "Vector":
        """Return the kernel's parameters, as scikit-learn has them."""
        found: Vector = self._fitted.kernel_.theta
        return found

    def predict(self, rows: "Vector") -> "tuple[Vector, Vector]":
        """Return for each row the score of a new run, and how far its 95 % interval reaches to either side."""
        from scipy.stats import t

        mean, deviation = self._fitted.predict(rows, return_std=True)
        return self._mean + self._scale * mean, t.ppf(0.975, self._runs - 1) * self._scale * deviation


class _Priors:
    """Log-normal priors of the kernel's parameters: with few runs the likelihood alone finds a pattern in any noise.

    The one of the length scales grows with the number of knobs (Hvarfner et al. 2024, arXiv 2402.02229).
    """

    def __init__(self, knobs: int) -> None:
        lengths = np.sqrt(2) + np.log(knobs) / 2
        self._middle = np.array([0.0, *[lengths] * knobs, np.log(NOISE)])
        self._width = np.array([1.0, *[np.sqrt(3)] * knobs, 1.0])

    def climb(self, objective: Callable[..., Any], start: "Vector", bounds: "Vector") -> "tuple[Vector, float]":
        """Return the parameters with the highest posterior, as an optimizer of scikit-learn's regressor does."""
        from scipy.optimize import minimize

        def penalised(theta: "Vector") -> Any:
            value, gradient = objective(theta)
            away = (theta - self._middle) / self._width
            return value + away @ away / 2, gradient + away / self._width

        found: Any = minimize(
            penalised, start, jac=True, bounds=[*map(tuple, bounds)], method="L-BFGS-B", options={"maxiter": CLIMB}
        )
        return found.x, found.fun


def _left_out(rows: "Vector", scores: "Vector", start: "Vector") -> LeftOut:
    """Predict each run from the others, fitted anew without it; of more than twelve, a twelfth at a time.

    The closed form of leave-one-out (Rasmussen and Williams 2006, equation 5.12) keeps the kernel that has seen the
    run: on pure noise it praised the prediction in most of 60 trials.
    """
    group = np.unique(rows.round(6), axis=0, return_inverse=True)[1] % FOLDS  # a setting's repetitions go out together
    off, others, within = np.empty(len(scores)), np.empty(len(scores)), np.empty(len(scores), bool)
    for number in range(FOLDS):
        out = group == number
        middle, reach = _Process(rows[~out], scores[~out], start).predict(rows[out])
        off[out], others[out] = scores[out] - middle, scores[out] - scores[~out].mean()
        within[out] = np.abs(off[out]) <= reach
    error, baseline = (float(np.sqrt(np.mean(errors**2))) for errors in (off, others))
    return LeftOut(len(scores), error, baseline, float(within.mean()))
