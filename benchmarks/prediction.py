"""Prediction speed: what `bakeoff classifier predict` computes with, against transformers' pipeline, on one classifier.

`python -m benchmarks.prediction` trains a small classifier, exports it as any champion is, and lets both sides label
the same tweets on the CPU by turns: one text at a time, and many. Many are the tweets over and over, their words
rotated, so that hardly a text comes twice but lengths stay as they are. To be done in minutes, the others label only a
part of them, evenly spaced: the pipeline at its defaults (one text per batch) a twentieth; the pipeline at batch 32,
and Bakeoff in the precision that the command does not use, three tenths. The pipeline computes in float32.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.side_by_side import (
    Comparison,
    by_turns,
    comparison_table,
    markdown,
    present,
    small_champion,
    warn_if_busy,
)
from finetune.classifier import Classifier
from finetune.serving import FILES, FOLDER, MEASURED
from lab.command_app import Json, command_app
from lab.runtime import Runtime, onnx_runtime
from lab.workspace import read_json

SINGLE = 200  # texts of a round that come one at a time
GOALS_SINGLE = {"float32": 2.0, "int8": 3.0}  # times as fast as the pipeline
GOAL_DEFAULT, GOAL_BATCH = 3.0, 1.4  # the same for many texts
PART_DEFAULT, PART_BATCH, PIPELINE_BATCH = 20, 10 / 3, 32

Labeller = Callable[[Sequence[str]], list[str]]

app = command_app()


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 3,
    texts: Annotated[int, typer.Option(min=100, help="How many texts are labelled in batches.")] = 10_000,
    json: Json = False,
) -> None:
    """Time Bakeoff's prediction against transformers' pipeline, by turns."""
    warn_if_busy()
    with small_champion() as (folder, split):
        tweets = [text for part in (split.train, split.validation, split.test) for text in part.texts]
        sides = Sides.of(folder)
        single = _one_at_a_time(sides, tweets[:SINGLE], rounds)
        many, agreement = _many(sides, varied(tweets, texts), rounds)
    document = {"rounds": rounds, "texts": texts, "texts_one_at_a_time": SINGLE, "champion_computes_in": sides.used}
    document |= {"one_at_a_time": [c.document() for c in single], "many": [c.document() for c in many]}
    document |= {"same_labels": agreement}
    present("prediction", document, _tables(single, many, agreement, sides.used), json)


@dataclass(frozen=True)
class Sides:
    """Everybody who labels: Bakeoff's two exports, and the pipeline; and which export the command uses."""

    exports: Mapping[str, Runtime]
    labels: Sequence[str]
    pipeline: Any
    used: str

    @classmethod
    def of(cls, folder: Path) -> "Sides":
        """Load the classifier in `folder` for each side."""
        from transformers import pipeline

        classifier = Classifier.load(folder)
        exports = {
            kind: onnx_runtime(folder / FOLDER / name, folder / "tokenizer.json", classifier.max_length, kind)
            for kind, name in FILES.items()
        }
        theirs = pipeline("text-classification", model=str(folder), tokenizer=str(folder), device="cpu")
        return cls(exports, classifier.labels, theirs, read_json(folder / FOLDER / MEASURED)["used"])

    def bakeoff(self, kind: str) -> Labeller:
        """Return what labels with one export, as `bakeoff classifier predict` does."""
        return lambda texts: [self.labels[int(row.argmax())] for _, row in self.exports[kind].stream(texts)]

    def peer_alone(self, texts: Sequence[str]) -> list[str]:
        """Label with the pipeline, each text by a call of its own: a list, even of one, would cost it more."""
        return [self.pipeline(text, truncation=True)[0]["label"] for text in texts]

    def peer(self, batch_size: int | None = None) -> Labeller:
        """Return what labels with the pipeline, in batches of a size or as it does by default."""
        chosen = {} if batch_size is None else {"batch_size": batch_size}
        return lambda texts: [found["label"] for found in self.pipeline(list(texts), truncation=True, **chosen)]


