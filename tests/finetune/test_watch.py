"""Alerts from real files: curves as training writes them, and logs of predictions with and without drift."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
from langchain_core.language_models import FakeListChatModel
from numpy.typing import NDArray

from agents.tools.alerts import alerts
from finetune.drift import BLOCK, DriftDetector, population_stability
from finetune.tail import shortened
from finetune.telling import Alert, figures, is_faithful, tell
from finetune.watch import FALSE_ALARM_EVERY, Watch, spike
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from lab.llm.remote import RemoteScorer

ROOT = Path(__file__).parents[2]
NAME = "tweets-3f2a91bc"
LABELS, SHARES, SHIFTED = ["negative", "neutral", "positive"], [0.25, 0.20, 0.55], [0.25, 0.35, 0.40]
DECILES = np.arange(1, 10) / 10
HEALTHY = [0.2 + 0.9 * np.exp(-step / 10) for step in range(40)]


def _training(home: Path, losses: Sequence[float], status: str = "running", **state: int | str) -> Path:
    """Write a training's folder as `bakeoff train` does: a point every 10 steps, now."""
    folder = home / "trainings" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curve.jsonl").write_text("".join(_points(losses)))
    usual = {"classifier": NAME, "pid": os.getpid(), "host": platform.node(), "baseline_loss": 1.0, "total_steps": 400}
    (folder / "training.json").write_text(json.dumps({**usual, "status": status, **state}))
    return folder / "curve.jsonl"


def _points(losses: Sequence[float], first: int = 1) -> list[str]:
    return [
        json.dumps({"step": 10 * step, "time": time.time(), "loss": float(loss), "grad_norm": 1.0}) + "\n"
        for step, loss in enumerate(losses, first)
    ]


def _classifier(home: Path, seed: int = 0) -> None:
    """Write a classifier's card with the reference of 600 validation texts."""
    random = np.random.default_rng(seed)
    counts, confidence = random.multinomial(600, SHARES), random.beta(5, 1, 600)
    edges = np.quantile(confidence, DECILES)
    bins = np.bincount(np.searchsorted(edges, confidence), minlength=10)
    reference = {
        "labels": dict(zip(LABELS, counts.tolist(), strict=True)),
        "confidence": {"edges": edges.tolist(), "counts": bins.tolist()},
    }
    path = home / "classifiers" / NAME / "classifier.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"labels": LABELS, "card": {"reference": reference}}))


def _log(size: int, shares: Sequence[float] = SHARES, lower: float = 0.0, seed: int = 1) -> list[str]:
    """Return lines of a production log; `lower` moves the confidence down by that share of its quantiles."""
    random = np.random.default_rng(seed)
    confidence = np.maximum(random.random(size) - lower, 0) ** (1 / 5)  # the quantile function of Beta(5, 1)
    labels = random.choice(LABELS, size, p=shares)
    return [
        json.dumps({"time": 1e9 + at, "classifier": NAME, "label": str(label), "confidence": float(sure)}) + "\n"
        for at, (label, sure) in enumerate(zip(labels, confidence, strict=True))
    ]


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"BAKEOFF_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def _write(home: Path, lines: Sequence[str], mode: str = "w") -> Path:
    home.mkdir(parents=True, exist_ok=True)
    path = home / "predictions.jsonl"
    with path.open(mode) as file:
        file.writelines(lines)
    return path


# Training runs


def test_a_healthy_run_gives_no_alert(workspace: Path) -> None:
    _training(workspace, HEALTHY)
    assert Watch().poll() == []


def test_a_spike_is_an_alert_with_its_numbers_once_per_episode(workspace: Path) -> None:
    losses = [*HEALTHY[:20], 1.4, 1.3, *HEALTHY[22:30], 1.2, *HEALTHY[31:]]
    _training(workspace, losses)
    first, second = Watch().poll()
    assert (first.kind, first.subject, first.numbers["step"], first.numbers["loss"]) == ("spike", NAME, 210, 1.4)
    assert 0.2 < first.numbers["trend"] < HEALTHY[15]
    assert first.numbers["deviations"] > 8
    assert f"jumped to 1.400 at step 210, where its trend stood at {first.numbers['trend']:.3f}" in first.words
    assert second.numbers["step"] == 310


