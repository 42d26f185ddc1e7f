"""Work side by side: in threads, processes and on a Ray cluster the records are those of one after the other."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from joblib.externals.loky import get_reusable_executor

from evals import Suite, load_suite, run_suite
from evals.parallel import Crew
from evals.records import Journal, Record
from evals.report import score
from evals.runner import Run
from lab.errors import BakeoffError

SLOW = """
import time
from evals.approach import Fit, Prediction
from lab.settings import settings


class Slow:
    \"\"\"Answers by the text's length, in its own time, and says where it would send a request.\"\"\"

    name = "slow"

    def __init__(self, seconds: float = 0.1) -> None:
        self.fitted, self._seconds = Fit(), seconds

    def fit(self, train, validation):
        self._labels = train.labels
        return self

    def predict(self, texts):
        time.sleep(self._seconds * len(texts))
        servers = [f"{settings().openai_base_url}", f"{settings().wikipedia_api_url}"]
        labels = (self._labels[len(text) % len(self._labels)] for text in texts)
        return [Prediction(label, evidence=servers) for label in labels]

    def update(self, new, gone=None):
        return self
"""


@pytest.fixture
def suite(my_csv: Path) -> Suite:
    """Two arms that need no LLM, twice, on a user's own file."""
    arms = "[{approach: majority}, {approach: knn}]"
    Path("own.yaml").write_text(
        f"name: own\ndataset: {my_csv}\nrepeats: 2\nreference: majority\nlatency_sample: 2\narms: {arms}\n"
    )
    return load_suite("own.yaml")


@pytest.fixture
def slow(my_csv: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """An arm that takes a tenth of a second for each answer, and three repeats of one shard each."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "slow", raising=False)  # an earlier test's, whose folder is gone
    Path("slow.py").write_text(SLOW)
    arms = "[{approach: 'slow:Slow', name: slow}, {approach: majority}]"
    Path("slow.yaml").write_text(f"name: slow\ndataset: {my_csv}\nrepeats: 3\nreference: majority\narms: {arms}\n")
    return load_suite("slow.yaml").model_copy(update={"latency_sample": 0})


def _answers(run: Run) -> list[tuple[Any, ...]]:
    return [(*record.question, record.label, record.scores, tuple(record.evidence)) for record in run.records()]


def _rows(run: Run) -> list[Record]:
    return [Record(**row) for row in Journal(run.folder / "records.jsonl").rows()]


@pytest.mark.parametrize("where", ["processes", "threads"])
def test_side_by_side_gives_the_records_and_results_of_one_after_the_other(where: Any, suite: Suite) -> None:
    alone = run_suite(suite)
    before, results = _answers(alone), score(alone)
    beside = run_suite(suite, fresh=True, crew=Crew(2, where))
    assert _answers(beside) == before
    assert len(_rows(beside)) == len(before)
    told = score(beside)
    assert told["comparisons"] == results["comparisons"]
    assert [row["accuracy"] for row in told["results"]] == [row["accuracy"] for row in results["results"]]
    assert all(row["latency_p50_ms"] is not None for row in told["results"])


def test_a_worker_process_that_is_killed_loses_nothing(slow: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    with _killer(lambda: _named("popen_loky")):
        run = run_suite(slow, crew=Crew(2))
    assert "workers were lost; goes on with what has no answer yet" in capsys.readouterr().err
    _nothing_lost_nothing_twice(run)


def test_a_ray_cluster_of_two_nodes_gives_the_same_records_though_a_worker_is_killed(
    slow: Suite, setting: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("BAKEOFF_OPENAI_BASE_URL", "http://127.0.0.1:9/nodes-own")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        setting("OPENAI_BASE_URL", "http://127.0.0.1:9/ours")
        with _killer(lambda: _named("ray::PoolActor.run_batch")):
            run = run_suite(slow, crew=Crew(ray=cluster.address))
        _nothing_lost_nothing_twice(run)
        assert run.records()[-1].evidence[0] == "http://127.0.0.1:9/ours"
        assert _answers(run) == _answers(run_suite(_at_once(slow)))
        assert not ray.is_initialized()
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:9"])  # nobody listens on the discard port
def test_a_cluster_that_is_not_there_is_one_line(address: str, suite: Suite) -> None:
    with pytest.raises(BakeoffError, match=f"expected a Ray cluster at {address}") as raised:
        run_suite(suite, crew=Crew(ray=address))
    assert "ray start --head" in str(raised.value)


def _at_once(suite: Suite) -> Suite:
    """Return the slow suite with arms that answer without delay: another run, the same answers."""
    slow, *others = suite.arms
    return suite.model_copy(update={"arms": (slow.model_copy(update={"options": {"seconds": 0.0}}), *others)})


def _named(words: str) -> list[int]:
    """Return the processes under this one whose command line has these words in it."""
    own = {one.pid for one in psutil.Process().children(recursive=True)}
    told = psutil.process_iter(["pid", "cmdline"])
    return [one.pid for one in told if one.pid in own and words in " ".join(one.info["cmdline"] or ())]


@pytest.fixture(autouse=True)
def _quiet_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(autouse=True)
def _own_workers() -> Iterator[None]:
    """Send the workers home after each test: they work in its folder, which goes with it."""
    yield
    get_reusable_executor().shutdown(wait=True)


class _killer:
    """Kill one of the processes that `find` gives, once some are at work."""

    def __init__(self, find: Callable[[], list[int]]) -> None:
        self._find, self._over = find, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.killed: int | None = None

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            found = self._find()
            if len(found) >= 2:
                time.sleep(1)  # in the middle of a task
                self.killed = found[0]
                os.kill(found[0], signal.SIGKILL)
                return

    def __enter__(self) -> "_killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        assert self.killed, "nobody was killed"


def _nothing_lost_nothing_twice(run: Run) -> None:
    rows = _rows(run)
    asked = run.manifest["answers"] * 2
    assert len(rows) == asked
    assert len({row.question for row in rows}) == asked
    assert all(row.label for row in rows)
