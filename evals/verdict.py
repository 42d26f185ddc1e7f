"""What the comparisons support, in words and as data, with what would change it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.statistics import Comparison

TUNED, RETRIEVED = ("finetuned", "linear_probe"), ("rag", "knn")
SIDES = dict.fromkeys(TUNED, "Fine-tune") | dict.fromkeys(RETRIEVED, "Retrieve") | {"closed_book": "Ask the LLM alone"}
SIDES |= {"dense": "Search by meaning", "bm25": "Search by words", "fused": "Search by both", "reranked": "Rerank"}
SIDES |= {"team": "Let a team answer"}
SIDES |= {"router": "Route by embeddings", "native": "Let the LLM choose its tools"}
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Verdict:
    """`winner` is None where the measurements do not decide."""

    winner: str | None
    statement: str
    because: list[str]
    would_change_if: list[str]


def decide(results: Sequence[dict[str, Any]], comparisons: Sequence[Comparison], reference: str | None) -> Verdict:
    """Weigh the reference arm against the best of the other side; say who wins, or that nobody does.

    Args:
        results: rows of `metrics.result_row`, each with its `key`.
        comparisons: pairs that include (reference, each other arm).
        reference: key of the arm that stands for its side, normally "finetuned".
    """
    answered = {row["key"]: row for row in results if row["accuracy"] is not None}
    rivals = _rivals(answered, reference)
    rival = max(rivals, key=_right_of_all)["key"] if rivals else None
    duel = next((c for c in comparisons if (c.a, c.b) == (reference, rival)), None)
    if duel is None:
        return _no_contest(answered)
    decided = duel.p_adjusted < SIGNIFICANT
    winner = (duel.a if duel.difference > 0 else duel.b) if decided else None
    return Verdict(
        winner,
        _statement(duel, winner, answered) + _beyond(answered, comparisons, duel),
        [_told(c) for c in comparisons if c.a == duel.a] + _failed(results),
        _changes(answered, comparisons, duel, winner),
    )


def unfinished(waiting: int) -> Verdict:
    """Return the verdict on a run in which `waiting` answers are still to come: none."""
    statement = f"Unfinished: {waiting} answers are still to come; the same command goes on with them."
    return Verdict(None, statement, [], [])


def _rivals(answered: dict[str, dict[str, Any]], reference: str | None) -> list[dict[str, Any]]:
    """Return the arms that retrieve, if the reference is tuned, and the other way round; else those of its own side."""
    if reference not in answered:
        return []
    own = _side(answered[reference])
    if answered[reference]["approach"] == "team":
        return [row for row in answered.values() if row["key"] != reference]
    others = [row for row in answered.values() if row["key"] != reference and own and _side(row)]
    return [row for row in others if _side(row) != own] or others


def _side(row: dict[str, Any]) -> str:
    return SIDES.get(row["approach"], "")


def _statement(duel: Comparison, winner: str | None, answered: dict[str, dict[str, Any]]) -> str:
    if winner is None:
        points = abs(duel.difference) * 100
        return f"Undecided: {duel.a} and {duel.b} differ by {points:.1f} points ({_sure(duel, duel.ci)})."
    loser = duel.b if winner == duel.a else duel.a
    side = _side(answered[winner])
    advice = f"{side}: " if side and side != _side(answered[loser]) else ""
    return f"{advice}{_ahead(duel, winner, loser)}."


def _ahead(found: Comparison, better: str, worse: str) -> str:
    """Say by how much `better` is ahead; the interval is that of its lead, whichever of the two comes first."""
    low, high = found.ci
    lead = found.ci if better == found.a else (-high, -low)
    points = abs(found.difference) * 100
    return f"{better} is {points:.1f} points more accurate than {worse} ({_sure(found, lead)})"


def _sure(found: Comparison, interval: tuple[float, float]) -> str:
    low, high = (100 * bound for bound in interval)
    return f"95 % interval {low:+.1f} to {high:+.1f}, Holm-adjusted p = {found.p_adjusted:.2g}, n = {found.n}"


def _beyond(answered: dict[str, dict[str, Any]], comparisons: Sequence[Comparison], duel: Comparison) -> str:
    """Name the best arm of neither side, if it beats both and the reference significantly; it wins for no side."""
    least = max(_right_of_all(answered[key]) for key in (duel.a, duel.b))
    better = [
        c
        for c in comparisons
        if c.a == duel.a and c.difference < 0 and c.p_adjusted < SIGNIFICANT and not _side(answered[c.b])
    ]
    best = max(better, key=lambda c: _right_of_all(answered[c.b]), default=None)
    if best is None or _right_of_all(answered[best.b]) <= least:
        return ""
    return f" Most accurate of all, on neither side: {_ahead(best, best.b, best.a)}."


def _right_of_all(row: dict[str, Any]) -> float:
    """Return the share of all texts that were answered rightly, so that an arm that seldom answers is no rival."""
    return float(row["accuracy"] * (row["n"] - row["failures"]) / row["n"])


def _failed(results: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{row['key']} failed on {row['failures']} of {row['n']} texts" for row in results if row["failures"]]


def _told(comparison: Comparison) -> str:
    low, high = comparison.ci
    sure = "significant" if comparison.p_adjusted < SIGNIFICANT else "not significant"
    return (
        f"{comparison.a} against {comparison.b}: {comparison.difference * 100:+.1f} points"
        f" ({low * 100:+.1f} to {high * 100:+.1f}), p = {comparison.p_adjusted:.2g}, {sure}"
    )


def _changes(
    answered: dict[str, dict[str, Any]], comparisons: Sequence[Comparison], duel: Comparison, winner: str | None
) -> list[str]:
    lines = []
    if winner is None and duel.needed:
        lines.append(f"more test examples: about {duel.needed} would settle a difference of this size (here {duel.n})")
    costs = " against ".join(f"{answered[key]['fit_seconds']:.0f} s for {key}" for key in (duel.a, duel.b))
    lines.append(f"the data changes often: taking all of it in took {costs}")
    for pair in comparisons:
        a, b = answered[pair.a], answered[pair.b]
        if a["approach"] == b["approach"] == "rag" and a["llm"] != b["llm"]:
            sure = "significantly" if pair.p_adjusted < SIGNIFICANT else "not significantly"
            lines.append(
                f"another base LLM: over the same index, {pair.b} scores {-pair.difference * 100:+.1f} points against"
                f" {pair.a} ({sure})"
            )
    return lines


def _no_contest(answered: dict[str, dict[str, Any]]) -> Verdict:
    statement = "No verdict: the run has no pair of a fine-tuned and a retrieving approach that both answered."
    best = max(answered.values(), key=lambda row: row["accuracy"], default=None)
    because = [f"best of what ran: {best['key']} with {best['accuracy']:.1%}"] if best else []
    return Verdict(None, statement, because, ["run the suite with finetuned and rag or knn in it"])
