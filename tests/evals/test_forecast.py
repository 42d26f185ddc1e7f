"""The forecast before a run: right within a wide factor, each part of it reacts, and what is unknown is never zero."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.budget import Budget
from evals.commands.printing import tell_forecast
from evals.costs import Effort
from evals.forecast.efforts import UNKNOWN
from evals.forecast.forecast import ArmForecast, Forecast
from evals.forecast.forecasting import forecast_run
from evals.own_data import check_split, choose_suite, columns_of, find_columns
from evals.scenarios import kind_of
from evals.suite import Suite, load_suite
from finetune.registry import set_champion
from lab.datasets import Dataset
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from lab.prices import load_prices
from tests.conftest import Outcome

Bakeoff = Callable[..., Outcome]
SUITE = """
name: small
latency_sample: 1
arms:
  - approach: knn
  - approach: zero_shot
  - approach: finetuned
    hyperparameters: { num_train_epochs: 0.5, batch_size: 4 }
"""


@pytest.fixture
def few_csv(tweets: Dataset) -> Path:
    """A user's file of 120 texts."""
    return _written("few.csv", ["text", "label"], [(one.text, one.label) for one in tweets.examples[:120]])


@pytest.fixture
def small_yaml() -> Path:
    path = Path("small.yaml")
    path.write_text(SUITE)
    return path


def _written(name: str, header: Sequence[str], rows: Sequence[Sequence[str]], encoding: str = "utf-8") -> Path:
    with Path(name).open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])
    return Path(name)


def _forecast(suite: Suite, limit: str | None = None) -> Forecast:
    return forecast_run(suite, kind_of(suite.kind).plan(suite, limit), load_prices())


def _suite(path: Path, **fields: Any) -> Suite:
    arms = fields.pop("arms", [{"approach": "zero_shot", "llm": "embedded:smollm2"}])
    return Suite.model_validate({"name": "s", "dataset": str(path), "latency_sample": 0, "arms": arms} | fields)


def test_a_small_run_takes_about_what_was_foretold_and_then_nothing_is_left(
    few_csv: Path, small_yaml: Path, bakeoff: Bakeoff, smollm2: BaseLLM, workspace: Path
) -> None:
    set_champion("another", "a first one would be exported, which takes long")
    command = ("eval", str(small_yaml), "--data", str(few_csv), "--limit", "12", "--json")
    told = bakeoff(*command)
    assert told.code == 0, told.err
    assert told.json["dataset"]["test"] == 12
    assert "few.csv: 120 texts, 3 labels" in told.err
    assert told.err.index("forecast: 36 answers, about") < told.err.index("index of"), "said before it starts"
    kept = json.loads((workspace / "runs" / told.json["run_id"] / "forecast.json").read_text())
    assert "% against the" in told.err
    assert kept["took"]["complete"]
    assert kept["total"]["seconds"] / 3 < kept["took"]["seconds"] < kept["total"]["seconds"] * 3
    assert kept["total"]["tokens"] == pytest.approx(kept["took"]["tokens"], rel=0.3)
    left = bakeoff(*command, "--estimate").json
    assert left["total"] == {
        "answers": 0, "seconds": 0, "tokens": 0, "usd": 0, "least_seconds": 0, "least_usd": 0,
    }  # fmt: skip
    other = bakeoff(*command, "--only", "knn", "--only", "finetuned", "--estimate").json["arms"]  # another run
    assert [(arm["answers"], arm["note"]) for arm in other] == [(12, "index there"), (12, "trained before")]
    assert len(list(workspace.glob("runs/*/manifest.json"))) == 1, "an estimate runs nothing"


def test_twice_the_texts_take_twice_the_tokens_and_the_time(few_csv: Path, smollm2: BaseLLM) -> None:
    half, whole = (_forecast(_suite(few_csv), limit) for limit in ("8", "16"))
    assert half.tokens and whole.tokens and half.seconds and whole.seconds
    assert whole.tokens / half.tokens == pytest.approx(2, rel=0.2)
    assert 1 < whole.seconds / half.seconds < 4
    seeds = _forecast(_suite(few_csv, repeats=3), "8")
    assert seeds.answers == 24
    assert seeds.tokens == pytest.approx(3 * half.tokens, rel=0.01)


