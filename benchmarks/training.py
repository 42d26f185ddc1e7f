"""Training speed: tweets per second of Bakeoff's training and of Hugging Face's Trainer at its defaults.

`python -m benchmarks.training` lets both sides fine-tune the embedded MiniLM on the CPU by turns, a pass over the same
tweets each round, with the same batch size, learning rate, schedule and tokens. The Trainer has its defaults: float32,
batches in random order padded to their longest text (DataCollatorWithPadding), all weights trained. Bakeoff has its
own: bfloat16 where the processor multiplies it natively, batches of like length, frozen word vectors. Two more pairs
have the same precision on both sides. Timed are the steps with their data loading; loading the model, building the
optimizer and validating are not.

`--accuracy` also trains both sides wholly, three seeds each, which takes some twenty minutes on two cores.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from transformers import (
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from benchmarks.peak import torch_peak
from benchmarks.side_by_side import Comparison, by_turns, comparison_table, markdown, present, warn_if_busy
from finetune.batches import Row, encode, even_sample
from finetune.encoders import fitting_length
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.methods import model_runtime, prepare
from finetune.schedule import Schedule
from finetune.training import Training, build_trainer
from lab.command_app import Json, command_app
from lab.console import Console
from lab.datasets import Dataset, Split, load_dataset, split_dataset

BASE = "embedded:minilm"
GOAL = 1.8  # times as fast, both at their defaults, on two cores
WARM_UP = 4  # steps
SEEDS = 3  # of --accuracy
FLOPS = 6  # per weight and token: a multiplication and an addition, forward once, backward twice

Build = Callable[[Training, Sequence[Row], Schedule], Trainer]

app = command_app()


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 5,
    steps: Annotated[int, typer.Option(min=2, max=180, help="Steps of one run, of 16 tweets each.")] = 24,
    accuracy: Annotated[bool, typer.Option("--accuracy", help="Also train both sides wholly; takes long.")] = False,
    json: Json = False,
) -> None:
    """Time Bakeoff's training against Hugging Face's Trainer, by turns."""
    warn_if_busy()
    split = split_dataset(load_dataset())
    usual = str(Hyperparameters(device="cpu").resolved().precision)
    with tempfile.TemporaryDirectory(prefix="bakeoff-benchmark-") as folder:
        sides = {side.name: side for side in _sides(split.train, usual, Path(folder))}
        laps = _timed(sides, split.train, rounds, steps)
        comparisons, shares = _comparisons(laps, usual), _shares(laps, sides)
        wholly = _wholly([sides[f"Bakeoff {usual}"], sides["Trainer float32"]], split) if accuracy else []
    document: dict[str, Any] = {"rounds": rounds, "steps": steps, "batch_size": Hyperparameters().batch_size}
    document |= {"comparisons": [c.document() for c in comparisons], "peak": shares, "accuracy": wholly or None}
    tables = [comparison_table(comparisons, "Trainer"), _shares_table(shares)]
    present("training", document, [*tables, *([_accuracy_table(wholly)] if wholly else [])], json)


@dataclass(frozen=True)
class Side:
    """One way to train: what it starts from, its hyper-parameters, and who builds its Trainer."""

    name: str
    training: Training
    build: Build

    @property
    def precision(self) -> str:
        """Return "float32" or "bfloat16"."""
        return str(self.training.knobs.precision)

    def rows(self, data: Dataset) -> list[Row]:
        """Return the tokens of the texts."""
        return encode(self.training.model, self.training.tokenizer, self.training.knobs, data)

    def run(self, rows: Sequence[Row], schedule: Schedule) -> "Lap":
        """Train the model in place, in whole passes over the rows."""
        clock, tokens = _Clock(), [0]
        trainer = self.build(self.training, rows, schedule)
        trainer.add_callback(clock)

        def count(_model: Any, _args: Any, given: Mapping[str, Any]) -> None:
            tokens[0] += given["input_ids"].numel()

        counting = self.training.model.register_forward_pre_hook(count, with_kwargs=True)
        trainer.train()
        counting.remove()
        passes = round(schedule.epochs)
        real = sum(len(row["input_ids"]) for row in rows)
        return Lap(len(rows) * passes, real * passes, tokens[0], clock.seconds)

    def copy(self, seed: int) -> "Side":
        """Return the same with a model of its own and another order of the texts."""
        knobs = self.training.knobs.model_copy(update={"seed": seed})
        return replace(self, training=replace(self.training, knobs=knobs, model=copy.deepcopy(self.training.model)))


@dataclass(frozen=True)
class Lap:
    """What one run did: tweets, their tokens without and with padding, and the time of its steps."""

    tweets: int
    tokens: int
    padded: int
    seconds: float

    @property
    def rate(self) -> float:
        """Return tweets per second."""
        return self.tweets / self.seconds

    @property
    def token_rate(self) -> float:
        """Return tokens per second, without padding."""
        return self.tokens / self.seconds


class _Clock(TrainerCallback):
    """Notes the time from before the first step, with its data still to load, to after the last."""

    def __init__(self) -> None:
        self.seconds = self._begun = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begun = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.seconds = time.perf_counter() - self._begun


def _sides(train: Dataset, usual: str, folder: Path) -> Iterator[Side]:
    """Yield both sides in float32, and in Bakeoff's usual precision on this processor if that is another."""
    for precision in dict.fromkeys(("float32", usual)):
        for name, build, freeze in (("Bakeoff", build_bakeoff, True), ("Trainer", build_default, False)):
            knobs = Hyperparameters.checked(device="cpu", precision=precision, freeze_embeddings=freeze)
            training = prepare(BASE, knobs, train.labels, TrainingFolder(folder))
            yield Side(f"{name} {precision}", replace(training, quiet=True, keep=False), build)


