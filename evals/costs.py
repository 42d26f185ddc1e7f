"""What approaches cost: an answer, a right answer, a change of the data, a month; and where two cost the same.

Pure functions. An amount that is not known is None and stays None in every sum; what is not used costs nothing at any
price. Seconds become dollars only through the user's price of an hour.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from lab.prices import Price

SECONDS_PER_HOUR = 3600
MILLION = 1_000_000


class Took(Protocol):
    """What says of itself what it took: a record, a fit, a piece of work."""

    @property
    def seconds(self) -> float:
        """Return the seconds of the clock."""
        ...

    @property
    def tokens(self) -> int:
        """Return the tokens that a base LLM read and wrote."""
        ...

    @property
    def output_tokens(self) -> int:
        """Return those among them that it wrote."""
        ...


@dataclass(frozen=True)
class Effort:
    """Seconds of the clock, and tokens that a base LLM reads and writes; None is unknown, and so is its sum."""

    seconds: float | None = 0.0
    read: float | None = 0.0
    written: float | None = 0.0

    @classmethod
    def of(cls, parts: Iterable[Took]) -> "Effort":
        """Return what all parts took together."""
        seconds, tokens, written = 0.0, 0, 0
        for part in parts:
            seconds, tokens, written = seconds + part.seconds, tokens + part.tokens, written + part.output_tokens
        return cls(seconds, tokens - written, written)

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(
            total(self.seconds, other.seconds), total(self.read, other.read), total(self.written, other.written)
        )

    def __mul__(self, times: float) -> "Effort":
        if not times:
            return Effort()
        return Effort(product(self.seconds, times), product(self.read, times), product(self.written, times))

    @property
    def tokens(self) -> float | None:
        """Return the tokens read and written."""
        return total(self.read, self.written)

    def usd(self, price: Price | None, usd_per_hour: float | None, local: bool) -> float | None:
        """Return what answers that took this cost: seconds of this machine, or a remote LLM's tokens at its prices."""
        if local or (price is not None and price.billed == "seconds"):
            return machine_cost(self.seconds, usd_per_hour)
        return token_cost(self.read, self.written, price)


@dataclass(frozen=True)
class UnitCosts:
    """What one arm takes, in one unit throughout: per answer, and per change of the data.

    Attributes:
        per_answer: USD, or seconds of this machine; None where it is unknown.
        per_change: of taking in a change of the data, in the same unit.
        error_share: of all texts, how many get no right answer, in [0, 1].
    """

    per_answer: float | None
    per_change: float | None
    error_share: float = 0.0

    @property
    def known(self) -> bool:
        """Tell whether both amounts are known."""
        return self.per_answer is not None and self.per_change is not None


@dataclass(frozen=True)
class Load:
    """A month: how many queries, how many changes of the data, and what one error costs (in the costs' unit)."""

    queries: float
    changes: float
    per_error: float = 0.0


def machine_cost(seconds: float | None, usd_per_hour: float | None) -> float | None:
    """Return the USD that seconds of this machine cost; None where the seconds or the price of an hour are unknown."""
    return product(seconds, None if usd_per_hour is None else usd_per_hour / SECONDS_PER_HOUR)


def token_cost(read: float | None, written: float | None, price: Price | None) -> float | None:
    """Return the USD for tokens read and written; None where their number or the price is unknown."""
    if price is None:
        return total(product(read, None), product(written, None))
    return total(product(read, price.input / MILLION), product(written, price.output / MILLION))


def cost_per_correct(per_answer: float | None, pass_rate: float | None) -> float | None:
    """Return the cost of pass, cost per attempt / pass rate (Erol et al. 2025, arXiv 2504.13359).

    None where either is unknown, and where nothing is ever right: no money buys a right answer then.
    """
    return None if per_answer is None or not pass_rate else per_answer / pass_rate


def monthly_cost(costs: UnitCosts, load: Load) -> float | None:
    """Return queries x per answer + changes x per change + errors x per error; None where a part is unknown."""
    errors = load.queries * costs.error_share * load.per_error
    return total(product(load.queries, costs.per_answer), product(load.changes, costs.per_change), errors)


def break_even_queries(a: UnitCosts, b: UnitCosts, load: Load) -> float | None:
    """Return the queries a month at which `a` and `b` cost the same, all else as in `load`.

    None where they never do for a positive number, and where a cost is unknown.
    """
    per_query = _difference(_per_query(a, load), _per_query(b, load))
    return _crossing(per_query, product(load.changes, _difference(a.per_change, b.per_change)))


def break_even_changes(a: UnitCosts, b: UnitCosts, load: Load) -> float | None:
    """Return the changes of the data a month at which `a` and `b` cost the same; None as in `break_even_queries`."""
    per_query = _difference(_per_query(a, load), _per_query(b, load))
    return _crossing(_difference(a.per_change, b.per_change), product(load.queries, per_query))


def _per_query(costs: UnitCosts, load: Load) -> float | None:
    return total(costs.per_answer, costs.error_share * load.per_error)


def _crossing(slope: float | None, offset: float | None) -> float | None:
    """Return the positive x at which offset + slope x is zero."""
    if not slope or offset is None:
        return None
    at = -offset / slope
    return at if at > 0 else None


def product(amount: float | None, price: float | None) -> float | None:
    """Return amount x price; None where one is unknown, but what is not used costs nothing."""
    if amount == 0:
        return 0.0
    return None if amount is None or price is None else amount * price


def total(*parts: float | None) -> float | None:
    """Return the sum; None where a part is unknown."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