def varied(texts: Sequence[str], size: int) -> list[str]:
    """Return `size` texts: these over and over, with their words rotated by one more each time."""
    result = []
    for number in range(size):
        words = texts[number % len(texts)].split()
        first = (number // len(texts)) % max(1, len(words))
        result.append(" ".join(words[first:] + words[:first]))
    return result


def _one_at_a_time(sides: Sides, texts: Sequence[str], rounds: int) -> list[Comparison]:
    """Return the milliseconds of one text, the median of each round."""

    def lap(labeller: Labeller) -> Callable[[int], float]:
        return lambda _: _milliseconds(labeller, texts)

    labellers = {f"Bakeoff {kind}": sides.bakeoff(kind) for kind in FILES} | {"pipeline": sides.peer_alone}
    for labeller in labellers.values():
        _milliseconds(labeller, texts[:20])  # warm
    laps = by_turns({name: lap(labeller) for name, labeller in labellers.items()}, rounds)
    return [
        Comparison(
            f"one at a time, {kind}", "ms/text", laps[f"Bakeoff {kind}"], laps["pipeline"], GOALS_SINGLE[kind], True
        )
        for kind in FILES
    ]


def _milliseconds(labeller: Labeller, texts: Sequence[str]) -> float:
    taken = []
    for text in texts:
        start = time.perf_counter()
        labeller([text])
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def _many(sides: Sides, texts: Sequence[str], rounds: int) -> tuple[list[Comparison], dict[str, float]]:
    """Return the comparisons of texts per second, and which share of labels each export shares with the pipeline."""
    labels: dict[str, list[str]] = {}
    labellers = {f"Bakeoff {kind}": sides.bakeoff(kind) for kind in FILES}
    labellers |= {"pipeline": sides.peer(), "pipeline batch 32": sides.peer(PIPELINE_BATCH)}
    parts = dict.fromkeys(labellers, _part(len(texts), PART_BATCH))
    parts |= {f"Bakeoff {sides.used}": _part(len(texts), 1), "pipeline": _part(len(texts), PART_DEFAULT)}

    def lap(name: str) -> Callable[[int], float]:
        own = [texts[index] for index in parts[name]]

        def rate(_: int) -> float:
            start = time.perf_counter()
            labels[name] = labellers[name](own)
            return len(own) / (time.perf_counter() - start)

        return rate

    laps = by_turns({name: lap(name) for name in labellers}, rounds)
    comparisons = []
    for peer, told, goal in (("pipeline", "its defaults", GOAL_DEFAULT), ("pipeline batch 32", "batch 32", GOAL_BATCH)):
        for kind in FILES:
            ours = f"Bakeoff {kind}"
            what = f"{len(parts[ours]):,} texts, {kind}; pipeline on {len(parts[peer]):,}, {told}"
            comparisons.append(Comparison(what, "texts/s", laps[ours], laps[peer], goal))
    theirs = _labelled(parts, labels, "pipeline batch 32")
    agreement = {}
    for kind in FILES:
        said = _labelled(parts, labels, f"Bakeoff {kind}")
        agreement[kind] = statistics.mean(said[index] == label for index, label in theirs.items())
    return comparisons, agreement


def _labelled(parts: Mapping[str, Sequence[int]], labels: Mapping[str, Sequence[str]], name: str) -> dict[int, str]:
    """Return what one side said of each text that it labelled, by the text's number."""
    return dict(zip(parts[name], labels[name], strict=True))


def _part(size: int, divisor: float) -> list[int]:
    """Return the indices of a part of the texts, evenly spaced."""
    return [int(number * divisor) for number in range(int(size / divisor))]


def _tables(
    single: Sequence[Comparison], many: Sequence[Comparison], agreement: Mapping[str, float], used: str
) -> list[str]:
    words = f"`bakeoff classifier predict` computes with the {used} export of this classifier."
    shares = [[f"Bakeoff {kind}", f"{share:.2%}"] for kind, share in agreement.items()]
    return [
        comparison_table(single, "pipeline"),
        comparison_table(many, "pipeline"),
        markdown(["", "labels that are the pipeline's"], shares),
        words,
    ]


if __name__ == "__main__":
    app()
