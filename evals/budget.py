"""How long a run may take and what it may cost: it stops cleanly when either is spent, and goes on when asked again."""

import time
from collections.abc import Iterable

from evals.costs import Effort, Took
from evals.suite import Arm
from lab.errors import BakeoffError
from lab.prices import PriceList
from lab.settings import settings


class BudgetSpent(Exception):
    """Nothing is left; says of what, and what goes on from there."""


class Budget:
    """What is left of the minutes and dollars that the user gave; without either it never ends."""

    def __init__(
        self,
        arms: Iterable[Arm],
        minutes: float | None = None,
        usd: float | None = None,
        prices: PriceList | None = None,
    ) -> None:
        """Begin to count.

        Args:
            arms: that will spend it.
            minutes: of the clock, from now.
            usd: for tokens of remote LLMs, and for seconds of this machine at the user's price of an hour.
            prices: of remote LLMs.

        Raises:
            BakeoffError: dollars are to be counted, but the price of an LLM or of this machine's hour is unknown.
        """
        self._minutes, self._usd, self._spent, self._uncounted = minutes, usd, 0.0, ""
        self.begin()
        self._prices = prices or PriceList({})
        for arm in arms if usd is not None else ():
            self._require_price(arm)

    def begin(self) -> None:
        """Count the minutes from now on: those that went into a forecast are not the run's."""
        self._ends = None if self._minutes is None else time.monotonic() + 60 * self._minutes

    def spend(self, arm: Arm, *parts: Took) -> None:
        """Count what was paid for: seconds of this machine, or tokens of a remote LLM."""
        if self._usd is not None:
            cost = Effort.of(parts).usd(self._prices.of(str(arm.llm)), settings().usd_per_hour, arm.is_local)
            self._spent += cost or 0.0

    def lose_count(self, arm: Arm) -> None:
        """Hear that an arm's LLM gave answers and told no tokens: no limit in dollars can be kept then."""
        price = self._prices.of(str(arm.llm))
        if self._usd is not None and price is not None and price.billed == "tokens":
            self._uncounted = str(arm.llm)

    @property
    def counts_usd(self) -> bool:
        """Tell whether dollars are limited."""
        return self._usd is not None

    def document(self) -> dict[str, float | None]:
        """Return the limits; None is none."""
        return {"max_minutes": self._minutes, "budget_usd": self._usd}

    def shortfalls(self, seconds: float, usd: float) -> list[str]:
        """Return, in words, which limit will stop a run that takes at least so many seconds and dollars."""
        found = []
        if self._minutes is not None and seconds > 60 * self._minutes:
            found.append(f"--max-minutes {self._minutes:g} is less than the {seconds / 60:.1f} minutes foretold")
        if self._usd is not None and usd > self._usd:
            found.append(f"--budget-usd {self._usd:g} is less than the ${usd:.4f} foretold")
        return [f"{words}: the run will stop before its end, and the same command goes on" for words in found]

    def check(self) -> None:
        """Raise if nothing is left.

        Raises:
            BudgetSpent: the time is over, or the money is spent, or nobody knows how much of it.
        """
        if self._uncounted:
            why = f"{self._uncounted} tells no tokens, so that --budget-usd cannot be kept"
            raise BudgetSpent(f"{why}; the same command with --max-minutes in its place")
        if self._ends is not None and time.monotonic() >= self._ends:
            raise BudgetSpent(f"{self._minutes:g} minutes are over; the same command")
        if self._usd is not None and self._spent >= self._usd:
            more = "the same command with a higher --budget-usd"
            raise BudgetSpent(f"${self._spent:.4f} of ${self._usd:g} are spent on this run; {more}")

    def _require_price(self, arm: Arm) -> None:
        price = None if arm.is_local else self._prices.of(str(arm.llm))
        in_seconds = arm.is_local or (price is not None and price.billed == "seconds")
        if in_seconds and settings().usd_per_hour is None:
            fix = "set BAKEOFF_USD_PER_HOUR, or give --max-minutes"
            raise BakeoffError("the price of an hour of this machine, to keep a budget", "none", fix)
        if not arm.is_local and price is None:
            fix = "add it to prices.yaml in this folder, or give --max-minutes"
            raise BakeoffError(f"a price of {arm.llm}, to keep a budget", "none is known", fix)