def test_noise_is_no_spike() -> None:
    random, steps = np.random.default_rng(0), 18 * np.arange(1, 41)
    falling, false = 0.12 + np.exp(-steps / 200), 0
    for _ in range(200):
        losses = falling * (1 + 0.25 * random.standard_normal(40))
        false += any(spike(steps[:end].tolist(), losses[:end].tolist()) for end in range(9, 41))
    assert false <= 4  # the docstring says fewer than one run in 100


def test_what_the_diagnosis_finds_is_told_once(workspace: Path) -> None:
    curve = _training(workspace, HEALTHY[:10])
    watch = Watch()
    assert watch.poll() == []
    with curve.open("a") as file:
        file.writelines(_points([1.9, 2.1, 2.6], first=11))
    alert = next(alert for alert in watch.poll() if alert.kind == "exploding")
    assert alert.numbers == {"step": 110, "loss": 2.1, "baseline_loss": 1.0}
    assert "lower --learning-rate" in alert.words
    assert set(alert.key) <= set(figures(alert.words))
    with curve.open("a") as file:
        file.writelines(_points([2.7, 2.9], first=14))
    assert "exploding" not in [alert.kind for alert in watch.poll()]


def test_a_loss_that_is_no_number_is_told_and_is_json(workspace: Path) -> None:
    curve = _training(workspace, [1.0, 0.9], status="failed")
    with curve.open("a") as file:
        file.write('{"step": 30, "time": 1000.0, "loss": NaN, "grad_norm": NaN}\n')
    (alert,) = Watch().poll()
    assert (alert.kind, alert.when, alert.numbers["loss"]) == ("diverged", 1000.0, None)
    json.dumps(alert.numbers, allow_nan=False)


def test_a_half_written_line_waits_for_its_end(workspace: Path) -> None:
    curve = _training(workspace, HEALTHY[:20])
    watch, (line,) = Watch(), _points([1.5], first=21)
    with curve.open("a") as file:
        file.write(line[:25])
        file.flush()
        assert watch.poll() == []
        file.write(line[25:])
    assert [alert.kind for alert in watch.poll()] == ["spike"]


def test_a_run_taken_up_again_does_not_repeat_its_alerts_and_another_does(workspace: Path) -> None:
    curve = _training(workspace, [*HEALTHY[:20], 1.4, *HEALTHY[21:30]])
    watch = Watch()
    assert [alert.kind for alert in watch.poll()] == ["spike"]
    lines = curve.read_text().splitlines(keepends=True)
    curve.write_text("".join(lines[:25]))  # from its last checkpoint
    assert watch.poll() == []
    curve.write_text("".join(_points([*HEALTHY[:20], 1.4])))  # from the beginning: later times
    assert [alert.kind for alert in watch.poll()] == ["spike"]


def test_following_leaves_out_what_had_ended_but_tells_what_ends_now(workspace: Path) -> None:
    _training(workspace, [1.0, 0.9, float("nan")], status="failed")
    watch = Watch(history=False)
    assert watch.poll() == []
    assert [alert.kind for alert in Watch().poll()] == ["diverged"]
    curve = _training(workspace, [1.0, 0.9])
    assert watch.poll() == []
    with curve.open("a") as file:
        file.writelines(_points([float("inf")], first=3))
    state = json.loads((curve.parent / "training.json").read_text()) | {"status": "failed"}
    (curve.parent / "training.json").write_text(json.dumps(state))
    assert [alert.kind for alert in watch.poll()] == ["diverged"]
    assert watch.seen["trainings"] == 1


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    assert not psutil.pid_exists(process.pid)
    return process.pid


def test_a_run_whose_process_is_gone_has_stalled(workspace: Path, ended: int) -> None:
    curve = _training(workspace, HEALTHY[:3], pid=ended)
    watch = Watch()
    (alert,) = watch.poll()
    assert (alert.kind, alert.numbers) == ("stalled", {"step": 30, "total_steps": 400, "pid": ended})
    assert watch.poll() == []
    old = [json.dumps({"step": step, "time": time.time() - 1000 + step, "loss": 1.0}) for step in range(1, 9)]
    curve.write_text("\n".join(old) + "\n")
    (curve.parent / "training.json").write_text(json.dumps({"status": "running", "pid": os.getpid()}))
    (alert,) = Watch().poll()
    assert alert.kind == "stalled"
    assert alert.numbers["silent_seconds"] == pytest.approx(992, abs=5)