def test_more_training_takes_more_and_each_size_and_seed_is_counted(few_csv: Path) -> None:
    arms = [
        {"approach": "finetuned", "name": str(epochs), "hyperparameters": {"num_train_epochs": epochs, "batch_size": 4}}
        for epochs in (1, 11)
    ]
    curve = _forecast(_suite(few_csv, arms=arms, kind="data_efficiency", sizes=[20], repeats=2), "5")
    short, long = (arm.seconds or 0 for arm in curve.arms)
    assert curve.answers == 2 * 2 * 2 * 5, "arms, sizes, seeds, texts"
    assert long > 1.5 * short


def test_a_refit_is_so_many_trainings_more(few_csv: Path) -> None:
    knobs = {"num_train_epochs": 3, "batch_size": 4}
    arms = [
        {"approach": "finetuned", "name": str(refit), "hyperparameters": knobs, "refit": refit} for refit in (0, 1, 4)
    ]
    alone, *_ = _forecast(_suite(few_csv, arms=arms[:1])).arms
    _, second, fifth = _forecast(_suite(few_csv, arms=arms)).arms
    both, *_ = _forecast(_suite(few_csv, arms=arms[1:2])).arms
    assert (both.seconds or 0) > 1.5 * (alone.seconds or 0)
    assert (second.seconds or 0) < (both.seconds or 0), "the first training is shared with the arm before"
    assert (fifth.seconds or 0) > 2 * (second.seconds or 0), "four trainings, none of which is the second"
    assert not second.note


def test_a_remote_llm_is_priced_without_being_asked(few_csv: Path, setting: Callable[[str, str], None]) -> None:
    setting("OPENAI_API_KEY", "none")
    setting("OPENAI_BASE_URL", "http://127.0.0.1:9")  # whoever asks, fails
    arms = [{"approach": "zero_shot", "llm": f"openai:{name}"} for name in ("gpt-4o-mini", "unheard-of")]
    priced, unpriced = (_forecast(_suite(few_csv, arms=arms, latency_sample=n)).arms[n > 0] for n in (0, 5))
    assert priced.tokens and priced.usd
    assert 0.1e-6 < priced.usd / priced.tokens < 1e-6, "dollars of a token"
    assert priced.seconds is None
    assert unpriced.usd is None
    assert "prices.yaml" in unpriced.note


def test_what_nobody_knows_is_unknown_and_never_zero(few_csv: Path, setting: Callable[[str, str], None]) -> None:
    Path("own.py").write_text("class Own:\n    def fit(self, a, b): return self\n    def predict(self, t): return t\n")
    forecast = _forecast(_suite(few_csv, arms=[{"approach": "own:Own"}, {"approach": "majority"}]))
    assert (forecast.seconds, forecast.tokens, forecast.usd) == (None, None, None)
    assert "at least 0 s, tokens unknown, cost unknown" in forecast.spoken()
    assert (UNKNOWN + Effort(1.0)).seconds is None
    assert (UNKNOWN * 0).seconds == 0, "what is not done takes nothing"
    lost = _forecast(_suite(few_csv, arms=[{"approach": "finetuned", "base": "nobody/nothing"}]))
    assert lost.arms[0].note.startswith("would fail: expected a BERT-like checkpoint")
    setting("BAKEOFF_USD_PER_HOUR", "3600")
    known = _forecast(_suite(few_csv, arms=[{"approach": "knn"}]))
    assert known.usd == pytest.approx(known.seconds)


