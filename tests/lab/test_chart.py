"""The learning curve can be read on every terminal, and without one."""

import contextlib
import fcntl
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from lab.chart import curve_chart

ROOT = Path(__file__).parents[2]
POINTS: list[dict[str, Any]] = [
    {"step": 10, "loss": 1.05},
    {"step": 20, "loss": 0.91},
    {"step": 20, "eval_loss": 0.88, "eval_accuracy": 0.604},
    {"step": 30, "loss": 0.78},
    {"step": 40, "loss": 0.61},
    {"step": 40, "eval_loss": 0.701, "eval_accuracy": 0.712},
]

# Trains in play: each point is plotted as it comes, as a callback does it.
TRAINING = f"""
from lab.chart import live_training
points = {POINTS}
with live_training("fine-tuning [/now]\x1b[2J", total=40) as view:
    for number, point in enumerate(points, 1):
        view.plot(points[:number])
        if "loss" in point:
            view.advance(10)
    view.describe("fine-tuned")
    view.note("the last evaluation was \\x1b]0;odd\\x07")
    print("answer")
"""


def braille(text: str) -> bool:
    return re.search("[\u2801-\u28ff]", text.split("\n", 1)[1]) is not None


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_chart_keeps_to_its_width_and_height_whatever_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    lines = curve_chart(POINTS, 50, width).split("\n")
    assert max(map(len, lines)) in (width - 1, width)
    assert len(lines) == 16
    assert sum("loss:" in line for line in lines) == 1
    assert ("accuracy, %:" in lines[0]) == (width > 40)


def test_title_markers_and_axes_tell_the_curves_apart_without_colours() -> None:
    chart = curve_chart(POINTS, 50)
    title, *body = chart.split("\n")
    assert "⠒ training  ● validation" in title and "accuracy, %:  ◆ validation" in title
    assert braille(chart)
    assert [sum(line.count(marker) for line in body) for marker in "●◆"] == [2, 2]
    assert body[-1].split() == ["step", "step"]
    assert body[-2].split() == ["0", "20", "40", "50"] * 2
    assert "\x1b" not in chart


def test_colours_change_nothing_but_the_colours() -> None:
    coloured = curve_chart(POINTS, 50, colour=True)
    assert "\x1b[38;5;" in coloured and "\x1b[48;5;" not in coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert [line.rstrip() for line in plain.split("\n")] == curve_chart(POINTS, 50).split("\n")


def test_nothing_to_draw_is_no_chart(capfd: pytest.CaptureFixture[str]) -> None:
    assert curve_chart([], 50) == ""
    assert curve_chart([{"step": 3, "loss": math.nan, "eval_loss": math.inf, "eval_accuracy": None}], 50) == ""
    assert capfd.readouterr() == ("", "")


def test_one_point_is_a_chart_of_one_panel() -> None:
    chart = curve_chart(POINTS[:1], 50)
    assert braille(chart) and "accuracy" not in chart
    assert max(map(len, chart.split("\n"))) == 78


def test_values_that_are_no_numbers_are_left_out() -> None:
    odd = [{"step": 25, "loss": math.nan, "eval_loss": math.inf}, {"step": 26, "eval_accuracy": -math.inf}]
    assert curve_chart([*POINTS[:3], *odd, *POINTS[3:]], 50) == curve_chart(POINTS, 50)


@pytest.mark.parametrize("loss", [0.0, 1e-30, 1e30, -2.0, 5])
def test_every_loss_has_its_axis(loss: float, capfd: pytest.CaptureFixture[str]) -> None:
    assert "●" in curve_chart([{"step": 1, "eval_loss": loss}, {"step": 2, "eval_loss": loss}], 2).split("\n", 1)[1]
    assert capfd.readouterr() == ("", "")


def test_the_accuracy_of_a_perfect_classifier_stays_on_the_chart() -> None:
    chart = curve_chart([{"step": 1, "eval_accuracy": 0.999}, {"step": 2, "eval_accuracy": 1.0}], 2)
    assert "100" in chart and "102" not in chart


def test_a_low_chart_on_a_narrow_terminal_is_of_the_losses() -> None:
    chart = curve_chart(POINTS, 50, width=40, height=8)
    assert len(chart.split("\n")) == 8
    assert "loss:" in chart and "accuracy" not in chart and "●" in chart.split("\n", 1)[1]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"} | changes


def train_in_a_terminal(columns: int = 80, rows: int = 24, **variables: str) -> tuple[str, str]:
    """Return what a terminal of this size receives from stderr, and what comes out of stdout."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    command = [sys.executable, "-c", TRAINING]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment(**variables))
    os.close(theirs)
    received = b""
    with contextlib.suppress(OSError):  # EIO is how Linux says that the other side has closed
        while chunk := os.read(ours, 65536):
            received += chunk
    os.close(ours)
    answer, _ = child.communicate(timeout=60)
    assert child.returncode == 0, received.decode()
    return received.decode().replace("\r\n", "\n"), answer.decode()


def final_screen(received: str) -> str:
    """Return what stays on the screen: what follows the last time that rich has cleared its region."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", re.split(r"\x1b\[2K", received)[-1])


def test_a_terminal_shows_the_chart_and_keeps_it() -> None:
    received, answer = train_in_a_terminal()
    final = final_screen(received)
    assert sum(line.count("◆") for line in final.split("\n")[1:]) == 2
    assert "fine-tuned" in final and "40/40" in final
    assert all(len(line) <= 80 for line in final.split("\n"))
    assert "\x1b[38;5;" in received or "\x1b[9" in received
    assert "\x1b[33mwarning: the last evaluation was \ufffd]0;odd\ufffd" in received
    assert "fine-tuning [/now]\ufffd[2J" in received and "\x1b[2J" not in received
    assert received.rstrip().endswith("\x1b[?25h")  # the cursor is back
    assert answer == "answer\n"


def test_no_color_is_honoured() -> None:
    received, _ = train_in_a_terminal(NO_COLOR="1")
    assert "◆" in final_screen(received)
    assert not re.search(r"\x1b\[[\d;]*(3[0-7]|38|9[0-7])[\d;]*m", received)


def test_a_terminal_without_the_rows_shows_the_bar_alone() -> None:
    final = final_screen(train_in_a_terminal(columns=60, rows=8)[0])
    assert "loss:" not in final and "40/40" in final


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}])
def test_a_pipe_receives_one_line_per_evaluation(variables: dict[str, str]) -> None:
    command = [sys.executable, "-c", TRAINING]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(**variables), check=True)
    assert re.sub(r"\x1b\[\d*m", "", done.stderr).split("\n") == [
        "fine-tuning [/now]\ufffd[2J (40)",
        "step 20 of 40: loss 0.910, validation loss 0.880, accuracy 60.4 %",
        "step 40 of 40: loss 0.610, validation loss 0.701, accuracy 71.2 %",
        "warning: the last evaluation was \ufffd]0;odd\ufffd",
        "",
    ]
    assert done.stdout == "answer\n"
