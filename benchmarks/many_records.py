"""A run of 100,000 records: how long it takes to go on with it, and to score and report it, and in how much memory.

The texts are those of the human-rated study, the suite's arms have names of Bakeoff's own approaches, and the command
`bakeoff eval` itself splits the texts, looks for leaks and writes the manifest. Only the answers are drawn, as no model
answers 100,000 questions in a benchmark; they are written by the run's own journal. What is timed runs as a process of
its own, its start included.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workspace import empty_workspace
from evals.approach import Prediction
from evals.records import Journal, Question, Record
from evals.runner import RECORDS, Run
from evals.scenarios import kind_of
from evals.suite import load_suite
from lab.datasets import load_dataset
from lab.datasets.study import SETS
from lab.workspace import write_text

ACCURACIES = {"finetuned": 0.8, "linear_probe": 0.75, "knn": 0.7, "rag": 0.65, "majority": 0.4}
MISSING = 7  # answers, when a run is gone on with
REPOSITORY = Path(__file__).parent.parent
SCORE = "from evals.report import open_run, score; score(open_run({run!r}))"
WATCH = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""  # a process between, as a child's peak memory is at least that of the process it was forked from
GO_ON = (  # to where the first new question would be asked
    "from evals.budget import Budget; from evals.runner import run_suite; from evals.suite import load_suite;"
    "suite = load_suite({suite!r}); run_suite(suite, budget=Budget(suite.arms, 0))"
)


@dataclass(frozen=True)
class Shape:
    """How 100,000 records come about: `texts` are tested by each arm in each of `repeats`, out of `dataset` texts."""

    texts: int
    repeats: int
    dataset: int

    @property
    def records(self) -> int:
        """Return how many answers that makes."""
        return self.texts * self.repeats * len(ACCURACIES)

    def __str__(self) -> str:
        seeds = f" x {self.repeats} seeds" if self.repeats > 1 else ""
        return f"{len(ACCURACIES)} arms x {self.texts:,} texts{seeds}, split from {self.dataset:,}"


SHAPES = {"repeats": Shape(2_500, 8, 20_000), "texts": Shape(20_000, 1, 134_000)}


@dataclass(frozen=True)
class Took:
    """What a process took: `seconds` of the clock, those of them on a processor, and its largest resident memory."""

    seconds: float
    processor_seconds: float
    megabytes: float


def measure(shape: Shape, rounds: int) -> dict[str, list[Took]]:
    """Return what each step took, round by round: the first start, going on, scoring, and the whole command again."""
    with empty_workspace() as home:
        path = str(home / "many.yaml")
        write_texts(home / "texts.csv", shape.dataset)
        write_text(Path(path), _suite(shape))
        took = {"first start": [timed("-c", GO_ON.format(suite=path))]}
        run = next(Run(manifest.parent) for manifest in home.glob("runs/*/manifest.json"))
        fill(run, path)
        steps = {
            "score and report": ("-c", SCORE.format(run=run.id)),
            "resume, all answered": ("-m", "cli", "eval", path, "--json"),
            "resume, some missing": ("-c", GO_ON.format(suite=path)),
        }
        for name, command in steps.items():
            if name == "resume, some missing":
                _drop_last(run.folder / RECORDS, MISSING)
            timed(*command)  # warms the disk
            took[name] = [timed(*command) for _ in range(rounds)]
    return took


def timed(*arguments: str) -> Took:
    """Run Python on `arguments` in the current folder and return what that took.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-c", WATCH, sys.executable, *arguments]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True)
    seconds, processor_seconds, peak = map(float, done.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    return Took(seconds, processor_seconds, peak * unit / 1e6)


def write_texts(path: Path, size: int) -> None:
    """Write `size` different labelled texts: the study's own, and from there on the halves of two of them."""
    examples = [example for name in SETS for example in load_dataset(name).examples]
    labels = {example.text: example.label for example in examples}
    words = [example.text.split() for example in examples]
    random = np.random.default_rng(0)
    while len(labels) < size:
        first, second = random.integers(len(words), size=2)
        text = " ".join(words[first][: len(words[first]) // 2 + 1] + words[second][len(words[second]) // 2 :])
        labels.setdefault(text, examples[first].label)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(list(labels.items())[:size])


def fill(run: Run, suite_file: str) -> None:
    """Write an answer to every question of a run that has only begun."""
    suite = load_suite(suite_file)
    journal, random = Journal(run.folder / RECORDS), np.random.default_rng(0)
    plan = kind_of(suite.kind).plan(suite, None)
    for arm in suite.arms:
        asked = [
            (Question(arm.key, scenario.name, step.name, name, scenario.repeat, example.id), example)
            for scenario in plan.scenarios
            for step, name, test in scenario.tests()
            for example in test.examples
        ]
        answers = [_drawn(arm.approach, example.label, random) for _, example in asked]
        records = [Record.of(*one, answer, 0.01) for one, answer in zip(asked, answers, strict=True)]
        journal.append(asdict(record) for record in records)


def _drawn(approach: str, target: str, random: np.random.Generator) -> Prediction:
    """Return an answer as an approach might give it: its scores, and what it retrieved and read."""
    labels = ["negative", "neutral", "positive"]
    shares = np.sort(random.dirichlet(np.ones(len(labels))))[::-1]
    right = random.random() < ACCURACIES[approach]
    first = target if right else labels[(labels.index(target) + int(random.integers(1, 3))) % 3]
    scores = dict(zip([first, *(label for label in labels if label != first)], map(float, shares), strict=True))
    retrieves = approach in ("knn", "rag")
    evidence = [f"texts.csv:{number}" for number in random.integers(2, 20_000, 8)] if retrieves else []
    return Prediction(first, scores=scores, evidence=evidence, tokens=400 if approach == "rag" else 0)


def _suite(shape: Shape) -> str:
    """Return the suite's YAML; JSON is YAML."""
    document: dict[str, Any] = {"name": "many", "dataset": "texts.csv", "latency_sample": 0, "repeats": shape.repeats}
    arms = [{"approach": approach} for approach in ACCURACIES]
    return json.dumps(document | {"test_limit": shape.texts, "arms": arms})


def _drop_last(path: Path, lines: int) -> None:
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:-lines]))


def medians(took: Sequence[Took]) -> Took:
    """Return the median of each figure."""
    return Took(*map(statistics.median, zip(*map(astuple, took), strict=True)))
