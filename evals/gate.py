"""Two runs on the same test examples: what changed in each arm, and whether that is a regression."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evals.manifest import Difference, manifest_differences
from evals.records import Record
from evals.runner import Run
from lab.errors import BakeoffError, GateFailed
from lab.statistics import Comparison, compare

FEWEST = 30  # examples in common; fewer settle nothing
ALPHA = 0.05

Place = tuple[str, str, str]  # step, test, example


@dataclass(frozen=True)
class ArmChange:
    """One arm in both runs: accuracies in [0, 1] on the `n` examples that it answered in both.

    Attributes:
        failures: answers that could not be had, in the first run and in the second.
        alone: how many examples only the first run got right, and only the second; over repeats the sum of the shares
            by which it got more of them right than the other.
        comparison: the first run minus the second; None where too few examples were answered in both.
    """

    arm: str
    n: int
    accuracy: tuple[float, float] | None
    failures: tuple[int, int]
    alone: tuple[float, float]
    comparison: Comparison | None


@dataclass(frozen=True)
class RunComparison:
    """Two runs, arm by arm; p-values are Holm-adjusted over the arms.

    Attributes:
        n: test examples that both runs have.
        unshared: arms that only one of the runs has.
        differences: what the two manifests say differently.
    """

    a: str
    b: str
    n: int
    arms: tuple[ArmChange, ...]
    unshared: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Check:
    """The gate's judgment of one arm, with its reason; None stands for too few answers to judge."""

    arm: str
    passed: bool | None
    reason: str


def compare_runs(a: Run, b: Run) -> RunComparison:
    """Compare each arm of `a` with the same arm of `b` on the test examples that both have.

    Raises:
        BakeoffError: a run is unfinished, the test sets differ or share fewer than 30 examples, or no arm is shared.
    """
    for run in (a, b):
        run.require_finished()
    ours, theirs = (run.primary() for run in (a, b))
    n = _shared_examples((a.id, b.id), (ours, theirs))
    shared = [arm for arm in ours if arm in theirs]
    if not shared:
        got = f"{', '.join(ours)} in {a.id}, and {', '.join(theirs)} in {b.id}"
        raise BakeoffError("an arm that both runs have", got, "compare runs of the same suite")
    outcomes = {(run, arm): _outcomes(own[arm]) for run, own in (("a", ours), ("b", theirs)) for arm in shared}
    common = {arm: sorted(outcomes["a", arm].keys() & outcomes["b", arm].keys()) for arm in shared}
    judged = [arm for arm in shared if len(common[arm]) >= FEWEST]
    named = {f"{run}:{arm}": {"\0".join(p): hit for p, hit in hits.items()} for (run, arm), hits in outcomes.items()}
    compared = compare([(f"a:{arm}", f"b:{arm}") for arm in judged], named, b.manifest["suite"]["seed"])
    found = {arm: replace(one, a=a.id, b=b.id) for arm, one in zip(judged, compared, strict=True)}
    changes = [
        ArmChange(
            arm,
            len(common[arm]),
            (_mean(outcomes["a", arm], common[arm]), _mean(outcomes["b", arm], common[arm])) if common[arm] else None,
            (_failures(ours[arm]), _failures(theirs[arm])),
            _alone([(outcomes["a", arm][place], outcomes["b", arm][place]) for place in common[arm]]),
            found.get(arm),
        )
        for arm in shared
    ]
    unshared = tuple(sorted(ours.keys() ^ theirs.keys()))
    return RunComparison(a.id, b.id, n, tuple(changes), unshared, tuple(manifest_differences(b.manifest, a.manifest)))


def check_regressions(comparison: RunComparison, margin: float | None = None) -> list[Check]:
    """Judge each arm of the first run against the second.

    Without a margin an arm fails if it is significantly less accurate: Holm-adjusted p below 0.05. With a margin the
    test is of non-inferiority (Piaggio et al. 2012, CONSORT): an arm passes if it is shown, one-sided at 2.5 %, that it
    lost less than the margin; all arms must pass, so nothing is adjusted (intersection-union, Berger 1982).

    Args:
        comparison: the run under test first, the one it is held against second.
        margin: the loss in points of accuracy that is tolerated.
    """
    return [_check(change, margin) for change in comparison.arms]


