"""The arms of a finished run as candidates: what each takes and gets right, and which differences are significant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from evals.costs import Effort, UnitCosts, machine_cost
from evals.metrics import outcomes
from evals.records import Record
from evals.runner import RESULTS, Run
from evals.suite import Arm, Suite, recorded_suite
from evals.verdict import RETRIEVED, SIGNIFICANT, TUNED
from lab.errors import BakeoffError
from lab.prices import Price, PriceList
from lab.statistics import compare
from lab.workspace import fingerprint, read_json, write_json

KEPT = "advice.json"  # beside results.json
MOST_FAILED = 0.05  # an arm that fails on more texts was hardly measured

Interval = tuple[float, float]


@dataclass(frozen=True)
class Candidate:
    """What was measured of one arm.

    Attributes:
        right: the share of all texts it answered rightly; one it failed on is not right.
        interval: 95 %, of its accuracy on the texts it answered.
        latency_ms: p95 of one text at a time; None where it was not measured.
        answer_seconds: a text's share of the batch it was answered in.
        change_seconds: to take in a change of the data; its fit where no update was measured.
        tokens: per answer; None where a base LLM did not tell.
        written: those of them that it wrote; 0 for a remote LLM where an old record does not tell.
        price: of its base LLM; None where unknown, and where it has none.
    """

    key: str
    approach: str
    n: int
    failures: int
    right: float
    interval: Interval
    latency_ms: float | None
    answer_seconds: float
    change_seconds: float
    update_measured: bool
    llm: str | None = None
    tokens: float | None = 0.0
    written: float = 0.0
    price: Price | None = None

    @property
    def right_interval(self) -> Interval:
        """Return the 95 % interval of `right`: that of the accuracy, for as many texts as were answered."""
        low, high = (bound * (self.n - self.failures) / self.n for bound in self.interval)
        return low, high

    @property
    def local(self) -> bool:
        """Tell whether all its work is done by this machine."""
        return self.llm is None or (self.price is not None and self.price.billed == "seconds")

    @property
    def side(self) -> str:
        """Return "tuned", "retrieved", or nothing for what is neither."""
        return "tuned" if self.approach in TUNED else "retrieved" if self.approach in RETRIEVED else ""

    def usd(self, usd_per_hour: float | None) -> UnitCosts:
        """Return its costs in USD.

        The answers of a remote LLM cost their tokens, not this machine's seconds. Old records hold one sum of tokens,
        which is priced as read: the true cost is higher.
        """
        read = None if self.tokens is None else self.tokens - self.written
        answer = Effort(self.answer_seconds, read, self.written).usd(self.price, usd_per_hour, self.local)
        return UnitCosts(answer, machine_cost(self.change_seconds, usd_per_hour), 1 - self.right)

    def seconds(self) -> UnitCosts:
        """Return its costs in seconds."""
        return UnitCosts(self.answer_seconds, self.change_seconds, 1 - self.right)


@dataclass(frozen=True)
class Difference:
    """The accuracy of one arm minus another's, as the run compared them."""

    difference: float
    ci: Interval
    p_adjusted: float
    needed: int | None

    @property
    def significant(self) -> bool:
        """Tell whether it is more than luck may explain."""
        return self.p_adjusted < SIGNIFICANT


@dataclass(frozen=True)
class Candidates:
    """Arms among which to choose, and the comparisons between pairs of them."""

    arms: Mapping[str, Candidate]
    differences: Mapping[tuple[str, str], Difference]

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.arms.values())

    def __len__(self) -> int:
        return len(self.arms)

    def only(self, keys: Iterable[str]) -> "Candidates":
        """Return those of these names."""
        return Candidates({key: self.arms[key] for key in keys}, self.differences)

    def priced(self, prices: PriceList) -> "Candidates":
        """Return them with their base LLMs at these prices."""
        arms = {arm.key: replace(arm, price=prices.of(arm.llm) if arm.llm else None) for arm in self}
        return Candidates(arms, self.differences)

    def difference(self, a: str, b: str) -> Difference | None:
        """Return what the run found between two arms; None where it did not compare them."""
        if found := self.differences.get((a, b)):
            return found
        turned = self.differences.get((b, a))
        if turned is None:
            return None
        low, high = turned.ci
        return Difference(-turned.difference, (-high, -low), turned.p_adjusted, turned.needed)

    def is_less_accurate(self, a: str, b: str) -> bool:
        """Tell whether `a` is significantly less accurate than `b`; what was not compared is not."""
        found = self.difference(a, b)
        return found is not None and found.significant and found.difference < 0

    def differ(self, a: str, b: str) -> bool:
        """Tell whether two arms differ significantly in accuracy."""
        return self.is_less_accurate(a, b) or self.is_less_accurate(b, a)


@dataclass(frozen=True)
class Basis:
    """What advice rests on, whatever the needs: a finished run as it was measured.

    Attributes:
        dataset: what its results.json says of the data.
        ruled_out: of each arm that was not measured, why.
    """

    run_id: str
    dataset: Mapping[str, Any]
    arms: Candidates
    ruled_out: Mapping[str, str]

    def priced(self, prices: PriceList) -> "Basis":
        """Return it with base LLMs at these prices; no record is read again."""
        return replace(self, arms=self.arms.priced(prices))


