"""Costs and prices: what is not known stays unknown, and break-even points are where costs are equal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evals.costs import (
    Load,
    UnitCosts,
    break_even_changes,
    break_even_queries,
    cost_per_correct,
    machine_cost,
    monthly_cost,
    token_cost,
)
from lab.errors import BakeoffError
from lab.prices import Price, load_prices

ENTRY = '  "{}": {{input: {}, output: 2, as_of: 2026-01-01, source: s}}\n'
RANDOM = [np.random.default_rng(seed).lognormal(sigma=3, size=9) for seed in range(200)]


def _random(values: np.ndarray) -> tuple[UnitCosts, UnitCosts, Load]:
    a, b, month = values[:3], values[3:6], values[6:]
    return UnitCosts(a[0], a[1], a[2] % 1), UnitCosts(b[0], b[1], b[2] % 1), Load(month[0], month[1], month[2])


def _month(costs: UnitCosts, load: Load) -> float:
    cost = monthly_cost(costs, load)
    assert cost is not None
    return cost


def test_at_the_break_even_both_cost_the_same() -> None:
    found = 0
    for values in RANDOM:
        a, b, load = _random(values)
        if queries := break_even_queries(a, b, load):
            at = Load(queries, load.changes, load.per_error)
            assert _month(a, at) == pytest.approx(_month(b, at), rel=1e-9)
            found += 1
        if changes := break_even_changes(a, b, load):
            at = Load(load.queries, changes, load.per_error)
            assert _month(a, at) == pytest.approx(_month(b, at), rel=1e-9)
            found += 1
    assert found > 100


def test_without_a_break_even_the_same_one_is_always_cheaper() -> None:
    found = 0
    for values in RANDOM:
        a, b, load = _random(values)
        if break_even_queries(a, b, load) is None:
            loads = [Load(queries, load.changes, load.per_error) for queries in (1e-6, 1.0, 1e6, 1e12)]
            assert len({_month(a, at) > _month(b, at) for at in loads}) == 1
            found += 1
    assert found > 20


def test_parallel_costs_never_break_even() -> None:
    a, b = UnitCosts(1.0, 2.0), UnitCosts(1.0, 3.0)
    assert break_even_queries(a, b, Load(10, 1)) is None
    assert break_even_changes(a, b, Load(10, 1)) is None


def test_an_unknown_amount_stays_unknown_in_every_sum() -> None:
    price = Price.model_validate({"input": 1.0, "output": 2.0, "as_of": "2026-01-01", "source": "s"})
    assert machine_cost(3.0, None) is None
    assert machine_cost(None, 2.0) is None
    assert token_cost(100, 1, None) is None
    assert token_cost(None, 0, price) is None
    assert token_cost(1_000_000, 500_000, price) == pytest.approx(2.0)
    for costs in (UnitCosts(None, 1.0, 0.1), UnitCosts(1.0, None, 0.1)):
        assert monthly_cost(costs, Load(10, 2, 1.0)) is None
        assert break_even_queries(costs, UnitCosts(1.0, 2.0), Load(10, 2)) is None
        assert break_even_changes(costs, UnitCosts(1.0, 2.0), Load(10, 2)) is None
    assert cost_per_correct(None, 0.5) is None


def test_what_is_not_used_costs_nothing_at_an_unknown_price() -> None:
    assert machine_cost(0.0, None) == 0
    assert monthly_cost(UnitCosts(0.5, None), Load(10, 0)) == 5


def test_the_cost_of_pass_is_the_cost_of_an_attempt_by_the_pass_rate() -> None:
    assert cost_per_correct(0.2, 0.8) == pytest.approx(0.25)
    assert cost_per_correct(0.2, 0.0) is None, "no money buys a right answer"


def test_a_month_is_queries_changes_and_errors() -> None:
    assert monthly_cost(UnitCosts(0.5, 3.0, 0.25), Load(100, 2, 0.1)) == pytest.approx(50 + 6 + 2.5)


def test_every_price_of_bakeoffs_own_is_dated_and_sourced() -> None:
    models = load_prices().models
    assert models
    for name, price in models.items():
        assert price.source
        assert price.as_of.year >= 2026
        assert (price.input > 0 and price.output > 0) or price.billed == "seconds", name
        assert price.billed == "seconds" or "verify" in price.note, name


def test_an_unknown_model_has_no_price_and_an_embedded_one_is_paid_in_seconds() -> None:
    prices = load_prices()
    assert prices.of("openai:nosuch") is None
    embedded = prices.of("embedded:smollm2")
    assert embedded is not None
    assert embedded.billed == "seconds"


def test_own_prices_override_by_model_the_nearest_file_last(workspace: Path) -> None:
    workspace.mkdir()
    (workspace / "prices.yaml").write_text("models:\n" + ENTRY.format("a/b", 1) + ENTRY.format("c:*", 1))
    Path("prices.yaml").write_text("models:\n" + ENTRY.format("a:b", 3) + ENTRY.format("c:long*", 4))
    prices = load_prices()
    assert [price and price.input for price in map(prices.of, ("a:b", "c:x", "c:longer"))] == [3, 1, 4]
    assert prices.of("openai:gpt-4o-mini") is not None
    Path("mine.yaml").write_text("models:\n" + ENTRY.format("a:b", 5))
    mine = load_prices(Path("mine.yaml")).of("a:b")
    assert mine is not None
    assert mine.input == 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models: {'a:b': {input: -1, output: 2, as_of: 2026-01-01, source: s}}", "models.a:b.input"),
        ("models: {'a:b': {input: .nan, output: 2, as_of: 2026-01-01, source: s}}", "models.a:b.input"),
        ("models: {'a:b': {input: free, output: 2, as_of: 2026-01-01, source: s}}", "models.a:b.input"),
        ("models: {'a:b': {input: 1, as_of: 2026-01-01, source: s}}", "models.a:b.output: field required"),
        ("models: {'a:b': {input: 1, output: 2, as_of: soon, source: s}}", "models.a:b.as_of"),
        ("models: {'a:b': {input: 1, output: 2, as_of: 2026-01-01}}", "models.a:b.source"),
        ("models: {'a:b': {input: 1, output: 2, as_of: 2026-01-01, source: s, outptu: 3}}", "models.a:b.outptu"),
        ("models: {'a:b': {input: 1, output: 0, as_of: 2026-01-01, source: s, billed: seconds}}", "tokens at 0"),
        ("models: {ab: {input: 1, output: 2, as_of: 2026-01-01, source: s}}", "provider:model"),
        ("price: 1", "models: field required"),
        ("models: [", "prices as YAML"),
    ],
)
def test_a_list_of_prices_that_is_none_names_the_field(text: str, complaint: str) -> None:
    Path("prices.yaml").write_text(text)
    with pytest.raises(BakeoffError, match=complaint):
        load_prices()


def test_a_file_of_prices_that_is_not_there_is_said(setting: Callable[[str, str], None]) -> None:
    with pytest.raises(BakeoffError, match="correct --prices"):
        load_prices(Path("nosuch.yaml"))
