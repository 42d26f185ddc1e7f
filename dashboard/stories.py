"""What happened when something changed, in sentences: who fell, who recovered, how fast and at what price."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.advice.wording import amount
from evals.charts.marks import arm_name
from evals.costs import machine_cost, total
from evals.verdict import SIGNIFICANT

FORGOTTEN = 0.02  # of the old data's accuracy: what is lost less is not spoken of

Row = Mapping[str, Any]
Rows = Sequence[Row]


def priced(changes: Rows, usd_per_hour: float | None) -> list[dict[str, Any]]:
    """Return the changes with the dollars that they cost at this price of an hour, a remote LLM's tokens with them."""
    return [
        {**row, "usd": total(machine_cost(row["seconds"], usd_per_hour), row.get("tokens_usd", 0.0))} for row in changes
    ]


def change_story(changes: Rows) -> dict[str, str]:
    """Return for each change of the data who falls, who recovers, after how many seconds and at what price.

    Args:
        changes: the data of that name among a freshness run's findings, `priced`.
    """
    names = dict.fromkeys(row["change"] for row in changes)
    return {name: _change_told([row for row in changes if row["change"] == name]) for name in names}


def swap_story(swaps: Rows) -> list[str]:
    """Return for each swap of a base model what it changed, and what had to be done again.

    Args:
        swaps: the data of that name among a portability run's findings.
    """
    return [_swap_told(row) for row in swaps]


def _change_told(rows: Rows) -> str:
    falls, gains, losses = (
        _moves(rows, *names) for names in (("old_before", "before"), ("before", "after"), ("old_before", "old_after"))
    )
    parts = []
    if fallen := [(move, row) for move, row in falls if move < 0]:
        _, row = fallen[0]
        most = f"{arm_name(row['arm'])}{' most' if len(fallen) > 1 else ''}"
        parts.append(f"{len(fallen)} of {len(rows)} arms fall, {most}: {_from_to(row, 'old_before', 'before')}")
    if recovered := [row for move, row in reversed(gains) if move > 0]:
        parts.append(_recovered(recovered))
    else:
        parts.append("no arm recovers")
    if losses and losses[0][0] < -FORGOTTEN:
        _, row = losses[0]
        parts.append(f"{arm_name(row['arm'])} forgets most of the old: {_from_to(row, 'old_before', 'old_after')}")
    return "; ".join(parts)


def _recovered(rows: Rows) -> str:
    """Return who recovers most, and who fastest; the rows have the largest gain first."""
    most, timed = rows[0], [row for row in rows if row["seconds"] is not None]
    fastest = min(timed, key=lambda row: float(row["seconds"]), default=most)
    told = f"{arm_name(most['arm'])} recovers most: {_from_to(most, 'before', 'after')} in {_price(most)}"
    if fastest is most:
        return told
    return f"{told}; {arm_name(fastest['arm'])} fastest: {_from_to(fastest, 'before', 'after')} in {_price(fastest)}"


def _moves(rows: Rows, before: str, after: str) -> list[tuple[float, Row]]:
    """Return by how much each arm moves, in [-1, 1], with its row; the deepest fall first."""
    known = [row for row in rows if row[before] is not None and row[after] is not None]
    return sorted(((row[after] - row[before], row) for row in known), key=lambda move: move[0])


def _from_to(row: Row, before: str, after: str) -> str:
    return f"{100 * row[before]:.0f} → {100 * row[after]:.0f} %"


def _price(row: Row) -> str:
    if row["seconds"] is None:
        return "an unknown time"
    price = "" if row["usd"] is None else f" ({amount(row['usd'], 'USD')})"
    return f"{amount(row['seconds'], 'seconds')}{price}"


def _swap_told(row: Row) -> str:
    low, high = (100 * bound for bound in row["ci"])
    before, after = (row[name].removeprefix("embedded:") for name in ("before", "after"))
    luck = "" if row["p_adjusted"] < SIGNIFICANT else ", which may be luck"
    again = row["seconds_again"]
    redone = f"trained again, {amount(again, 'seconds')}" if again else "nothing is done again: index and prompts stay"
    points = f"{100 * row['difference']:+.1f} points ({low:+.1f} to {high:+.1f})"
    return f"{row['approach']}, {before} → {after}: {points}{luck}; {redone}"
