"""Trackers that a training can report to, through Hugging Face's Trainer: each an extra, none of them on by itself."""

import importlib.util
from collections.abc import Sequence

from lab.errors import BakeoffError

TRACKERS = ("wandb", "mlflow", "tensorboard", "trackio")


def close_trackers(names: Sequence[str]) -> None:
    """End the run of a tracker that would go on in the next training of this process; the others end by themselves."""
    if "wandb" in names:
        import wandb

        wandb.finish()


def check_trackers(names: Sequence[str]) -> None:
    """Check that each tracker is known and installed.

    Raises:
        BakeoffError: names the first that is not, and how to install it.
    """
    for name in names:
        if name not in TRACKERS:
            raise BakeoffError(f"a tracker among {', '.join(TRACKERS)}", f"'{name}'", "choose one with --report-to")
        if importlib.util.find_spec(name) is None:
            raise BakeoffError(
                f"the tracker {name}", "not installed", f"install it with: uv pip install -e '.[{name}]'"
            )
