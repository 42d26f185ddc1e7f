"""A forecast: what each arm of a run will take, how that is told, and how far off it was."""

from dataclasses import asdict, dataclass
from typing import Any

from evals.costs import total
from evals.runner import Run
from lab.settings import settings
from lab.workspace import write_json

FILE = "forecast.json"
HEADERS = ("arm", "answers", "there", "time", "tokens", "$", "note")


@dataclass(frozen=True)
class ArmForecast:
    """One arm: answers to give and those there already, seconds of the clock, tokens, USD; None is unknown."""

    arm: str
    answers: int
    there: int = 0
    seconds: float | None = 0.0
    tokens: float | None = 0.0
    usd: float | None = 0.0
    note: str = ""

    @property
    def words(self) -> str:
        """Return it as a line."""
        told = [f"{self.answers:,} answers", spoken(self.seconds)]
        told += ["tokens unknown" if self.tokens is None else f"{self.tokens:,.0f} tokens"] if self.tokens != 0 else []
        told += [f"${money(self.usd)}"] if self.usd else []
        return f"{self.arm}: {', '.join(told)}{self.note and f' ({self.note})'}"

    @property
    def cells(self) -> list[str]:
        """Return it as the cells under HEADERS."""
        tokens = "unknown" if self.tokens is None else f"{self.tokens:,.0f}" if self.tokens else "-"
        return [self.arm, str(self.answers), str(self.there), spoken(self.seconds), tokens, money(self.usd), self.note]


@dataclass(frozen=True)
class Forecast:
    """All arms, one after the other on this machine; `tokens_before` are those of the answers that are there."""

    arms: tuple[ArmForecast, ...]
    tokens_before: int = 0

    @property
    def answers(self) -> int:
        """Return how many answers are to be given."""
        return sum(arm.answers for arm in self.arms)

    @property
    def seconds(self) -> float | None:
        """Return the seconds of all arms; None where those of one are unknown."""
        return total(*(arm.seconds for arm in self.arms))

    @property
    def tokens(self) -> float | None:
        """Return the tokens of all arms; None where those of one are unknown."""
        return total(*(arm.tokens for arm in self.arms))

    @property
    def usd(self) -> float | None:
        """Return the USD of all arms; None where those of one are unknown."""
        return total(*(arm.usd for arm in self.arms))

    @property
    def least_seconds(self) -> float:
        """Return the seconds of the arms of which they are known."""
        return sum(arm.seconds or 0.0 for arm in self.arms)

    @property
    def least_usd(self) -> float:
        """Return the USD of the arms of which they are known."""
        return sum(arm.usd or 0.0 for arm in self.arms)

    def document(self) -> dict[str, Any]:
        """Return the forecast as data; unknown is null."""
        summed = {"answers": self.answers, "seconds": self.seconds, "tokens": self.tokens, "usd": self.usd}
        least = {"least_seconds": self.least_seconds, "least_usd": self.least_usd}
        return {"arms": [_rounded(asdict(arm)) for arm in self.arms], "total": _rounded(summed | least)}

    def spoken(self) -> str:
        """Return the whole in one line."""
        if not self.answers and not self.least_seconds:
            return "forecast: all answers are there, nothing is left to do"
        time = f"about {spoken(self.seconds)}" if self.seconds is not None else f"at least {spoken(self.least_seconds)}"
        tokens = "tokens unknown" if self.tokens is None else f"{self.tokens:,.0f} tokens"
        return f"forecast: {self.answers:,} answers, {time}, {tokens}, {self._cost}"

    @property
    def _cost(self) -> str:
        """Return the dollars in words, and which setting would tell them."""
        if self.usd is not None:
            return f"${money(self.usd)}"
        unpriced = settings().usd_per_hour is None and any(arm.usd is None and arm.seconds for arm in self.arms)
        advice = "; set BAKEOFF_USD_PER_HOUR to price seconds of this machine" if unpriced else ""
        return (f"at least ${money(self.least_usd)}" if self.least_usd else "cost unknown") + advice


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: round(one, 6) if isinstance(one, float) else one for name, one in figures.items()}


def keep_outcome(forecast: Forecast, run: Run, seconds: float, expected: int) -> str:
    """Write the forecast beside what came of it into the run's folder; return in one line how far off it was.

    Args:
        forecast: made before the run.
        run: that followed.
        seconds: it took, by the clock.
        expected: answers of all arms; a run that was stopped before proves nothing.
    """
    records = run.records()
    tokens, complete = sum(record.tokens for record in records) - forecast.tokens_before, len(records) >= expected
    off_by = {"seconds": _off_by(seconds, forecast.seconds), "tokens": _off_by(tokens, forecast.tokens)}
    took = {"seconds": round(seconds, 2), "tokens": tokens, "complete": complete}
    write_json(run.folder / FILE, forecast.document() | {"took": took, "off_by": off_by if complete else None})
    if not complete:
        return f"took {spoken(seconds)} until it was stopped, of {spoken(forecast.least_seconds)} foretold"
    told = [f"took {spoken(seconds)}, {_compared(off_by['seconds'], spoken(forecast.least_seconds))}"]
    if tokens or forecast.tokens:
        told.append(f"{tokens:,} tokens, {_compared(off_by['tokens'], f'{forecast.tokens or 0:,.0f}')}")
    return "; ".join(told)


def spoken(seconds: float | None) -> str:
    """Return a duration in words."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def money(usd: float | None) -> str:
    """Return dollars with three digits that count."""
    from evals.advice.wording import significant

    return "unknown" if usd is None else significant(usd)


def _off_by(value: float, foretold: float | None) -> float | None:
    """Return by which share of the forecast the value is higher, as `bakeoff train` does; None without one."""
    return round(value / foretold - 1, 3) if foretold else None


def _compared(off_by: float | None, foretold: str) -> str:
    if off_by is None:
        return f"of which {foretold} were foretold, the rest was unknown"
    return f"{off_by:+.0%} against the {foretold} foretold"