def require_passed(comparison: RunComparison, checks: Sequence[Check]) -> None:
    """Raise for the arms that did not pass: "worse" before "could not be judged".

    Raises:
        GateFailed: an arm regressed.
        BakeoffError: an arm failed on too many examples to be judged.
    """
    failed = [f"{check.arm}: {check.reason}" for check in checks if check.passed is False]
    if failed:
        fix = f"see: bakeoff runs compare {comparison.a} {comparison.b}"
        raise GateFailed(f"no arm of {comparison.a} worse than in {comparison.b}", "; ".join(failed), fix)
    unjudged = [f"{check.arm}: {check.reason}" for check in checks if check.passed is None]
    if unjudged:
        fix = "ask again for what failed: bakeoff eval … --retry-failures"
        raise BakeoffError(f"{FEWEST} texts that an arm answered in both runs", "; ".join(unjudged), fix)


def tango(only_a: float, only_b: float, n: int, margin: float) -> float:
    """Return the score statistic (standard normal) against "a is worse than b by `margin` or more" (Tango 1998).

    Unlike an interval from resampling it does not take a small sample without any difference for proof.

    Args:
        only_a: pairs that a alone got right; of shares in [0, 1] the sum of what a has more. Those vary less than whole
            pairs of the same sum would, so that the test errs on the careful side.
        only_b: pairs that b alone got right.
        n: pairs in all.
        margin: in (0, 1).
    """
    linear = -only_a - only_b - (2 * n - only_a + only_b) * margin
    constant = only_b * margin * (1 + margin)
    share = (math.sqrt(linear**2 - 8 * n * constant) - linear) / (4 * n)
    return (only_a - only_b + n * margin) / math.sqrt(n * (2 * share - margin * (1 + margin)))


def _check(change: ArmChange, margin: float | None) -> Check:
    from scipy.stats import norm

    found = change.comparison
    if found is None:
        failed = f"failures: {change.failures[0]} here, {change.failures[1]} there"
        return Check(change.arm, None, f"answered {change.n} texts in both runs; {failed}")
    low, high = (100 * bound for bound in found.ci)
    told = f"{100 * found.difference:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}, n = {found.n})"
    if margin is not None:
        passed = float(norm.sf(tango(*change.alone, found.n, margin / 100))) < ALPHA / 2
        return Check(change.arm, passed, f"{told}; a loss below {margin:g} points is {'' if passed else 'not '}shown")
    worse = found.difference < 0 and found.p_adjusted < ALPHA
    return Check(change.arm, not worse, f"{told}, p = {found.p_adjusted:.2g}")


def _shared_examples(names: tuple[str, str], runs: Sequence[Mapping[str, Sequence[Record]]]) -> int:
    """Return how many test examples both runs have, of which each arm's records are given.

    Raises:
        BakeoffError: an example is another text or label in the other run, or there are too few.
    """
    (a, b), (ours, theirs) = (
        names,
        ({_place(record): (record.text, record.target) for own in arms.values() for record in own} for arms in runs),
    )
    shared = ours.keys() & theirs.keys()
    changed = min((place for place in shared if ours[place] != theirs[place]), default=None)
    fix = "compare runs of the same data, seed and --limit"
    if changed:
        got = f"another text or label of the example {changed[-1]}"
        raise BakeoffError(f"the same test examples in {a} and {b}", got, fix)
    if len(shared) < FEWEST:
        got = f"{len(shared)} ({len(ours)} in {a}, {len(theirs)} in {b})"
        raise BakeoffError(f"at least {FEWEST} test examples in common", got, fix)
    return len(shared)


def _place(record: Record) -> Place:
    return record.step, record.test, record.example


def _outcomes(records: Sequence[Record]) -> dict[Place, float]:
    """Return for each answered example whether it was right; over repeats, the share of them that was."""
    hits: dict[Place, list[bool]] = {}
    for record in records:
        if record.correct is not None:
            hits.setdefault(_place(record), []).append(record.correct)
    return {place: sum(own) / len(own) for place, own in hits.items()}


def _mean(outcomes: Mapping[Place, float], places: Sequence[Place]) -> float:
    return sum(outcomes[place] for place in places) / len(places)


def _alone(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(max(a - b, 0) for a, b in pairs), sum(max(b - a, 0) for a, b in pairs)


def _failures(records: Sequence[Record]) -> int:
    return sum(record.label is None for record in records)
