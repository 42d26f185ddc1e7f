"""The curves of docs/knobs: each knob at a few settings, everything else by default, on the same tweets.

`python -m benchmarks.knob_curves` trains every setting on 840 tweets for 2 epochs, validates on 420 others, and writes
for each page of docs/knobs curves/NAME.json (the numbers), curves/NAME.svg, and the table between the page's markers.
`python -m benchmarks.knob_curves learning_rate seed` does these two alone; --redraw trains nothing and makes drawings
and tables of the numbers that are there. OMP_NUM_THREADS=1 keeps two trainings that run side by side from
waiting for each other.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
import transformers
from joblib import Parallel, delayed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.batches import encode
from finetune.classifier import Classifier
from finetune.encoders import fitting_length
from finetune.folder import TrainingFolder
from finetune.hyperparameters import Hyperparameters
from finetune.methods import model_runtime, prepare
from finetune.schedule import Schedule
from finetune.training import train_model
from lab.datasets import Dataset, load_dataset, split_dataset

BASE = "embedded:minilm"
TRAIN, VALIDATION, RARE = 840, 420, 40
EPOCHS, LOOK = 2.0, 1 / 3  # epochs of a run, and between two validations
HIGHEST = 4.0  # nats that a drawing shows at most
PAGES = Path(__file__).parents[1] / "docs" / "knobs"
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # Okabe and Ito: safe for the colour-blind
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v")
DRAWING: Any = {"svg.hashsalt": "bakeoff", "svg.fonttype": "none", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}

Data = Literal["tweets", "unbalanced"]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """One training run: what a reader calls it, and the knobs that are not as by default.

    Attributes:
        look: epochs between two validations, where the knobs do not say.
        keep: write checkpoints, stop early, and end with the best one's weights, as `bakeoff train` does.
    """

    name: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    look: float = LOOK
    keep: bool = False
    data: Data = "tweets"

    @property
    def key(self) -> str:
        """Return what decides the run, whatever it is called."""
        return json.dumps([dict(self.knobs), self.look, self.keep, self.data], sort_keys=True)

    def hyperparameters(self, examples: int) -> Hyperparameters:
        """Return the knobs of the run over so many examples."""
        knobs = Hyperparameters.checked(**{"num_train_epochs": EPOCHS, **self.knobs})
        if knobs.eval_steps:
            return knobs
        epoch = Schedule.of(examples, knobs).steps_per_epoch
        return knobs.model_copy(update={"eval_steps": max(1, round(epoch * self.look))})


@dataclass(frozen=True)
class Page:
    """One page: its settings, the columns of its table, and what its two panels show.

    Attributes:
        subject: the drawing's title.
        left: "losses" (training thin, validation with markers), or a measure that is logged.
        right: a measure of the validations.
        timed: its settings are trained one after the other, so that their speed can be compared.
    """

    subject: str
    settings: tuple[Setting, ...]
    columns: tuple[str, ...]
    left: str = "losses"
    right: str = "eval_accuracy"
    timed: bool = False


def _percent(value: float) -> str:
    return f"{value * 100:.1f} %"


def _few(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


COLUMNS: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "steps": ("steps", lambda f: f"{f['steps']}"),
    "training loss": ("training loss", lambda f: _few(f["train_loss"])),
    "validation loss": ("validation loss", lambda f: _few(f["eval_loss"])),
    "cross-entropy": ("plain validation loss", lambda f: _few(f["cross_entropy"])),
    "lowest loss": ("lowest validation loss", lambda f: f"{f['lowest_loss']:.3f} at {f['lowest_loss_epoch']:g}"),
    "accuracy": ("accuracy", lambda f: _percent(f["accuracy"])),
    "kept": ("accuracy kept", lambda f: _percent(f["kept_accuracy"])),
    "macro-F1": ("macro-F1", lambda f: f"{f['macro_f1']:.3f}"),
    "rare": ("rare labels found", lambda f: _percent(f["rare_recall"])),
    "confidence": ("mean probability", lambda f: _percent(f["confidence"])),
    "trained": ("trained weights", lambda f: f"{f['trained_weights']:,}"),
    "cut": ("texts cut", lambda f: _percent(f["texts_cut"])),
    "tokens": ("tokens per text", lambda f: f"{f['tokens_per_text']:.1f}"),
    "clipped": ("steps clipped", lambda f: _percent(f["clipped"])),
    "norm": ("median gradient", lambda f: f"{f['gradient']:.2f}"),
    "validations": ("validations", lambda f: f"{f['validations']}"),
    "checkpoints": ("checkpoints due", lambda f: f"{f['checkpoints']}"),
    "best": ("best step told", lambda f: f"{f['best_step']}"),
    "epochs": ("epochs run", lambda f: f"{f['epochs']:.2f}"),
    "device": ("trained on", lambda f: str(f["device"])),
    "pace": ("time per step", lambda f: f"{f['pace']:.2f}"),
}
LOSSES = ("training loss", "validation loss", "accuracy")
AXES = {
    "losses": "loss (nats)",
    "learning_rate": "learning rate",
    "eval_accuracy": "validation accuracy (%)",
    "eval_macro_f1": "validation macro-F1",
}


def _values(knob: str, *values: Any, **also: Any) -> tuple[Setting, ...]:
    """Return a setting per value of a knob, the default among them being the run that all pages share."""
    default = Hyperparameters.model_fields[knob].default
    names = [f"{value:g}" if isinstance(value, float) else str(value).lower() for value in values]
    knobs = [also if value == default else {knob: value, **also} for value in values]
    return tuple(Setting(f"{name} (default)" if value == default else name, own)
                 for name, value, own in zip(names, values, knobs, strict=True))  # fmt: skip


_LONG = {"num_train_epochs": 4.0, "learning_rate": 5e-4}
_WHOLE = {"early_stopping_patience": 0}
_LORA = {"method": "lora", "learning_rate": 1e-3}
LIBRARY = {
    "method": Page(
        "Full fine-tuning, LoRA and the probe",
        (
            Setting("full (default)"),
            Setting("lora, learning rate 1e-4", {"method": "lora", "learning_rate": 1e-4}),
            Setting("lora (default 1e-3)", _LORA),
            Setting("probe", {"method": "probe"}),
        ),
        ("trained", "validation loss", "accuracy", "macro-F1"),
    ),
    "learning_rate": Page("Learning rate", _values("learning_rate", 1e-5, 1e-4, 1e-3, 1e-2), LOSSES),
    "batch_size": Page("Batch size", _values("batch_size", 4, 16, 64), ("steps", *LOSSES)),
    "num_train_epochs": Page(
        "Number of epochs",
        (
            Setting("0.25", {"num_train_epochs": 0.25}, 0.0625),
            Setting("2"),
            Setting("6", {"num_train_epochs": 6.0}, 0.5),
        ),
        ("steps", *LOSSES, "lowest loss"),
    ),
    "weight_decay": Page("Weight decay", _values("weight_decay", 0.0, 0.01, 1.0), LOSSES),
    "warmup": Page(
        "Warm-up, as a share of all steps",
        _values("warmup_ratio", 0.0, 0.1, 0.6),
        LOSSES,
        left="learning_rate",
    ),
    "gradient_accumulation_steps": Page(
        "Batch size x gradient accumulation",
        (
            Setting("16 x 1 (default)"),
            Setting("4 x 4", {"batch_size": 4, "gradient_accumulation_steps": 4}),
            Setting("16 x 8", {"gradient_accumulation_steps": 8}),
        ),
        ("steps", *LOSSES),
    ),
    "lr_scheduler_type": Page(
        "Learning-rate schedule",
        _values("lr_scheduler_type", "linear", "constant", "inverse_sqrt"),
        LOSSES,
        left="learning_rate",
    ),
    "label_smoothing": Page(
        "Label smoothing",
        _values("label_smoothing", 0.0, 0.1, 0.6),
        ("training loss", "validation loss", "cross-entropy", "confidence", "accuracy"),
    ),
    "max_grad_norm": Page(
        "Gradient clipping", _values("max_grad_norm", 0.05, 1.0, 100.0), ("norm", "clipped", *LOSSES)
    ),
    "class_weights": Page(
        "Class weights on unbalanced texts",
        (
            Setting("none (default)", data="unbalanced"),
            Setting("balanced", {"class_weights": "balanced"}, data="unbalanced"),
        ),
        ("cross-entropy", "accuracy", "macro-F1", "rare"),
        right="eval_macro_f1",
    ),
    "max_length": Page("Maximum length in tokens", _values("max_length", 8, 16, 128), ("cut", "tokens", *LOSSES)),
    "freeze_embeddings": Page(
        "Word vectors frozen or trained", _values("freeze_embeddings", True, False), ("trained", *LOSSES)
    ),
    "lora_rank": Page(
        "Rank of the LoRA adapters, learning rate 1e-3",
        (
            Setting("2", {**_LORA, "lora_rank": 2}),
            Setting("8 (default)", _LORA),
            Setting("64", {**_LORA, "lora_rank": 64}),
        ),
        ("trained", *LOSSES),
    ),
    "eval_steps": Page(
        "Validations and checkpoints",
        (
            Setting("10 and 10", {**_WHOLE, "eval_steps": 10, "save_steps": 10}, keep=True),
            Setting("30 and 30", {**_WHOLE, "eval_steps": 30, "save_steps": 30}, keep=True),
            Setting("10 and 50", {**_WHOLE, "eval_steps": 10, "save_steps": 50}, keep=True),
        ),
        ("validations", "checkpoints", "best", "accuracy", "kept"),
    ),
    "early_stopping": Page(
        "Early stopping in a run of up to 4 epochs, learning rate 5e-4",
        (
            Setting("never (0)", {**_LONG, "early_stopping_patience": 0}, keep=True),
            Setting("5 (default), accuracy", _LONG, keep=True),
            Setting("2, loss", {**_LONG, "metric_for_best_model": "loss", "early_stopping_patience": 2}, keep=True),
        ),
        ("epochs", "best", "validation loss", "accuracy", "kept"),
    ),
    "seed": Page("Seed", _values("seed", 0, 1, 2, 3, 4), (*LOSSES, "macro-F1")),
    "precision": Page(
        "Precision of the forward pass", _values("precision", "float32", "bfloat16"), (*LOSSES, "pace"), timed=True
    ),
    "device": Page("Device", (Setting("auto (default)"), Setting("cpu", {"device": "cpu"})), ("device", *LOSSES)),
}


class _Clock(TrainerCallback):
    """Notes the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._since = 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._since = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.seconds.append(time.perf_counter() - self._since)


