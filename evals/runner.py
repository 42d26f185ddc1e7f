"""Runs a suite: fit, predict, record. A run that was killed goes on where it was; a finished one is reused."""

import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evals.approach import Approach, Fit, Prediction
from evals.approaches import build_approach
from evals.metrics import Measured
from evals.records import Journal, Record, read_records
from evals.suite import Arm, Suite
from lab.console import Console, progress
from lab.datasets import Dataset, Split, load_dataset, parse_limit, split_dataset
from lab.devices import choose_device, choose_precision
from lab.errors import BakeoffError
from lab.settings import settings
from lab.workspace import Workspace, fingerprint, lock, read_json, write_json

Predict = Callable[[Sequence[str]], list[Prediction]]

CHUNK, REMOTE_CHUNK = 32, 4  # answers between two writes; those that are paid for are written sooner
MANIFEST, RECORDS, MEASUREMENTS = "manifest.json", "records.jsonl", "measurements.jsonl"
PACKAGES = ("bakeoff", "torch", "transformers", "sentence-transformers", "chromadb", "langchain-core", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """One execution of a suite: its folder, and what is in it."""

    folder: Path

    @property
    def id(self) -> str:
        """Return the run's name."""
        return self.folder.name

    @property
    def manifest(self) -> dict[str, Any]:
        """Return what was run, on what, with which versions."""
        document: dict[str, Any] = read_json(self.folder / MANIFEST)
        return document

    def records(self) -> dict[tuple[str, str], Record]:
        """Return the latest record of each arm and example."""
        return read_records(Journal(self.folder / RECORDS))

    def measured(self) -> dict[str, Measured]:
        """Return what was measured of each arm beside its answers; the first fit of an arm is the true one."""
        found: dict[str, Measured] = {}
        for row in Journal(self.folder / MEASUREMENTS).rows():
            before = found.get(row["arm"])
            fit = before.fit if before else Fit(**row["fit"])
            found[row["arm"]] = Measured(fit, tuple(row["latencies_ms"]) or (before.latencies_ms if before else ()))
        return found


def run_suite(suite: Suite, limit: str | None = None, fresh: bool = False, retry_failures: bool = False) -> Run:
    """Run every arm of `suite` on the same test examples and return the run, complete.

    The run's id is a fingerprint of the suite, the data and the limit, so that the same command finds the same run.

    Raises:
        BakeoffError: the data cannot be used, or another process runs this very suite.
    """
    dataset = load_dataset(suite.dataset, suite.text_column, suite.label_column)
    for line in dataset.left_out:
        Console().warn(line)
    split = split_dataset(dataset, suite.seed)
    test = split.test.subset(range(parse_limit(limit, len(split.test))))
    key = fingerprint(suite.model_dump(), split.fingerprint, [example.id for example in test.examples], _deciding())
    folder = Workspace.current().runs / f"{suite.name}-{key[:8]}"
    with lock(folder.with_suffix(".lock"), f"the run {folder.name}"):
        if fresh and folder.exists():
            folder.rename(folder.with_name(f"{folder.name}-until-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
        run = Run(folder)
        if not (folder / MANIFEST).exists():
            write_json(folder / MANIFEST, _manifest(suite, dataset, split, test))
        for arm in suite.arms:
            _run_arm(run, suite, arm, split, test, retry_failures)
    return run


def _run_arm(run: Run, suite: Suite, arm: Arm, split: Split, test: Dataset, retry_failures: bool) -> None:
    """Answer what this arm has not answered yet, then measure how long one text takes."""
    journal, known = Journal(run.folder / RECORDS), run.records()
    done = {e.id for e in test.examples if _is_done(known.get((arm.key, e.id)), retry_failures)}
    waiting = [example for example in test.examples if example.id not in done]
    timed = run.measured().get(arm.key, Measured(Fit())).latencies_ms or not suite.latency_sample
    if not waiting and (timed or any(known[arm.key, e.id].failure for e in test.examples)):
        Console().note(f"{arm.key}: all {len(test)} answers are there from before")
        return
    approach, failure = _ready(suite, arm, split)
    predict, pending = _or_fail(approach, failure), Dataset(test.name, tuple(waiting))
    if approach is None:
        Console().warn(f"{arm.key} failed: {failure}")
        _answer(journal, arm.key, pending, predict)
        return
    if approach.fitted.note:
        Console().note(f"{arm.key}: {approach.fitted.note}")
    measurements, fit = Journal(run.folder / MEASUREMENTS), asdict(approach.fitted)
    measurements.append(
        [{"arm": arm.key, "fit": fit, "latencies_ms": []}]
    )  # the first fit is the true one: keep it now
    _answer(journal, arm.key, pending, predict, CHUNK if _is_local(arm) else REMOTE_CHUNK)
    latencies = _latencies(predict, test.texts[: suite.latency_sample])
    measurements.append([{"arm": arm.key, "fit": fit, "latencies_ms": latencies}])


def _ready(suite: Suite, arm: Arm, split: Split) -> tuple[Approach | None, str | None]:
    """Return the fitted approach; one that cannot be made ready costs its own answers, not the run."""
    try:
        return build_approach(arm, suite).fit(split.train, split.validation), None
    except BakeoffError as error:
        return None, str(error)


def _or_fail(approach: Approach | None, failure: str | None) -> Predict:
    """Return a predict that turns an approach's failure into failed predictions, each with its reason."""

    def predict(texts: Sequence[str]) -> list[Prediction]:
        if approach is None:
            return [Prediction(None, failure) for _ in texts]
        try:
            return approach.predict(texts)
        except BakeoffError as error:
            return [Prediction(None, str(error)) for _ in texts]

    return predict


def _answer(journal: Journal, arm: str, test: Dataset, predict: Predict, size: int = CHUNK) -> None:
    if not len(test):
        return
    with progress(arm, total=len(test)) as bar:
        for first in range(0, len(test), size):
            chunk = test.examples[first : first + size]
            start = time.perf_counter()
            predictions = predict([example.text for example in chunk])
            seconds = (time.perf_counter() - start) / len(chunk)
            rows = [
                Record.of(arm, example, answer, seconds) for example, answer in zip(chunk, predictions, strict=True)
            ]
            journal.append(asdict(row) for row in rows)
            bar.advance(len(chunk))


def _latencies(predict: Predict, texts: Sequence[str]) -> list[float]:
    """Return the milliseconds of one text at a time, answered ones only; the first call only warms up."""
    if not texts:
        return []
    predict(texts[:1])
    milliseconds = []
    for text in texts:
        start = time.perf_counter()
        answer = predict([text])[0]
        if answer.failure is None:  # a refusal is fast, but it is no answer
            milliseconds.append(round((time.perf_counter() - start) * 1000, 3))
    return milliseconds


def _is_done(record: Record | None, retry_failures: bool) -> bool:
    return record is not None and not (retry_failures and record.failure)


def _is_local(arm: Arm) -> bool:
    return arm.llm is None or arm.llm.startswith("embedded:")


def _manifest(suite: Suite, dataset: Dataset, split: Split, test: Dataset) -> dict[str, Any]:
    device = choose_device()
    return {
        "schema": 1,
        "suite": suite.model_dump(),
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "split_fingerprint": split.fingerprint,
            "labels": dataset.labels,
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(test),
            "left_out": list(dataset.left_out),
        },
        "settings": _deciding(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "device": device,
            "precision": str(choose_precision(device)).removeprefix("torch."),
        },
        "packages": {name: version(name) for name in PACKAGES},
        "revision": _revision(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _deciding() -> dict[str, Any]:
    """Return the settings outside the suite that can change an answer."""
    address = urlsplit(settings().openai_base_url or "")
    server = f"{address.hostname or ''}:{address.port or ''}{address.path}"  # neither a password nor a query
    chosen = settings().model_dump(mode="json", include={"embeddings", "device", "precision"})
    return chosen | {"openai_server": server if address.hostname else None}


def _revision() -> str | None:
    """Return the git revision of the code that runs, None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
