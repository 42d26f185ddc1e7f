"""Suggestions for half-typed texts: cases, warnings that keep their word, a pipe, and a real terminal."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agents.suggest import Suggester
from agents.suggest.foresight import CUTS, Scale, beginnings
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
LONG = "I absolutely love this, what a wonderful and happy day"


@pytest.fixture
def piped(bakeoff: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """Run `bakeoff suggest` on bytes from a pipe."""

    def run(typed: bytes, *options: str) -> Outcome:
        (tmp_path / "typed").write_bytes(typed)
        with (tmp_path / "typed").open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            return bakeoff("suggest", *options)

    return run


def test_each_line_of_a_pipe_is_answered_with_cases_and_a_warning(
    quick_champion: Path, piped: Callable[..., Outcome]
) -> None:
    told = piped(f"I\n\n{LONG}\n".encode(), "--json", "--sure", "0", "-k", "3")
    short, empty, long = map(json.loads, told.out.splitlines())
    assert "index of" in told.err
    assert short["warning"] is None, "one letter is too short to tell"
    assert (empty["cases"], empty["warning"]) == ([], None)
    assert [case["n"] for case in long["cases"]] == [1, 2, 3]
    assert "my.csv:" in long["cases"][0]["source"]
    warning = long["warning"]
    assert (warning["label"], warning["classifier"]) == ("positive", "mine")
    assert 0 < warning["probability"] < 1
    assert warning["share"] in [n / 3 for n in range(4)]
    assert warning["share"] == sum(case["label"] == "positive" for case in long["cases"]) / 3

    again = piped(f"{LONG}\n".encode(), "--json", "--sure", "1")
    assert json.loads(again.out)["warning"] is None
    assert again.err == "", "cases are indexed once, and the scale is learned once"


def test_words_for_people_carry_no_control_characters(quick_champion: Path, piped: Callable[..., Outcome]) -> None:
    told = piped(b"\x1b]0;evil\x07 " + LONG.encode() + b" \xff\n\n", "--sure", "0")
    first, second = told.out.splitlines()
    assert first.startswith("probably positive (")
    assert "of the nearest cases)\t0." in first
    assert second == "-"
    assert "\x1b" not in piped(b"\x1b[31m red\n", "--json").out


def test_without_a_champion_there_are_cases_only_and_the_way_to_one(
    my_csv: Path, piped: Callable[..., Outcome]
) -> None:
    told = piped(f"{LONG}\n".encode(), "--cases", str(my_csv), "--json")
    found = json.loads(told.out)
    assert (len(found["cases"]), found["warning"]) == (5, None)
    assert "bakeoff train" in told.err


def test_documents_serve_as_cases_too(
    quick_champion: Path, bakeoff: Callable[..., Outcome], piped: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert "index add" in piped(b"refunds for broken phones\n", "--from", "documents").err
    (tmp_path / "a.md").write_text("We refund within 14 days.\n")
    bakeoff("index", "add", str(tmp_path / "a.md"))
    found = json.loads(piped(b"refunds for broken phones\n", "--from", "documents", "--sure", "0", "--json").out)
    assert found["cases"][0]["text"] == "We refund within 14 days."
    assert found["warning"]["share"] is None
    assert piped(b"", "--from", "documents", "--cases", "my.csv").code == 2


def test_a_program_gets_the_same_suggestions(quick_champion: Path) -> None:
    suggester = Suggester.over_examples(sure=0)
    found = suggester.suggest(LONG)
    assert found.document()["warning"]["label"] == "positive"
    assert 0 < found.seconds < 5


def test_a_probability_is_the_share_of_warnings_that_come_true() -> None:
    random = np.random.default_rng(0)
    characters = np.repeat([10, 40], 4000)
    confidence = random.uniform(0.5, 0.999, 8000)
    true = 1 / (1 + np.exp(-(0.5 * np.log(confidence / (1 - confidence)) + np.log(characters) - 3)))
    scale = Scale.learn(confidence, random.random(8000) < true, characters)
    told = np.array([scale.probability(*row) for row in zip(confidence, characters, strict=True)])
    assert np.abs(told - true).max() < 0.05
    assert told[confidence > 0.9].mean() > told.mean()
    assert told[characters == 10].mean() < 0.5 < told[characters == 40].mean(), "less to read is trusted less"
    always = Scale.learn(confidence, np.ones(8000, dtype=bool), characters)
    assert 0.99 < always.probability(0.9, 40) < 1


def test_a_beginning_is_never_empty_and_the_last_is_the_whole_text() -> None:
    assert list(beginnings(["a", "abcdefgh"], CUTS[0])) == ["a", "ab"]
    assert list(beginnings(["a", "abcdefgh"], CUTS[-1])) == ["a", "abcdefgh"]


def test_the_terminal_lists_cases_while_one_types(my_csv: Path, tmp_path: Path) -> None:
    """A real terminal: the list follows the text, Enter takes it, and Esc leaves without an answer."""
    for ending, said in ((b"\r", "invoice is late\n0."), (b"\x1b", "")):
        with (tmp_path / "answer").open("w") as answer:
            parent, process = _start(["suggest", "--cases", str(my_csv.absolute())], answer.fileno())
            try:
                _expect(parent, "Enter takes")
                os.write(parent, b"invoice is late")
                _expect(parent, "0.")
                os.write(parent, ending)
                assert process.wait(timeout=60) == 0
            finally:
                process.kill()
                os.close(parent)
        told = (tmp_path / "answer").read_text()
        assert told.startswith(said) and bool(told) == bool(said)


def _start(arguments: list[str], stdout: int) -> tuple[int, subprocess.Popen[bytes]]:
    """Start the command at a terminal, its answer going to a file; return the other end of the terminal."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), "PROMPT_TOOLKIT_NO_CPR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments], stdin=child, stdout=stdout, stderr=child, env=environment
    )
    os.close(child)
    return parent, process


def _expect(terminal: int, text: str, seconds: float = 90) -> None:
    seen, until = "", time.monotonic() + seconds
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
        assert ready, f"waited for {text!r}, saw {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace")