def run(setting: Setting, train: Dataset, validation: Dataset) -> Figures:
    """Train a setting, and return its figures and its curve."""
    if setting.data == "unbalanced":
        train = unbalanced(train)
    knobs = setting.hyperparameters(len(train)).resolved()
    if knobs.method == "probe":
        return _probe(knobs, train, validation)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as place:
        training = prepare(BASE, knobs, train.labels, TrainingFolder(Path(place)))
        trained_weights = sum(weight.numel() for weight in training.model.parameters() if weight.requires_grad)
        training = replace(training, callbacks=(clock,), quiet=True, keep=setting.keep)
        card = train_model(training, train, validation)
    schedule = Schedule.of(len(train), knobs)
    length = fitting_length(training.model, training.tokenizer, knobs.max_length)
    rows = encode(training.model, training.tokenizer, knobs, train)
    tokens = [len(row["input_ids"]) for row in rows]
    whole = [len(ids) for ids in training.tokenizer(train.texts)["input_ids"]]
    logits = model_runtime(training.model, training.tokenizer, length).predict_proba(validation.texts)
    checkpoints = sum(step % schedule.save_steps == 0 for step in range(1, card["steps"] + 1)) if setting.keep else 0
    return {
        **_curve_figures(card["curve"], schedule, knobs),
        **_answers(logits, train, validation),
        "steps": card["steps"],
        "epochs": card["steps"] / schedule.steps_per_epoch,
        "best_step": card["best_step"],
        "findings": card["findings"],
        "device": card["device"],
        "precision": card["precision"],
        "trained_weights": trained_weights,
        "tokens_per_text": round(statistics.mean(tokens), 2),
        "texts_cut": sum(long > short for long, short in zip(whole, tokens, strict=True)) / len(tokens),
        "checkpoints": checkpoints + (setting.keep and card["steps"] % schedule.save_steps != 0),
        "seconds_per_step": statistics.median(clock.seconds),
    }