def test_a_process_on_another_machine_is_not_looked_for_here(workspace: Path, ended: int) -> None:
    curve = _training(workspace, HEALTHY[:3], pid=ended, host=f"not-{platform.node()}")
    watch = Watch()
    assert watch.poll() == []
    old = [json.dumps({"step": step, "time": time.time() - 1000 + step, "loss": 1.0}) for step in range(1, 9)]
    curve.write_text("\n".join(old) + "\n")
    (alert,) = watch.poll()
    assert alert.kind == "stalled"
    assert "silent_seconds" in alert.numbers


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"status": "running", "baseline_loss": "x", "pid": "y"}'])
def test_a_damaged_training_stops_nothing(workspace: Path, state: str) -> None:
    curve = _training(workspace, HEALTHY[:10])
    bad = ["{}\n", "[1]\n", '{"step": "x", "time": 1, "loss": 1}\n', '{"step": 5, "time": 1, "loss": []}\n', "\xff\n"]
    with curve.open("a") as file:
        file.writelines(bad)
    (curve.parent / "training.json").write_text(state)
    assert Watch().poll() == []


# Drift


def test_population_stability_is_the_customary_index() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.3])
    exact = float(((q - p) * np.log(q / p)).sum())
    assert population_stability((p * 1e6).tolist(), (q * 1e6).tolist()) == pytest.approx(exact, rel=1e-3)
    assert population_stability([600, 0], [0, 600]) < 20  # an empty category does not cost infinitely much
    assert population_stability([300, 300], [30, 30]) == pytest.approx(0, abs=1e-9)