def read_basis(run: Run, prices: PriceList) -> Basis:
    """Read what advice from a finished run rests on: its results.json, and what is kept beside it of its records."""
    document = read_json(run.folder / RESULTS)
    arms, ruled_out = read_candidates(run, document, prices)
    return Basis(run.id, document["dataset"], arms, ruled_out)


def read_candidates(run: Run, document: Mapping[str, Any], prices: PriceList) -> tuple[Candidates, dict[str, str]]:
    """Return the arms of a finished run that were measured, and of the others why they were not.

    Args:
        run: whose records tell the seconds of an answer and, for pairs that it did not compare, which were right.
        document: its results.json.
        prices: of base LLMs.
    """
    suite = recorded_suite(run.manifest)
    rows, ruled_out = _measured(suite, document)
    path = run.folder / KEPT
    kept = read_json(path) if path.exists() else {}
    if kept.get("of") != _state(document):
        kept = keep_facts(run, document, run.primary())
    arms = {arm.key: _candidate(arm, rows[arm.key], kept["seconds"], prices) for arm in suite.arms if arm.key in rows}
    compared = [*(c for c in document["comparisons"] if c["metric"] == "accuracy"), *kept["comparisons"]]
    return Candidates(arms, {(c["a"], c["b"]): _difference(c) for c in compared}), ruled_out


def keep_facts(run: Run, document: Mapping[str, Any], records: Mapping[str, Sequence[Record]]) -> dict[str, Any]:
    """Write beside results.json what advice needs of the records, and return it: nobody need read them again for it.

    That is the seconds of an answer of each arm, and the comparisons of those pairs that the run did not compare, a
    family of their own under Holm's adjustment.

    Args:
        run: finished.
        document: its results.json.
        records: of each arm, those that count for the main table.
    """
    suite = recorded_suite(run.manifest)
    measured, _ = _measured(suite, document)
    found = {(c["a"], c["b"]) for c in document["comparisons"] if c["metric"] == "accuracy"}
    missing = [pair for pair in combinations(measured, 2) if not {pair, pair[::-1]} & found]
    compared = compare(missing, {key: outcomes(records[key]) for key in measured}, suite.seed)
    facts: dict[str, Any] = {"of": _state(document)}
    facts["seconds"] = {key: fmean(record.seconds for record in records[key]) for key in measured}
    facts["comparisons"] = [asdict(comparison) for comparison in compared]
    with suppress(OSError, BakeoffError):  # what cannot be kept is reckoned anew
        write_json(run.folder / KEPT, facts)
    return facts


def _state(document: Mapping[str, Any]) -> str:
    """Return what changes when a run is scored anew with other records."""
    return fingerprint(document["results"], document["comparisons"])


def _measured(suite: Suite, document: Mapping[str, Any]) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
    """Return the row of each arm that was measured, and of each other arm why it was not."""
    rows: dict[str, Mapping[str, Any]] = {}
    ruled_out: dict[str, str] = {}
    for arm in suite.arms:
        row = _row(arm, document["results"])
        reason = _unmeasured(row)
        if row is None or reason:
            ruled_out[arm.key] = reason
        else:
            rows[arm.key] = row
    return rows, ruled_out


def _row(arm: Arm, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    named = (row for row in rows if (row["approach"], row["llm"]) == (arm.name or arm.approach, arm.llm))
    return next(named, None)


def _unmeasured(row: Mapping[str, Any] | None) -> str:
    if row is None or row["accuracy"] is None:
        return "it answered nothing"
    if row["failures"] > MOST_FAILED * row["n"]:
        return f"it failed on {row['failures']} of {row['n']} texts; try: bakeoff eval with --retry-failures"
    return ""


def _candidate(arm: Arm, row: Mapping[str, Any], seconds: Mapping[str, float], prices: PriceList) -> Candidate:
    low, high = row["accuracy_ci"]
    update = row["update_seconds"]
    tokens = row["tokens"] / row["n"] if row["tokens"] or arm.llm is None else None
    return Candidate(
        arm.key,
        arm.approach,
        n=row["n"],
        failures=row["failures"],
        right=row["accuracy"] * (row["n"] - row["failures"]) / row["n"],
        interval=(low, high),
        latency_ms=row["latency_p95_ms"],
        answer_seconds=seconds[arm.key],
        change_seconds=row["fit_seconds"] if update is None else update,
        update_measured=update is not None,
        llm=arm.llm,
        tokens=tokens,
        written=row.get("output_tokens", 0) / row["n"],
        price=prices.of(arm.llm) if arm.llm else None,
    )


def _difference(comparison: Mapping[str, Any]) -> Difference:
    low, high = comparison["ci"]
    return Difference(comparison["difference"], (low, high), comparison["p_adjusted"], comparison["needed"])