def unbalanced(train: Dataset) -> Dataset:
    """Return as many texts as the other runs have: the first few of each rarer label, the rest of the commonest."""
    common = train.counts.most_common(1)[0][0]
    left = dict.fromkeys(train.labels, RARE)
    left[common] = TRAIN - RARE * (len(left) - 1)
    chosen = []
    for index, label in enumerate(train.targets):
        left[label] -= 1
        if left[label] >= 0:
            chosen.append(index)
    return train.subset(chosen)


def _curve_figures(curve: Sequence[Figures], schedule: Schedule, knobs: Hyperparameters) -> Figures:
    """Return the curve by epochs, and what can be read from it."""
    logs, looks = ([p for p in curve if key in p] for key in ("loss", "eval_loss"))
    lowest = min(looks, key=lambda point: point["eval_loss"])
    norms = [point["grad_norm"] for point in logs]
    return {
        "train_loss": float(np.mean([point["loss"] for point in logs[-max(1, len(logs) // 5) :]])),
        "eval_loss": looks[-1]["eval_loss"],
        "accuracy": looks[-1]["eval_accuracy"],
        "lowest_loss": lowest["eval_loss"],
        "lowest_loss_epoch": round(lowest["step"] / schedule.steps_per_epoch, 2),
        "validations": len(looks),
        "gradient": float(np.median(norms)),
        "clipped": float(np.mean([norm > knobs.max_grad_norm for norm in norms])),
        "training": _columns(logs, schedule, ("loss", "grad_norm", "learning_rate")),
        "validation": _columns(looks, schedule, ("eval_loss", "eval_accuracy", "eval_macro_f1")),
    }


def _columns(points: Sequence[Figures], schedule: Schedule, measures: Sequence[str]) -> dict[str, list[float]]:
    epochs = [round(point["step"] / schedule.steps_per_epoch, 4) for point in points]
    return {"epoch": epochs, **{name: [point[name] for point in points] for name in measures}}


def _answers(probabilities: np.ndarray, train: Dataset, validation: Dataset) -> Figures:
    """Return what the final weights answer on validation."""
    from sklearn.metrics import f1_score, recall_score

    labels, targets = np.array(train.labels), np.array(validation.targets)
    predicted = labels[probabilities.argmax(axis=1)]
    rare = [label for label in train.labels if label != train.counts.most_common(1)[0][0]]
    of_target = probabilities[np.arange(len(targets)), np.searchsorted(labels, targets)]
    return {
        "kept_accuracy": float((predicted == targets).mean()),
        "macro_f1": float(f1_score(targets, predicted, average="macro")),
        "rare_recall": float(recall_score(targets, predicted, labels=rare, average="macro")),
        "cross_entropy": float(-np.log(np.maximum(of_target, 1e-12)).mean()),
        "confidence": float(probabilities.max(axis=1).mean()),
    }


def _probe(knobs: Hyperparameters, train: Dataset, validation: Dataset) -> Figures:
    classifier = Classifier(BASE, knobs).fit(train, validation)
    answers = _answers(classifier.predict_proba(validation.texts), train, validation)
    head = (classifier.model.config.hidden_size + 1) * len(train.labels)
    level = {"epoch": [0.0, EPOCHS], "eval_loss": [answers["cross_entropy"]] * 2,
             "eval_accuracy": [answers["kept_accuracy"]] * 2, "eval_macro_f1": [answers["macro_f1"]] * 2}  # fmt: skip
    return {
        **answers,
        "accuracy": answers["kept_accuracy"],
        "eval_loss": answers["cross_entropy"],
        "train_loss": classifier.card["train_loss"],
        "trained_weights": head,
        "device": classifier.card["device"],
        "precision": classifier.card["precision"],
        "training": {"epoch": [], "loss": []},
        "validation": level,
    }


def write_page(name: str, page: Page, results: Sequence[Figures]) -> None:
    """Write a page's numbers, and its drawing and table."""
    folder = PAGES / "curves"
    folder.mkdir(exist_ok=True)
    slowest = max(figures.get("seconds_per_step", 0.0) for figures in results)
    rows = []
    for setting, figures in zip(page.settings, results, strict=True):
        pace = {"pace": round(figures["seconds_per_step"] / slowest, 2)} if page.timed else {}
        told = {key: value for key, value in {**figures, **pace}.items() if key != "seconds_per_step"}
        rows.append({"setting": setting.name, "knobs": dict(setting.knobs), "data": setting.data, **told})
    document = {
        "subject": page.subject,
        "command": f"python -m benchmarks.knob_curves {name}",
        "base": BASE,
        "data": f"tweets, seed 0: {TRAIN} of the training part, {VALIDATION} of the validation part",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "runs": [_rounded(row) for row in rows],
    }
    (folder / f"{name}.json").write_text(_json(document), encoding="utf-8")
    show_page(name, page)


def show_page(name: str, page: Page) -> None:
    """Make a page's drawing and table of its numbers."""
    path = PAGES / "curves" / f"{name}.svg"
    rows = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["runs"]
    draw(page, rows, path)
    _fill(PAGES / f"{name}.md", table(page, rows))
    print(f"{name}: {path}")


def table(page: Page, rows: Sequence[Figures]) -> str:
    """Return a page's table in Markdown."""
    columns = [COLUMNS[column] for column in page.columns]
    lines = ["| setting | " + " | ".join(header for header, _ in columns) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    lines += [f"| {row['setting']} | " + " | ".join(told(row) for _, told in columns) + " |" for row in rows]
    return "\n".join(lines)


def draw(page: Page, rows: Sequence[Figures], path: Path) -> None:
    """Draw two panels over the epochs: the losses, or what is logged; and what validation says."""
    with matplotlib.rc_context(DRAWING):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.8), layout="constrained")
        figure.suptitle(page.subject)
        for number, row in enumerate(rows):
            style = {"color": COLOURS[number], "linestyle": LINES[number]}
            marks = {**style, "marker": MARKERS[number], "markersize": 3.5, "linewidth": 1.4}
            training, validation = row["training"], row["validation"]
            scale = 100 if page.right == "eval_accuracy" else 1
            right.plot(validation["epoch"], [y * scale for y in validation[page.right]], label=row["setting"], **marks)
            if page.left == "losses":
                left.plot(training["epoch"], training["loss"], linewidth=0.7, alpha=0.6, **style)
                left.plot(validation["epoch"], validation["eval_loss"], **marks)
            else:
                left.plot(training["epoch"], training[page.left], **style)
        left.set_ylabel(AXES[page.left] + (": thin training, marked validation" if page.left == "losses" else ""))
        right.set_ylabel(AXES[page.right])
        for axes in (left, right):
            axes.set_xlabel("passes over the training texts (epochs)")
        if page.left == "losses":
            highest = max(max((*row["training"]["loss"], *row["validation"]["eval_loss"])) for row in rows)
            left.set_ylim(0, min(highest, HIGHEST) * 1.05)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=len(rows), fontsize=8)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _fill(path: Path, figures: str) -> None:
    """Put a table between a page's markers."""
    text = path.read_text(encoding="utf-8")
    before, opening, rest = text.partition(OPEN)
    _, closing, after = rest.partition(CLOSE)
    if not opening or not closing:
        sys.exit(f"expected the markers {OPEN} and {CLOSE} in {path}")
    path.write_text(f"{before}{OPEN}\n{figures}\n{CLOSE}{after}", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _json(document: Figures) -> str:
    """Return JSON with one run's list of numbers on one line."""
    text = json.dumps({**document, "runs": []}, indent=1)
    runs = ",\n".join(
        "  {" + ",\n   ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in run_.items()) + "}"
        for run_ in document["runs"]
    )
    return text.replace('"runs": []', f'"runs": [\n{runs}\n ]') + "\n"


def main() -> None:
    """Train what the pages named need, or all pages, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="NAME", help=f"of {', '.join(LIBRARY)} [all]")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side [2]")
    parser.add_argument("--redraw", action="store_true", help="draw the numbers that are there; train nothing")
    asked = parser.parse_args()
    names = asked.pages or list(LIBRARY)
    if unknown := sorted(set(names) - set(LIBRARY)):
        parser.error(f"no page {unknown[0]}; the pages are {', '.join(LIBRARY)}")
    if asked.redraw:
        for name in names:
            show_page(name, LIBRARY[name])
        return
    split = split_dataset(load_dataset("tweets"))
    validation = split.validation.subset(range(VALIDATION))
    start = time.perf_counter()
    runs: dict[str, Setting] = {}
    timed: dict[str, Setting] = {}
    for name in names:
        for setting in LIBRARY[name].settings:
            (timed if LIBRARY[name].timed else runs)[setting.key] = setting

    def data(setting: Setting) -> Dataset:
        return split.train if setting.data == "unbalanced" else split.train.subset(range(TRAIN))

    found = Parallel(n_jobs=asked.jobs, verbose=1)(
        delayed(run)(setting, data(setting), validation) for setting in runs.values()
    )
    results = dict(zip(runs, found, strict=True))
    alone = {key: run(setting, data(setting), validation) for key, setting in timed.items()}
    for name in names:
        page = LIBRARY[name]
        write_page(name, page, [(alone if page.timed else results)[setting.key] for setting in page.settings])
    print(f"{len(runs) + len(timed)} trainings in {time.perf_counter() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
