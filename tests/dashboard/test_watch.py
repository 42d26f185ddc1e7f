"""Watch: real alerts of written curves and logs, as they come, each with the figures behind it."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import expect

from tests.dashboard.conftest import NARROW, View

LABELS, SHARES, SHIFTED = (
    ["negative", "neutral", "<b>[positive](http://evil.example)"],
    [0.25, 0.2, 0.55],
    [0.25, 0.35, 0.4],
)
HEALTHY = [0.2 + 0.9 * np.exp(-step / 10) for step in range(20)]


def _training(home: Path, name: str, losses: Sequence[float]) -> None:
    """Write a training's folder as `bakeoff train` leaves it: a point every 10 steps."""
    folder = home / "trainings" / name
    folder.mkdir(parents=True)
    points = [{"step": 10 * n, "time": time.time(), "loss": float(loss)} for n, loss in enumerate(losses, 1)]
    (folder / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points), encoding="utf-8")
    state = {"classifier": name, "pid": os.getpid(), "host": platform.node(), "baseline_loss": 1.0, "total_steps": 400}
    (folder / "training.json").write_text(json.dumps({**state, "status": "finished"}), encoding="utf-8")


def _drifting(home: Path, name: str) -> None:
    """Write a classifier's card with the reference of 600 validation texts, and 1,000 predictions with other labels."""
    random = np.random.default_rng(0)
    edges = (np.arange(1, 10) / 10).tolist()
    reference = {
        "labels": dict(zip(LABELS, random.multinomial(600, SHARES).tolist(), strict=True)),
        "confidence": {"edges": edges, "counts": [60] * 10},
    }
    card = home / "classifiers" / name / "classifier.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"labels": LABELS, "card": {"reference": reference}}), encoding="utf-8")
    labels, confidence = random.choice(LABELS, 1000, p=SHIFTED), random.random(1000)
    with (home / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for label, sure in zip(labels, confidence, strict=True):
            row = {"time": time.time(), "classifier": name, "label": str(label), "confidence": float(sure)}
            file.write(json.dumps(row) + "\n")


def test_alerts_come_by_themselves_each_with_its_curve_or_its_distributions(
    served: Callable[[Path], str], visit: Callable[..., View], workspace: Path
) -> None:
    address = served(workspace)
    view = visit(address)
    page = view.open("watch", "Watch")
    expect(page.get_by_text("bakeoff train")).to_be_visible()
    expect(page.get_by_text("bakeoff classifier predict --log")).to_be_visible()

    _training(workspace, "tweets-diverges", [*HEALTHY[:10], 2.0, float("nan")])
    expect(page.get_by_text("the training loss is nan; lower --learning-rate")).to_be_visible()
    expect(page.get_by_role("heading", name="tweets-diverges: diverged at step 120")).to_be_visible()
    expect(page.get_by_role("img").filter(has_text="cross-entropy, nats")).to_be_visible()
    expect(page.get_by_text("1 training and 0 predictions: 2 alerts")).to_be_visible()

    _drifting(workspace, "tweets-drifts")
    expect(page.get_by_text("of the validation texts; population stability index")).to_be_visible()
    view.settle()  # or the first button might still be that of the chart that was first
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    rows = Path(download.value.path()).read_text(encoding="utf-8")
    assert rows.startswith("category,of,share_percent,from_percent,to_percent,count")
    assert "validation texts" in rows
    assert "production" in rows

    page.get_by_role("combobox", name="Training or classifier").click()
    page.get_by_role("option", name="tweets-diverges").click()
    expect(page.get_by_text("label drift")).to_have_count(0)
    assert "subject=tweets-diverges" in page.url
    shared = visit(address, NARROW, dark=True).open("watch?kind=label+drift", "Watch")
    expect(shared.get_by_text("<b>[positive](http://evil.example)").first).to_be_visible()
    expect(shared.get_by_text("diverged")).to_have_count(0)