def build_bakeoff(training: Training, rows: Sequence[Row], schedule: Schedule) -> Trainer:
    """Return what `bakeoff train` trains with."""
    return build_trainer(training, rows, None, schedule)


def build_default(training: Training, rows: Sequence[Row], schedule: Schedule) -> Trainer:
    """Return Hugging Face's Trainer with its defaults, but for what decides the result and for its prints."""
    knobs = training.knobs
    arguments = TrainingArguments(
        output_dir=str(training.folder.path),
        per_device_train_batch_size=knobs.batch_size,
        max_steps=schedule.total_steps,
        learning_rate=knobs.learning_rate,
        weight_decay=knobs.weight_decay,
        warmup_steps=schedule.warmup_steps,
        seed=knobs.seed,
        bf16=knobs.precision == "bfloat16",
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    collator: Any = DataCollatorWithPadding(training.tokenizer)
    rows_: Any = rows
    trainer = Trainer(training.model, arguments, data_collator=collator, train_dataset=rows_)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _timed(sides: Mapping[str, Side], train: Dataset, rounds: int, steps: int) -> dict[str, list[Lap]]:
    """Let the sides run by turns over tweets whose lengths are spread as all tweets' are."""
    rows = next(iter(sides.values())).rows(train)
    whole = Schedule.of(len(rows), Hyperparameters())  # decides how often the run logs

    def lap(side: Side, steps: int, seed: int) -> Lap:
        few = even_sample(rows, steps * side.training.knobs.batch_size)
        return side.copy(seed).run(few, replace(whole, steps_per_epoch=steps, total_steps=steps))

    def turn(side: Side) -> Callable[[int], Lap]:
        return lambda number: lap(side, steps, seed=number)

    Console().note(f"warming up: {WARM_UP} steps each …")
    for side in sides.values():
        lap(side, WARM_UP, seed=0)
    return by_turns({name: turn(side) for name, side in sides.items()}, rounds)


def _comparisons(laps: Mapping[str, Sequence[Lap]], usual: str) -> list[Comparison]:
    rates = {name: [lap.rate for lap in own] for name, own in laps.items()}
    ours, theirs = rates[f"Bakeoff {usual}"], rates["Trainer float32"]
    first = Comparison(f"at their defaults ({usual}, float32)", "tweets/s", ours, theirs, GOAL)
    precisions = [name.removeprefix("Trainer ") for name in rates if name.startswith("Trainer ")]
    return [first] + [
        Comparison(f"both in {precision}", "tweets/s", rates[f"Bakeoff {precision}"], rates[f"Trainer {precision}"])
        for precision in precisions
    ]


def _shares(laps: Mapping[str, Sequence[Lap]], sides: Mapping[str, Side]) -> list[dict[str, Any]]:
    """Return what each side made of the processor: its share of what matrix products alone reach."""
    peaks = {precision: torch_peak(precision) for precision in {side.precision for side in sides.values()}}
    shares = []
    for name in laps:
        weights = _multiplying(sides[name].training.model)
        rate = statistics.median(lap.token_rate for lap in laps[name])
        padding = statistics.median(lap.padded / lap.tokens for lap in laps[name])
        gflops, peak = FLOPS * weights * rate / 1e9, peaks[sides[name].precision]
        shares.append({"side": name, "weights": weights, "tokens_per_second": rate, "padding": padding})
        shares[-1] |= {"gflops": gflops, "peak_gflops": peak, "share": gflops / peak}
    return shares


def _multiplying(model: torch.nn.Module) -> int:
    """Return the weights of the encoder's layers; the word vectors multiply nothing, and the head once per text."""
    return sum(weight.numel() for name, weight in model.named_parameters() if ".layer." in name)


def _shares_table(shares: Sequence[Mapping[str, Any]]) -> str:
    headers = ["", "tokens/s", "tokens with padding / without", "GFLOP/s", "peak GFLOP/s", "share of peak"]
    rows = []
    for share in shares:
        speeds = [f"{share[key]:.0f}" for key in ("gflops", "peak_gflops")]
        tokens = [f"{share['tokens_per_second']:.0f}", f"{share['padding']:.2f}"]
        rows.append([share["side"], *tokens, *speeds, f"{share['share']:.0%}"])
    words = (
        f"GFLOP/s = {FLOPS} x {shares[0]['weights']:,} weights of the encoder's layers (not the word vectors, which"
        "\nmultiply nothing) x tokens/s without padding; the peak is that of matrix products alone in the same type."
    )
    return f"{markdown(headers, rows)}\n\n{words}"


def _wholly(sides: Sequence[Side], split: Split) -> list[dict[str, Any]]:
    """Train each side to its last step, once per seed, and return what came of it."""
    runs: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
    for seed in range(SEEDS):
        for side in sides:
            Console().note(f"{side.name}: the whole training, seed {seed} …")
            runs[side.name].append(_whole(side, split, seed))
    return [{"side": name, "runs": scores} for name, scores in runs.items()]


def _whole(side: Side, split: Split, seed: int) -> dict[str, float]:
    """Train with new first weights of the head; return validation accuracy and speed."""
    knobs = side.training.knobs.model_copy(update={"seed": seed})
    fresh = prepare(BASE, knobs, split.train.labels, side.training.folder)
    judged = copy.deepcopy(fresh.model)  # it computes in float32, as a saved classifier does
    training = replace(fresh, quiet=True, keep=False)
    lap = replace(side, training=training).run(side.rows(split.train), Schedule.of(len(split.train), knobs))
    judged.load_state_dict(training.model.state_dict())
    max_length = fitting_length(judged, training.tokenizer, knobs.max_length)
    probabilities = model_runtime(judged, training.tokenizer, max_length).predict_proba(split.validation.texts)
    right = np.array(split.train.labels)[probabilities.argmax(axis=1)] == np.array(split.validation.targets)
    return {"seed": seed, "accuracy": float(right.mean()), "seconds": lap.seconds, "tweets_per_second": lap.rate}


def _accuracy_table(sides: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for side in sides:
        scores = [run["accuracy"] for run in side["runs"]]
        rate = statistics.median(run["tweets_per_second"] for run in side["runs"])
        told = [f"{statistics.mean(scores):.1%}", f"{min(scores):.1%}–{max(scores):.1%}"]
        rows.append([side["side"], *told, f"{rate:.1f}"])
    headers = ["whole training, weights of the last step", "validation accuracy, mean", "range", "tweets/s"]
    return markdown(headers, rows)


if __name__ == "__main__":
    app()