def _streams(count: int, length: int, kind: str, seed: int) -> Iterator[tuple[list[int], NDArray[np.int_]]]:
    """Yield references of 600 with a stream from where the reference came from."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        if kind == "label":
            reference = [*random.multinomial(600, SHARES).tolist(), 0]
            yield reference, random.choice(3, length, p=SHARES)
        else:
            sample = random.random(600)
            edges = np.quantile(sample, DECILES)
            yield (
                np.bincount(np.searchsorted(edges, sample), minlength=10).tolist(),
                np.searchsorted(edges, random.random(length)),
            )


@pytest.mark.parametrize(("kind", "told"), [("label", 680), ("confidence", 473)])
def test_false_alarms_are_as_rare_as_the_handbook_tells(kind: str, told: int) -> None:
    rate, false, streams, length = 1000, 0, 250, 4000
    for reference, stream in _streams(streams, length, kind, seed=2):
        detector = DriftDetector(reference, rate)
        false += sum(detector.add(category) is not None for category in stream.tolist())
    assert false <= streams * length / rate
    assert false == pytest.approx(told, rel=0.1)


def _delays(kind: str, shares: Sequence[float], healthy: int, most: int) -> list[int]:
    """Return after how many drifted predictions each of 100 streams raised its alarm; `most` if it did not."""
    random, delays = np.random.default_rng(3), []
    for reference, stream in _streams(100, healthy, kind, seed=4):
        detector = DriftDetector(reference, 2 * FALSE_ALARM_EVERY)  # as the watch has two of them
        for category in stream.tolist():
            detector.add(category)
        drifted = random.choice(len(shares), most, p=shares).tolist()
        alarms = (at for at, category in enumerate(drifted, 1) if detector.add(category))
        delays.append(next(alarms, most))
    return sorted(delays)


DECILE_DOWN, HALF_A_DECILE_DOWN = [0.2, *[0.1] * 8, 0.0], [0.15, *[0.1] * 8, 0.05]


@pytest.mark.parametrize(
    ("kind", "shares", "healthy", "median", "ninth"),
    [
        ("label", SHIFTED, 0, 275, 600),
        ("label", SHIFTED, 1000, 200, 350),
        ("confidence", DECILE_DOWN, 0, 200, 250),
        ("confidence", DECILE_DOWN, 1000, 175, 225),
        ("confidence", HALF_A_DECILE_DOWN, 1000, 775, 2050),
    ],
)
def test_drift_is_caught_as_soon_as_the_handbook_tells(
    kind: str, shares: Sequence[float], healthy: int, median: int, ninth: int
) -> None:
    delays = _delays(kind, shares, healthy, most=3000)
    assert [delays[50], delays[90]] == pytest.approx([median, ninth], abs=BLOCK)


def test_half_a_decile_from_the_first_prediction_on_is_mostly_missed_as_the_handbook_tells() -> None:
    caught = sum(delay < 3000 for delay in _delays("confidence", HALF_A_DECILE_DOWN, healthy=0, most=3000))
    assert caught == pytest.approx(14, abs=3)  # 600 reference texts can hardly prove it


def test_the_alarm_says_since_when() -> None:
    random = np.random.default_rng(5)
    detector = DriftDetector([150, 120, 330])
    stream = [*random.choice(3, 3000, p=SHARES).tolist(), *random.choice(3, 1000, p=[0.6, 0.2, 0.2]).tolist()]
    at, drift = next((at, drift) for at, category in enumerate(stream, 1) if (drift := detector.add(category)))
    assert drift.seen == at
    assert at - 3000 == pytest.approx(drift.since, abs=3 * BLOCK)
    assert sum(drift.counts) == drift.since
    assert drift.psi == population_stability([150, 120, 330], drift.counts)


def test_label_and_confidence_drift_become_alerts(workspace: Path) -> None:
    _classifier(workspace)
    _write(workspace, _log(3000) + _log(1000, SHIFTED, seed=6) + _log(1000, lower=0.2, seed=7))
    alerts_ = {alert.kind: alert for alert in Watch().poll()}
    assert alerts_.keys() == {"label drift", "confidence drift"}
    label, confidence = alerts_["label drift"].numbers, alerts_["confidence drift"].numbers
    assert label["label"] in ("neutral", "positive")
    assert label["expected"] == pytest.approx(SHARES[LABELS.index(label["label"])], abs=0.05)
    assert label["share"] == pytest.approx(SHIFTED[LABELS.index(label["label"])], abs=0.12)
    assert 25 <= label["predictions"] <= 600
    assert confidence["share"] - confidence["expected"] > 0.1
    for alert in alerts_.values():
        share, expected = f"{alert.numbers['share']:.1%}", f"{alert.numbers['expected']:.1%}"
        assert alert.key == (share, expected)
        index = f"population stability index {alert.numbers['population_stability_index']:.2f}"
        assert all(words in alert.words for words in (NAME, share, expected, index))


def test_a_lasting_drift_is_told_once_and_the_next_one_again(workspace: Path) -> None:
    _classifier(workspace)
    drifted = [_log(2500, [0.2, 0.6, 0.2], seed=seed) for seed in (8, 9)]
    _write(workspace, [*_log(2000), *drifted[0], *_log(4000, seed=10), *drifted[1]])
    times = [alert.when - 1e9 for alert in Watch().poll() if alert.kind == "label drift"]
    assert len(times) == 2
    assert all(time < 300 for time in times)  # each part of the log counts its seconds anew


def test_following_sees_what_is_appended_and_survives_truncation_and_rotation(workspace: Path) -> None:
    _classifier(workspace)
    lines = _log(2000)
    path = _write(workspace, lines[:1000])
    watch = Watch(history=False)
    assert watch.poll() == []
    _write(workspace, [*lines[1000:1999], lines[1999][:30]], "a")
    assert watch.poll() == []
    assert watch.seen["predictions"] == 1999
    _write(workspace, [lines[1999][30:]], "a")
    assert (watch.poll(), watch.seen["predictions"]) == ([], 2000)
    _write(workspace, _log(100, seed=11))  # truncated
    assert (watch.poll(), watch.seen["predictions"]) == ([], 2100)
    path.rename(path.with_suffix(".1"))
    assert watch.poll() == []
    _write(workspace, _log(1000, [0.1, 0.8, 0.1], seed=12))  # rotated, and longer than before
    assert [alert.kind for alert in watch.poll()] == ["label drift"]
    assert (watch.seen["predictions"], watch.seen["skipped_lines"]) == (3100, 0)


BAD_LINES = [
    "\n",
    "not json\n",
    "[]\n",
    '{"time": 1, "classifier": "a"}\n',
    json.dumps({"time": 1, "classifier": NAME, "label": "neutral", "confidence": 1.5}) + "\n",
    json.dumps({"time": 1, "classifier": NAME, "label": "neutral", "confidence": True}) + "\n",
    json.dumps({"time": 1, "classifier": NAME, "label": "neutral", "confidence": float("nan")}) + "\n",
    json.dumps({"time": "now", "classifier": NAME, "label": "neutral", "confidence": 0.5}) + "\n",
    json.dumps({"time": 1e99, "classifier": NAME, "label": "neutral", "confidence": 0.5}) + "\n",
    "[" * 60_000 + "\n",
    "x" * 300_000 + "\n",
]


def test_lines_that_are_no_predictions_are_counted_and_told_once(workspace: Path) -> None:
    _classifier(workspace)
    lines, notes = _log(100), list[str]()
    path = _write(workspace, [*lines[:50], *BAD_LINES, *lines[50:]])
    with path.open("ab") as file:
        file.write(b"\xff\xfe\x00\n")
    watch = Watch(note=notes.append)
    assert watch.poll() == []
    assert watch.seen == {"trainings": 0, "predictions": 100, "skipped_lines": len(BAD_LINES) + 1}
    _write(workspace, BAD_LINES, "a")
    watch.poll()
    assert watch.seen["skipped_lines"] == 2 * len(BAD_LINES) + 1
    assert len(notes) == 1


def test_classifiers_that_cannot_be_judged_are_noted_once(workspace: Path) -> None:
    _classifier(workspace)
    path = workspace / "classifiers" / NAME / "classifier.json"
    path.write_text(json.dumps({"labels": LABELS, "card": {}}))
    strangers = [
        json.dumps({"time": 1, "classifier": f"../{n}" + "x" * 10_000, "label": "a", "confidence": 1}) + "\n"
        for n in range(3)
    ]
    _write(workspace, _log(100) + strangers)
    notes = list[str]()
    watch = Watch(note=notes.append)
    assert (watch.poll(), watch.poll()) == ([], [])
    assert len(notes) == 2
    assert "has no reference" in notes[0]
    assert "is no classifier here" in notes[1]
    assert max(map(len, notes)) < 200


def test_labels_that_the_classifier_does_not_have_are_a_drift_of_their_own(workspace: Path) -> None:
    _classifier(workspace)
    strange = json.dumps({"time": 2e9, "classifier": NAME, "label": "é\x1b[2J\n\ud800" * 2000, "confidence": 0.9})
    healthy = _log(1000)
    mixed = [line for pair in zip(healthy[:200], [strange + "\n"] * 200, strict=True) for line in pair]
    _write(workspace, healthy + mixed)
    alert = next(alert for alert in Watch().poll() if alert.kind == "label drift")
    assert alert.numbers["expected"] == 0
    assert len(alert.numbers["label"]) == 40
    assert "unknown to it, such as" in alert.words
    assert len(alert.words) < 300
    alert.words.encode()


def test_a_long_log_is_read_in_constant_memory(workspace: Path) -> None:
    _classifier(workspace)
    path, lines = _write(workspace, []), _log(10_000)
    for _ in range(30):
        _write(workspace, lines, "a")
    assert path.stat().st_size > 30e6
    del lines
    few = _write(workspace / "few", _log(1000))
    code = f"""
