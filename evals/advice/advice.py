"""Advice from a finished run: which arm to use for these needs, why, and what would turn that over."""

from dataclasses import asdict
from typing import Any

from evals.advice.candidates import Basis, Candidate, Candidates, read_basis
from evals.advice.choice import Choice, Needs, choose, costs_of, load_of, running, unit_of
from evals.advice.sensitivity import FLOOR, Turnover, turnovers, weightings
from evals.advice.wording import amount, changed, changes, queries, significant
from evals.costs import break_even_changes, break_even_queries, cost_per_correct
from evals.report import open_run, score
from evals.runner import MANIFEST, RESULTS, Run
from lab.errors import BakeoffError
from lab.prices import PriceList
from lab.workspace import Workspace


def finished_run(run_id: str | None = None) -> Run:
    """Return the run of that name, or the workspace's newest, that is complete.

    Raises:
        BakeoffError: there is none, or it is not complete.
    """
    if run_id is None:
        folders = [path.parent for path in Workspace.current().runs.glob(f"*/{RESULTS}")]
        runs = [Run(folder) for folder in folders if (folder / MANIFEST).exists()]
        if not runs:
            raise BakeoffError("a finished run to advise from", "none in this workspace", "make one: bakeoff eval")
        return max(runs, key=lambda run: (str(run.manifest["started"]), run.id))
    run = open_run(run_id)
    if not (run.folder / RESULTS).exists():
        score(run)  # it may have been killed between its last answer and its results
    if not (run.folder / RESULTS).exists():
        fix = "give its bakeoff eval command again: it goes on where it was"
        raise BakeoffError("a finished run", f"'{run_id}', in which answers are still to come", fix)
    return run


def advise(run: Run, needs: Needs, prices: PriceList) -> dict[str, Any]:
    """Return the document of `bakeoff advise --json`, from the run's results.json and the seconds of its records.

    Raises:
        BakeoffError: no arm answers within the latency limit.
    """
    return advice_from(read_basis(run, prices), needs)


def advice_from(basis: Basis, needs: Needs) -> dict[str, Any]:
    """Return the document of `bakeoff advise --json` from what was read of a run, for other needs as often as wanted.

    Raises:
        BakeoffError: no arm answers within the latency limit.
    """
    measured = basis.arms
    arms, too_slow = _within_limit(measured, needs.max_latency_ms)
    choice = choose(arms, needs)
    rival = _rival(arms, choice, needs)
    turns = turnovers(arms, needs)
    return {
        "recommendation": choice.key,
        "statement": _statement(arms, choice, needs),
        "because": [_beside(arms, choice, needs, arm) for arm in arms if arm.key != choice.key] + _notes(arms, choice),
        "ruled_out": [{"arm": key, "reason": reason} for key, reason in {**basis.ruled_out, **too_slow}.items()],
        "break_even": _break_even(arms, choice, needs, rival) if rival else None,
        "turns_over_if": [asdict(turn) | {"statement": _turn_told(turn)} for turn in turns],
        "weightings": weightings(arms, needs),
        "rests_on": {
            "run_id": basis.run_id,
            "dataset": basis.dataset,
            "needs": asdict(needs),
            "arms": [_figures(arm, needs, choice) for arm in measured],
            "unknown": _unknown(arms, needs),
            "prices": {a.llm: a.price.model_dump(mode="json") for a in measured if a.llm and a.price and not a.local},
        },
    }


def _within_limit(measured: Candidates, limit: float | None) -> tuple[Candidates, dict[str, str]]:
    reasons = {arm.key: _slow(arm, limit) for arm in measured}
    arms = measured.only(key for key, reason in reasons.items() if not reason)
    if not len(arms):
        known = [(arm.latency_ms, arm.key) for arm in measured if arm.latency_ms is not None]
        got = "the fastest, {1}, needs {0:.3g} ms".format(*min(known)) if known else "none that answered and was timed"
        need = "an arm to recommend" if limit is None else f"an arm whose p95 latency is at most {limit:g} ms"
        raise BakeoffError(need, got, "raise --max-latency-ms, or run a suite with faster arms")
    return arms, {key: reason for key, reason in reasons.items() if reason}


def _slow(arm: Candidate, limit: float | None) -> str:
    if limit is None or (arm.latency_ms is not None and arm.latency_ms <= limit):
        return ""
    if arm.latency_ms is None:
        return f"its latency was not measured, and the limit is {limit:g} ms"
    return f"one text takes it {arm.latency_ms:.3g} ms (p95), over the limit of {limit:g} ms"


def _rival(arms: Candidates, choice: Choice, needs: Needs) -> str | None:
    """Return what would be chosen of the other side; of all others where it has no other side here."""
    own = arms.arms[choice.key].side
    others = [arm for arm in arms if arm.key != choice.key and arm.approach != FLOOR]
    beyond = [arm for arm in others if own and arm.side and arm.side != own] or others
    return choose(arms.only(arm.key for arm in beyond), needs).key if beyond else None


def _break_even(arms: Candidates, choice: Choice, needs: Needs, rival: str) -> dict[str, Any]:
    """Return where the recommended arm and its rival cost the same; errors count if their accuracies truly differ."""
    pair = arms.only((choice.key, rival))
    counts_errors = choice.counts_errors and arms.differ(choice.key, rival)
    unit = unit_of(pair, needs)
    a, b = (costs_of(arm, needs, unit) for arm in pair)
    load = load_of(needs, counts_errors)
    at_queries, at_changes = break_even_queries(a, b, load), break_even_changes(a, b, load)
    return {
        "rival": rival,
        "unit": unit,
        "counts_errors": counts_errors,
        "queries_per_month": at_queries,
        "changes_per_month": at_changes,
        "statement": _break_even_told(pair, needs, at_queries, at_changes),
    }