def test_a_budget_below_the_forecast_is_said_before_the_start(
    few_csv: Path, setting: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    setting("BAKEOFF_USD_PER_HOUR", "1")
    forecast = Forecast((ArmForecast("a", 5, seconds=120.0, usd=0.5), ArmForecast("b", 5, seconds=None, usd=None)))
    arms = load_suite("sentiment").arms
    tell_forecast(forecast, Budget(arms, minutes=1.5, usd=0.4))
    told = capsys.readouterr().err
    assert "--max-minutes 1.5 is less than the 2.0 minutes foretold: the run will stop" in told
    assert "--budget-usd 0.4 is less than the $0.5000 foretold" in told
    tell_forecast(forecast, Budget(arms, minutes=3, usd=0.6))
    assert "warning" not in capsys.readouterr().err


def test_an_estimate_prints_a_table_and_runs_nothing_and_may_be_left_out(
    few_csv: Path, bakeoff: Bakeoff, workspace: Path
) -> None:
    told = bakeoff("eval", "--data", str(few_csv), "--only", "majority", "--estimate")
    assert "few: what the run would take" in told.out
    assert "forecast: 19 answers" in told.out
    assert "only 19 test texts" in told.err
    assert not (workspace / "runs").exists()
    told = bakeoff("eval", "--data", str(few_csv), "--only", "majority", "--no-estimate", "--json")
    assert told.json["run_id"].startswith("few-"), "named after the file"
    assert "forecast" not in told.err
    assert not list(workspace.glob("runs/*/forecast.json"))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (("tweet", "sentiment"), "taking 'tweet' for the text and 'sentiment' for the label"),
        (("Text", "LABEL"), "taking 'Text' for the text and 'LABEL' for the label"),
        (("foo", "bar"), "columns 'text', 'label' in own.csv; got 'foo', 'bar'; name yours with --text-column"),
        (("review", "tweet", "class"), "--text-column 'review' or 'tweet' --label-column 'class'"),
        (("text", "class", "topic"), "a column 'label' in own.csv; got 'text', 'class', 'topic'; name them: --label"),
        (("text;label",), "save the file with commas between the columns, not ';'"),
        (("text",), "got only 'text'; put a label beside each text"),
    ],
)
def test_columns_are_taken_only_where_they_are_unambiguous(
    header: tuple[str, ...], told: str, bakeoff: Bakeoff, tweets: Dataset
) -> None:
    rows = [(one.text, one.label, one.label)[: len(header)] for one in tweets.examples[:40]]
    _written("own.csv", header, rows)
    found = bakeoff("eval", "--data", "own.csv", "--only", "majority", "--estimate")
    assert told in found.err
    assert found.code == ("taking" not in told)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"PK\x03\x04rest", "an archive or a spreadsheet"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "got UTF-16; save the file as UTF-8"),
        ("a.csv", b"\x00\x01\x02", "bytes that are no text"),
        ("a.csv", b"", "labelled rows in a.csv; got 0 rows"),
        ("a.csv", b"text,label\n" + b"".join(b"t%d,%d\n" % (n, n) for n in range(90)), "labels that repeat"),
        ("a.jsonl", b"[1, 2]\n", "a JSON object in a.jsonl, row 1"),
        ("a.xlsx", b"PK", "got a.xlsx; convert the file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_line(name: str, content: bytes, told: str, bakeoff: Bakeoff) -> None:
    Path(name).write_bytes(content)
    found = bakeoff("eval", "--data", name, "--only", "majority")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert told in found.err


def test_odd_data_is_told_before_anything_starts(bakeoff: Bakeoff, tweets: Dataset) -> None:
    texts = [one.text for one in tweets.examples[:240]]
    rows = [(text, "rare" if n % 20 == 0 else "ok") for n, text in enumerate(texts)]
    rows += [(texts[0].upper(), "ok"), ("very long " * 100, "ok")]
    _written("odd.csv", ["text", "label"], rows)
    told = bakeoff("eval", "--data", "odd.csv", "--only", "majority", "--limit", "40")
    assert "always answering 'ok' would be right in 95%" in told.err
    assert "1 texts stand there with different labels" in told.err
    assert "1 rows repeat a text" in told.err
    assert "fewer than 5 test texts have the label 'rare'" in told.err
    suite = _suite(Path("odd.csv"), arms=[{"approach": "finetuned"}])
    words = [
        remark.words for remark in check_split(suite, kind_of("static").plan(suite, None).scenarios[0], leaks=True)
    ]
    assert any("read 128 tokens of a text and cut the rest: that of about 1 of 242 texts" in one for one in words)


def test_the_columns_choose_the_suite(tmp_path: Path) -> None:
    asked = _written("q.csv", ["question", "answer", "source"], [("Who?", "I", "me")])
    labelled = _written("l.tsv", ["text\tlabel"], [])
    assert choose_suite(str(asked))[0] == "knowledge"
    assert choose_suite(str(labelled))[0] == "sentiment"
    assert choose_suite(str(asked), named=["text_column"])[0] == "sentiment"
    assert columns_of(str(labelled)) == ("text", "label")
    assert columns_of("missing.csv") == ()
    with pytest.raises(BakeoffError, match="--label-column"):
        find_columns(str(asked), "question", None, load_suite("sentiment"))
