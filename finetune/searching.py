"""A sweep as the command line asks for it: one process or several, then the best setting trained and compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from joblib import Parallel, cpu_count, delayed, parallel_config
from optuna.trial import FrozenTrial

from finetune.hyperparameters import Hyperparameters
from finetune.jobs import Job, run_job
from finetune.registry import warn_of_refit
from finetune.space import Space
from finetune.sweep import (
    FAILURE,
    PrunerName,
    Sweep,
    Swept,
    conclude,
    default_storage,
    finished,
    open_study,
    plain,
    run_trials,
)
from lab.console import Bar, Console, progress
from lab.datasets import Origin, Split, load_split
from lab.errors import BakeoffError
from lab.settings import settings
from lab.workspace import Workspace, is_plain, write_text

# The course's own run, beside which the best setting is to be seen.
COURSE = Hyperparameters(learning_rate=1e-5, batch_size=8, num_train_epochs=0.25).told()


@dataclass(frozen=True)
class SweepRequest:
    """What a user asked for, before it is checked."""

    data: tuple[str, str, str]
    base: str = "embedded:minilm"
    search: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    study: str | None = None
    storage: str | None = None
    trials: int = 20
    pruner: str = "median"
    rung: float = 0.5
    deadline: float | None = None

    def sweep(self) -> Sweep:
        """Return the sweep.

        Raises:
            BakeoffError: the space, the pruner or the data are none.
        """
        if self.pruner not in get_args(PrunerName):
            raise BakeoffError(f"a pruner among {', '.join(get_args(PrunerName))}", f"'{self.pruner}'", "choose one")
        data, text_column, label_column = self.data
        study = self.study or Path(data.removeprefix("hf:")).stem.replace("/", "-")
        if not is_plain(study):
            raise BakeoffError("a study's name", f"'{study}'", "name it without slashes, and not after a dot")
        seed = int(self.fixed.get("seed", settings().seed))
        secret = settings().sweep_storage
        storage = self.storage or (secret.get_secret_value() if secret else default_storage(study))
        return Sweep(
            study=study,
            storage=storage.replace("postgresql://", "postgresql+psycopg://", 1),  # the driver of our extra
            origin=Origin(data, text_column, label_column, seed),
            base=self.base,
            space=Space.of(self.search, {name: value for name, value in self.fixed.items() if name != "seed"}),
            trials=self.trials,
            pruner=self.pruner,  # type: ignore[arg-type]  # checked above
            rung=self.rung,
            deadline=self.deadline,
        )


def run_sweep(request: SweepRequest, workers: int = 1, train_best: bool = True, refit: int = 3) -> dict[str, Any]:
    """Search, conclude, and train the best setting; return the document of `bakeoff sweep --json`.

    With `refit` it is trained so many times more on the validation texts too, once they have chosen it; so are the
    defaults in the suite that compares them.

    Raises:
        BakeoffError: the request cannot be met, or no trial came to its end.
    """
    sweep = request.sweep()
    split = load_split(sweep.origin)
    warn_of_refit(sweep.base)
    done = finished(open_study(sweep))
    if done:
        Console().note(f"the study {sweep.study} has {done} trials already; it goes on")
    with progress(f"sweep {sweep.study}: {sweep.trials} trials", total=sweep.trials) as bar:
        bar.advance(done)
        _work(sweep, split, workers, bar)
    swept = conclude(sweep)
    document = swept.document() | {"searched": [choice.knob for choice in sweep.space.choices]}
    document |= {"classifier": None, "suite": None, "compare": None}
    if train_best:
        job = Job(sweep.origin, sweep.base, swept.hyperparameters, refit=refit)
        suite = _write_suite(sweep, swept, refit)
        command = f"bakeoff eval {suite}"
        document |= {"classifier": run_job(job)["classifier"], "suite": str(suite), "compare": command}
    return document


def _work(sweep: Sweep, split: Split, workers: int, bar: Bar) -> None:
    """Work on the study in this process, or in several that share the cores."""
    if workers == 1:
        run_trials(sweep, split, told=lambda trial: _tell(trial, bar))
        return
    threads = max(1, cpu_count() // workers)  # more threads than cores would wait for each other, spinning
    with parallel_config(backend="loky", inner_max_num_threads=threads):
        outcomes = Parallel(n_jobs=workers, return_as="generator_unordered")(
            delayed(_run_worker)(sweep, split, threads) for _ in range(workers)
        )
        for count in outcomes:
            bar.advance(count)


def _run_worker(sweep: Sweep, split: Split, threads: int) -> int:
    """Work on the study with so many threads; return how many trials came to an end here."""
    import torch

    torch.set_num_threads(threads)
    ended: list[FrozenTrial] = []
    run_trials(sweep, split, told=ended.append)
    return len(ended)


def _tell(trial: FrozenTrial, bar: Bar) -> None:
    bar.advance()
    setting = ", ".join(f"{name}={plain(value)}" for name, value in trial.params.items())
    score = f"{trial.value:.1%}" if trial.value is not None else "-"
    why = f" ({trial.user_attrs[FAILURE]})" if FAILURE in trial.user_attrs else ""
    Console().note(f"trial {trial.number} {trial.state.name.lower()}{why}: validation accuracy {score} with {setting}")


def _write_suite(sweep: Sweep, swept: Swept, refit: int) -> Path:
    """Write a suite that puts the best setting beside the defaults, on the hold-out that no trial has seen."""
    path = Workspace.current().home / "sweeps" / f"{sweep.study}.yaml"
    best = {name: value for name, value in swept.hyperparameters.told().items() if name != "seed"}
    tuned = {"approach": "finetuned", "base": sweep.base}
    arms = [
        {**tuned, "name": "swept", "refit": refit, "hyperparameters": best},
        {**tuned, "name": "defaults", "refit": refit},
        {**tuned, "name": "course", "hyperparameters": COURSE},
        {"approach": "majority"},
    ]
    also = "; swept and defaults are refitted on validation, the course's run stays as it was" if refit else ""
    suite = {
        "name": "swept",
        "description": f"The best setting of the study {sweep.study} beside the defaults.",
        "dataset": sweep.origin.data,
        "text_column": sweep.origin.text_column,
        "label_column": sweep.origin.label_column,
        "budgets": f"swept: {sum(swept.trials.values())} trials on validation; the others: one setting each{also}.",
        "seed": sweep.origin.seed,
        "reference": "swept",
        "arms": arms,
    }
    write_text(path, yaml.safe_dump(suite, sort_keys=False, allow_unicode=True))
    return path