import resource
from finetune.watch import Watch
for log in {[str(few), str(path)]}:
    watch = Watch(Path(log))
    watch.poll()
    print(watch.seen["predictions"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    run = [sys.executable, "-c", f"from pathlib import Path{code}"]
    done = subprocess.run(run, env=_environment(workspace), capture_output=True, text=True, check=True)
    (few_seen, before), (seen, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (few_seen, seen) == (1000, 300_000)
    assert after - before < 5_000, "kilobytes"


# In words


DRIFT = Alert(
    "label drift",
    NAME,
    1e9,
    {},
    f"{NAME}: label drift: of the last 275 predictions 36.4% are labelled “neutral”, against 20.3% of the validation"
    " texts; population stability index 0.14",
    ("36.4%", "20.3%"),
)


@pytest.mark.parametrize(
    ("sentence", "kept"),
    [
        (f"{NAME}: 36.4% are labelled “neutral”, against 20.3% in validation.", True),
        (f"{NAME}: Of 275 predictions, 36.4 % are neutral; the validation texts had 20.3%.", True),
        (f"{NAME}: 36.4% of 300 predictions are neutral, against 20.3%.", False),
        (f"{NAME}: 20.3% are neutral, against 36.4% of the validation texts.", False),
        (f"{NAME}: 36.4% are neutral.", False),
        (f"{NAME}: 36% are neutral, against 20% of the validation texts.", False),
        (f"{NAME}: 36.4% are neutral, which is twice the 20.3% of the validation texts.", False),
        (f"{NAME}: 36.4% are “negative”, against 20.3% of the validation texts.", False),
        (f"{NAME}: 36.4% are neutral, an improvement on 20.3%.", False),
        ("36.4% are labelled “neutral”, against 20.3% in validation.", False),
    ],
)
def test_a_sentence_is_kept_only_with_the_figures_as_they_are(sentence: str, kept: bool) -> None:
    assert is_faithful(sentence, DRIFT) is kept
    said = sentence.removeprefix(f"{NAME}: ")
    chat = FakeListChatModel(responses=[said])
    told = tell(DRIFT, BaseLLM("test:fake", chat, RemoteScorer(chat), embedded=False))
    assert told == (f"{NAME}: {said}" if is_faithful(f"{NAME}: {said}", DRIFT) else DRIFT.words)


def test_the_embedded_llm_tells_an_alert(smollm2: BaseLLM) -> None:
    spike_ = Alert(
        "spike",
        NAME,
        1e9,
        {},
        f"{NAME}: spike: the training loss jumped to 2.310 at step 120, where its trend stood at 0.540 (12 times its"
        " usual deviation)",
        ("2.310", "0.540"),
    )
    told = [tell(alert, smollm2) for alert in (DRIFT, spike_)]
    assert is_faithful(told[0], DRIFT)
    assert is_faithful(told[1], spike_)
    assert told != [DRIFT.words, spike_.words], "SmolLM2 told one of them in its own words"


def test_an_llm_that_does_not_answer_is_an_error_to_mend(smollm2: BaseLLM) -> None:
    long = Alert("spike", NAME, 1e9, {}, f"{NAME}: " + "word " * 20_000, ())
    with pytest.raises(BakeoffError):
        tell(long, smollm2)


def test_labels_are_shortened_to_one_line() -> None:
    assert shortened("a\nb\t c") == "a b c"
    assert shortened("x" * 10_000) == "x" * 39 + "…"
    shortened("\ud800").encode()


# The command and the tool


def _watch(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    code = "from finetune.commands.watch import app; app()"
    command = [sys.executable, "-c", code, "--llm", "none", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(home))


def test_once_reports_on_everything_and_ends(workspace: Path) -> None:
    _classifier(workspace)
    _training(workspace, [*HEALTHY[:20], 1.4], status="finished")
    _write(workspace, _log(500, [0.1, 0.8, 0.1]))
    process = _watch(workspace, "--once", "--json")
    out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert process.returncode == 0
    assert {row["kind"] for row in document["alerts"]} == {"spike", "label drift"}
    assert set(document["alerts"][0]) == {"kind", "subject", "when", "numbers", "words"}
    assert (document["trainings"], document["predictions"], document["skipped_lines"]) == (1, 500, 0)


def test_following_prints_a_line_per_alert_and_ends_well_on_ctrl_c(workspace: Path) -> None:
    _classifier(workspace)
    _training(workspace, [1.0, float("nan")], status="failed")
    path = _write(workspace, _log(500))
    process = _watch(workspace, "--json", "--every", "0.1", "--predictions", str(path))
    assert process.stdout is not None
    assert process.stderr is not None
    assert "following" in process.stderr.readline()
    _write(workspace, _log(500, [0.1, 0.8, 0.1]), "a")
    row = json.loads(process.stdout.readline())
    assert (row["kind"], row["subject"]) == ("label drift", NAME)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out == ""
    assert "looked at 1 training runs and 1000 predictions" in err


def test_the_tool_tells_the_newest_alerts_or_that_there_is_none(workspace: Path) -> None:
    (nothing,) = alerts("Is anything wrong?")
    assert "There is no alert" in nothing.text
    _classifier(workspace)
    curve = _training(workspace, [*HEALTHY[:20], 1.4])
    _write(workspace, _log(500, [0.1, 0.8, 0.1]))  # of 2001: older than the spike
    found = alerts("Is anything wrong?")
    assert ["spike" in found[0].text, "label drift" in found[1].text] == [True, True]
    assert found[0].source == f"alert:{NAME}"
    assert "label drift" in alerts("Is there a label drift?")[0].text
    with curve.open("a") as file:
        file.writelines(_points([float("nan")], first=22))
    assert [("diverged" in item.text) for item in alerts("and now?")] == [True, False, False]
