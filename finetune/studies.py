"""The trials of a sweep's study as past runs, read from its SQLite file without writing to it."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from finetune.hyperparameters import Hyperparameters
from finetune.past import PastRun, best_accuracy, ground_of, losses_of
from lab.datasets import Origin
from lab.errors import BakeoffError

STATUS = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}
STUDIES = 64


@lru_cache(STUDIES)
def study_runs(path: Path, written: int) -> list[PastRun]:
    """Return the trials that came to an end, complete or pruned.

    Args:
        path: of the study's SQLite file.
        written: when it was, which is there to read it anew when it changes.

    Raises:
        BakeoffError: it is no study of Optuna's.
        KeyError: it is one of an older version, whose trials do not tell enough.
    """
    url = URL.create("sqlite", database=path.resolve().as_uri(), query={"mode": "ro", "uri": "true"})
    storage = None
    try:
        storage = optuna.storages.RDBStorage(url.render_as_string(), skip_table_creation=True)
        studies = storage.get_all_studies()
        trials = [(study, trial) for study in studies for trial in storage.get_all_trials(study._study_id)]
    except (SQLAlchemyError, OptunaError, RuntimeError, AssertionError) as error:
        raise BakeoffError("a study of Optuna's", type(error).__name__, "move the file away") from None
    finally:
        if storage:
            storage.remove_session()
            storage.engine.dispose()
    return [
        _run(study.study_name, study.user_attrs["bakeoff"], trial)
        for study, trial in trials
        if trial.state in STATUS and "bakeoff" in study.user_attrs
    ]


def _run(study: str, meant: Mapping[str, Any], trial: FrozenTrial) -> PastRun:
    told = trial.user_attrs
    curve, measures = tuple(told["curve"]), told["measures"]
    ended = trial.datetime_complete
    return PastRun(
        name=f"trial {trial.number} of {study}",
        source="trial",
        status=STATUS[trial.state],
        ground=ground_of(meant["base"], Origin(**meant["data"]).data, meant["data"], measures),
        knobs=Hyperparameters.checked(**told["hyperparameters"]),
        curve=curve,
        total_steps=int(measures["total_steps"]),
        losses=losses_of(measures),
        accuracy=best_accuracy(curve),
        when=ended.timestamp() if ended else 0.0,
    )
