"""Numbers in words: amounts with three digits that count, and things with their number."""

from evals.advice.choice import Unit


def significant(value: float) -> str:
    """Return a number with three digits that count and no exponent, like "0.00031", "12.4" or "1,250"."""
    import numpy as np

    return f"{value:,.0f}" if abs(value) >= 1000 else np.format_float_positional(value, 3, fractional=False, trim="-")


def amount(value: float, unit: Unit) -> str:
    """Return an amount of dollars, or of seconds of work."""
    return f"${significant(value)}" if unit == "USD" else f"{significant(value)} s of work"


def queries(number: float) -> str:
    """Return how many queries."""
    return f"{significant(number)} {'query' if number == 1 else 'queries'}"


def changes(number: float) -> str:
    """Return how many changes of the data."""
    return f"{significant(number)} {'change' if number == 1 else 'changes'} of the data"


def changed(name: str, value: float) -> str:
    """Return an input of the advice, by its name among `Needs`, with a value."""
    match name:
        case "queries_per_month":
            return f"{queries(value)} a month"
        case "changes_per_month":
            return f"{changes(value)} a month"
        case "usd_per_hour":
            return f"{amount(value, 'USD')} for an hour of this machine"
        case _:
            return f"{amount(value, 'USD')} for an error"
