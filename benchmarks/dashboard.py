"""The dashboard's first view: 200 runs and 100,000 records, made of one real run, in a real Chromium.

`python -m benchmarks.dashboard` runs a small suite of real approaches, copies its run under other names, and its
records under other texts, until there are so many; the newest run, which every page opens with, has most of them. A
round starts the server anew, by its command, and opens each page in a browser that has not seen it, at its own address:
what is timed is from there until the page's script has ended and its charts and tables stand. The goal is 2 seconds.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.side_by_side import markdown, present, spoken, warn_if_busy
from benchmarks.workspace import empty_workspace
from dashboard.pages import PAGES
from evals.records import Journal, Record
from evals.report import score
from evals.runner import MANIFEST, RECORDS, RESULTS, Run, run_suite
from evals.suite import load_suite
from lab.console import Console
from lab.workspace import read_json, write_json, write_text

RUNS, RECORDS_IN_ALL, ROUNDS = 200, 100_000, 5
FEW = 100  # records of each run but the newest
GOAL = 2.0  # seconds
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
REPOSITORY = Path(__file__).parent.parent
READY = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && document.querySelector('[data-testid=stHeading]')
    && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(it => it.querySelector('canvas, svg'))
    && !document.querySelector('[data-testid=stSkeleton]')"""
SUITE = """
name: many
dataset: tweets
train_limit: 300
test_limit: 200
arms:
  - {approach: majority}
  - {approach: knn}
  - {approach: linear_probe}
  - {approach: finetuned, hyperparameters: {num_train_epochs: 1}}
"""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    warn_if_busy()
    with empty_workspace() as home:
        Console().note(f"makes {RUNS} runs of one, with {fill(home):,} records in all …")
        seconds = measure(home, asked.rounds)
    rows = [_row(title, own) for title, own in seconds.items()]
    table = markdown(["page", "first view, s", "range", "goal", "verdict"], rows)
    present("First view of the dashboard", {"seconds": seconds, "goal": GOAL}, [table], asked.json)


def fill(home: Path) -> int:
    """Make the runs of a real one in a workspace, and return how many records they have."""
    write_text(home / "many.yaml", SUITE)
    run = run_suite(load_suite(str(home / "many.yaml")))
    score(run)
    records = run.records()
    arms = len({record.arm for record in records})
    for number in range(1, RUNS):
        _copy(run, f"many-{number:08x}", _first_texts(records, FEW // arms), number)
    most = RECORDS_IN_ALL - FEW * (RUNS - 1)
    _copy(run, "many-newest", _repeated(records, most), 0)
    shutil.rmtree(run.folder)
    score(Run(run.folder.with_name("many-newest")))
    return most + FEW * (RUNS - 1)


def measure(home: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds to the first view of each page, by its title, round by round."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    seconds: dict[str, list[float]] = {page.title: [] for page in PAGES}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for number in range(rounds):
            Console().note(f"round {number + 1} of {rounds}: {', '.join(seconds)} …")
            with _served(home) as address:
                for place, page in enumerate(PAGES):
                    window = browser.new_page(viewport={"width": 1280, "height": 900})
                    start = time.perf_counter()
                    window.goto(f"{address}/{page.path if place else ''}", wait_until="commit")
                    window.wait_for_function(READY, polling=20)
                    seconds[page.title].append(round(time.perf_counter() - start, 3))
                    window.close()
    return seconds


def _copy(run: Run, name: str, records: Sequence[Record], hours: int) -> None:
    """Write a run of these records, begun so many hours ago, beside the run that it is copied from."""
    folder = run.folder.with_name(name)
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns(RECORDS))
    Journal(folder / RECORDS).append(asdict(record) for record in records)
    texts = len({record.item for record in records})
    manifest = read_json(folder / MANIFEST)
    manifest["started"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")
    manifest["dataset"]["test"] = manifest["answers"] = texts
    write_json(folder / MANIFEST, manifest)
    results = read_json(folder / RESULTS)
    write_json(folder / RESULTS, results | {"run_id": name})


def _first_texts(records: Sequence[Record], texts: int) -> list[Record]:
    chosen = list(dict.fromkeys(record.example for record in records))[:texts]
    return [record for record in records if record.example in chosen]


def _repeated(records: Sequence[Record], size: int) -> list[Record]:
    """Return so many records, those of one copy after another under ids and texts of its own."""
    copies = -(-size // len(records))
    many = [
        replace(record, example=f"{record.example}-{copy}", text=f"{record.text} #{copy}")
        for copy in range(copies)
        for record in records
    ]
    return many[:size]


@contextmanager
def _served(home: Path) -> Iterator[str]:
    """Serve the dashboard over a workspace for the block, and yield its address once it answers."""
    command = [sys.executable, "-m", "cli", "dashboard", "--port", "0", "--no-browser"]
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"BAKEOFF_HOME": str(home), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        assert process.stdout is not None
        address = re.findall(r"http://\S+", process.stdout.readline())[0]
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(address: str) -> None:
    """Wait until the server answers."""
    import httpx

    for _ in range(600):
        try:
            httpx.get(f"{address}/_stcore/health").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer")


def _row(title: str, seconds: Sequence[float]) -> list[str]:
    median = statistics.median(seconds)
    return [title, f"{median:.2f}", f"{min(seconds):.2f}–{max(seconds):.2f}", f"{GOAL:g}", spoken(median < GOAL)]


if __name__ == "__main__":
    main()