def _break_even_told(pair: Candidates, needs: Needs, at_queries: float | None, at_changes: float | None) -> str:
    both = " and ".join(pair.arms)
    if at_queries is None and at_changes is None:
        return f"{both} never cost the same: one is cheaper however many the queries and changes"
    by_queries = f"at {queries(at_queries)} a month" if at_queries else "at no number of queries"
    by_changes = f"at {changes(at_changes)} a month" if at_changes else "at no number of changes"
    return (
        f"{both} cost the same {by_queries} (with {changes(needs.changes_per_month)})"
        f" and {by_changes} (with {queries(needs.queries_per_month)})"
    )


def _statement(arms: Candidates, choice: Choice, needs: Needs) -> str:
    chosen = arms.arms[choice.key]
    cost = amount(running(needs, choice.unit)(chosen), choice.unit)
    month = f"{queries(needs.queries_per_month)} and {changes(needs.changes_per_month)} a month"
    return f"Use {choice.key}: {_reason(arms, choice)}. It takes {cost} for {month}."


def _reason(arms: Candidates, choice: Choice) -> str:
    if len(arms) == 1:
        return "it is the only arm left"
    least = "costs least to run" if choice.unit == "USD" else "takes the fewest seconds"
    if choice.key != choice.leader:
        why = "would cost least with its errors" if choice.counts_errors else "is the most accurate as measured"
        others = "" if len(choice.peers) == 2 else f" of the {len(choice.peers)} arms of which that is true"
        return f"it is not significantly less accurate than {choice.leader}, which {why}, and it {least}{others}"
    if choice.counts_errors:
        return "with its errors counted it costs least"
    if len(choice.peers) == 1:
        return "it is significantly more accurate than every other arm"
    return f"no arm is significantly more accurate, and of the {len(choice.peers)} that may be as good it {least}"


def _beside(arms: Candidates, choice: Choice, needs: Needs, other: Candidate) -> str:
    """Return how another arm compares with the recommended one, in accuracy and in cost."""
    unit = unit_of(arms.only((choice.key, other.key)), needs)
    cost = running(needs, unit)
    more = cost(other) - cost(arms.arms[choice.key])
    price = f"{amount(abs(more), unit)} a month {'more' if more > 0 else 'less'} to run"
    return f"{other.key}: {_accuracy(arms, other.key, choice.key)}; {price}"


def _accuracy(arms: Candidates, key: str, chosen: str) -> str:
    """Return in words how much more or less accurate one arm is than another, and whether that may be luck."""
    found = arms.difference(key, chosen)
    if found is None:
        return "they share no text that both answered, so nothing is known of their difference"
    low, high = found.ci
    points = f"{found.difference * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f}), p = {found.p_adjusted:.2g}"
    if found.significant:
        return f"{points}, significant"
    more = f" (some {found.needed:,} test texts would settle it)" if found.needed else ""
    return f"{points}, not significant, so it does not decide{more}"


def _notes(arms: Candidates, choice: Choice) -> list[str]:
    notes = []
    if arms.arms[choice.key].approach == FLOOR:
        notes.append("nothing was shown to be worth more than always giving the commonest label: test on more texts")
    if not all(arm.update_measured for arm in arms):
        notes.append("a change of the data is reckoned as a whole fit where the run measured no update")
    if any(arm.failures for arm in arms):
        notes.append("a text on which an arm failed counts as one without a right answer")
    if any(not arm.local and arm.tokens and not arm.written for arm in arms):
        notes.append("tokens of remote LLMs are priced as read where their records are one sum: a lower bound")
    return notes


def _unknown(arms: Candidates, needs: Needs) -> list[str]:
    """Return what cannot be said for want of a price."""
    lines = []
    if needs.usd_per_hour is None:
        lines.append(
            "dollars of this machine: give the price of an hour with --usd-per-hour; at any price, arms that run here"
            " alone keep the order they have in seconds"
        )
    for arm in arms:
        if arm.llm and not arm.local and arm.price is None:
            lines.append(f"the cost of {arm.key}: {arm.llm} has no price; add it to prices.yaml or --prices FILE")
        elif arm.llm and not arm.local and arm.tokens is None:
            lines.append(f"the cost of {arm.key}: {arm.llm} did not tell its tokens")
    if needs.cost_per_error is None:
        lines.append("what an error costs: accuracy goes before cost; weigh them with --cost-per-error")
    elif lines:
        lines.append("the cost of errors beside costs that are unknown: accuracy goes before cost")
    return lines


def _figures(arm: Candidate, needs: Needs, choice: Choice) -> dict[str, Any]:
    costs = arm.usd(needs.usd_per_hour)
    usd, seconds = running(needs, "USD")(arm), running(needs, "seconds")(arm)
    return {
        "arm": arm.key,
        "n": arm.n,
        "failures": arm.failures,
        "right": arm.right,
        "accuracy_ci": list(arm.interval),
        "latency_p95_ms": arm.latency_ms,
        "seconds_per_answer": arm.answer_seconds,
        "seconds_per_change": arm.change_seconds,
        "cost_per_answer_usd": costs.per_answer,
        "cost_per_correct_usd": cost_per_correct(costs.per_answer, arm.right),
        "cost_per_month_usd": usd if usd < float("inf") else None,
        "seconds_per_correct": cost_per_correct(arm.answer_seconds, arm.right),
        "seconds_per_month": seconds,
        "not_significantly_worse": arm.key in choice.peers,
    }


def _turn_told(turn: Turnover) -> str:
    more = "more" if turn.at > turn.now else "less"
    factor = f"a factor of {significant(turn.factor)} from now" if turn.factor else "now none"
    return f"with {more} than {changed(turn.input, turn.at)} ({factor}), {turn.recommendation} is recommended"
