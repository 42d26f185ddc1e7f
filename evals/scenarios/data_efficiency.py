"""Learning curves: how many labelled examples does each approach need, and where do the curves cross?"""

from collections.abc import Mapping, Sequence

import numpy as np

from evals.records import Record
from evals.scenarios.scenario import Finding, Fits, Plan, Scenario, Step
from evals.scenarios.static import load_parts, split_facts
from evals.suite import Suite
from evals.verdict import TUNED
from lab.datasets import Dataset
from lab.statistics import clustered_interval, seed_interval

ALL = "(all)"  # marks the scenario that learns from every example
FEWEST = 3  # seeds, for an interval over them


def plan(suite: Suite, limit: str | None) -> Plan:
    """Return a scenario for each size and seed: the first examples of one shuffle, so that larger sets hold smaller.

    All examples come first, in the split's own order: what is measured of an arm beside its answers is measured there.
    The choices of an approach are made on as many validation examples as there are to learn from, at most.
    """
    split = load_parts(suite, suite.dataset, limit)
    sizes = sorted((size for size in suite.sizes if size < len(split.train)), reverse=True)
    asked, scenarios = {"test": split.test}, []
    for repeat in range(suite.repeats):
        random, seed = np.random.default_rng((suite.seed, repeat)), suite.seed + repeat
        train, validation = (_shuffled(part, random) for part in (split.train, split.validation))
        whole = Step("", split.train, asked)
        scenarios.append(Scenario(f"{len(train)} {ALL}", seed, repeat, split.validation, (whole,)))
        for size in sizes:
            known = validation.subset(range(min(len(validation), size)))
            step = Step("", train.subset(range(size)), asked)
            scenarios.append(Scenario(str(size), seed, repeat, known, (step,)))
    return Plan(tuple(scenarios), split_facts(split))


def is_primary(suite: Suite, record: Record) -> bool:
    """Tell whether a record counts for the suite's main table: those learned from all examples do."""
    return record.scenario.endswith(ALL)


def findings(suite: Suite, records: Sequence[Record], fits: Fits) -> list[Finding]:
    """Return the learning curves, and for each pair of a tuned and a retrieving arm where they cross."""
    curves = _curves(records)
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = [[key, *(_cell(curve.get(size, {})) for size in sizes)] for key, curve in curves.items()]
    table = Finding(
        f"Accuracy by the number of labelled examples, {suite.repeats} seeds",
        ["arm", *map(str, sizes)],
        rows,
        "Mean over seeds ± half the 95 % interval, clustered by test text.",
        {"sizes": sizes, "accuracy": {key: _means(curve) for key, curve in curves.items()}},
    )
    crossings = _crossings(suite, curves, sizes)
    return [table, crossings] if crossings.rows else [table]


Curve = dict[int, dict[int, dict[str, float]]]  # size -> repeat -> example -> right (1) or not (0)


def _curves(records: Sequence[Record]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for record in records:
        if record.correct is not None:
            own = curves.setdefault(record.arm, {}).setdefault(int(record.scenario.split()[0]), {})
            own.setdefault(record.repeat, {})[record.example] = float(record.correct)
    return curves


def _cell(repeats: dict[int, dict[str, float]]) -> str:
    if not repeats:
        return "-"
    values: dict[str, list[float]] = {}
    for answers in repeats.values():
        for example, right in answers.items():
            values.setdefault(example, []).append(right)
    low, high = clustered_interval(values)
    mean = float(np.mean([right for rights in values.values() for right in rights]))
    return f"{mean:.1%} ± {(high - low) / 2 * 100:.1f}"


Means = dict[int, dict[int, float]]  # size -> repeat -> accuracy


def _means(curve: Curve) -> Means:
    return {
        size: {repeat: float(np.mean(list(answers.values()))) for repeat, answers in sorted(repeats.items())}
        for size, repeats in sorted(curve.items())
    }


def _crossings(suite: Suite, curves: dict[str, Curve], sizes: Sequence[int]) -> Finding:
    """Return from how many examples on each tuned arm beats each other arm, with its interval over the seeds."""
    side = {arm.key: arm.approach in TUNED for arm in suite.arms}
    rows, data = [], []
    for tuned in (key for key in curves if side[key]):
        for other in (key for key in curves if not side[key]):
            points = crossing_points(_means(curves[tuned]), _means(curves[other]))
            steady = steady_crossing(_means(curves[tuned]), _means(curves[other]))
            crossed = f"{sum(point is not None for point in points)} of {len(points)}"
            last = "-" if len(points) < FEWEST else _size(steady, sizes)
            rows.append([tuned, other, _size(typical(points), sizes), _interval(points, sizes), last, crossed])
            data.append({"tuned": tuned, "other": other, "points": points, "when_variance_counts": steady})
    return Finding(
        "Where the tuned approach overtakes, in labelled examples",
        ["tuned", "other", "crossing", "95 % interval", "when variance counts", "seeds that cross"],
        rows,
        "Per seed, on the straight line between two sizes on a logarithmic scale: from there on it stays above. The"
        " median and the interval (t, on that scale) are over all seeds; one that never crosses counts as beyond the"
        " largest size, and leaves the interval without an upper end. When variance counts: from where on the tuned"
        " approach's mean less its seeds' standard deviation stays above the other's mean (after Pecher et al., arXiv"
        " 2402.12819).",
        {"crossings": data},
    )


def crossing_points(tuned: Means, other: Means) -> list[float | None]:
    """Return for each seed the size from which on `tuned` stays above `other`; None where it never does.

    A seed in which it is above from the first size on crosses there. Between two sizes the point is where the straight
    lines over the logarithm of the size meet.
    """
    sizes = sorted(tuned.keys() & other.keys())
    if not sizes:
        return []
    repeats = set.intersection(*({*own[size]} for own in (tuned, other) for size in sizes))
    return [_crossing(sizes, [tuned[size][one] - other[size][one] for size in sizes]) for one in sorted(repeats)]


def typical(points: Sequence[float | None]) -> float | None:
    """Return the median of the seeds' crossings; None where so many never cross that it is beyond every size."""
    median = float(np.median([np.inf if point is None else point for point in points])) if points else np.inf
    return median if median < np.inf else None


def steady_crossing(tuned: Means, other: Means) -> float | None:
    """Return from which size on the mean of `tuned`, less its seeds' standard deviation, stays above that of `other`.

    None where it never does.
    """
    sizes = sorted(tuned.keys() & other.keys())
    leads = [_mean(tuned[size]) - _deviation(tuned[size]) - _mean(other[size]) for size in sizes]
    return _crossing(sizes, leads) if sizes else None


def _crossing(sizes: Sequence[int], leads: Sequence[float]) -> float | None:
    behind = [number for number, lead in enumerate(leads) if lead <= 0]
    if not behind:
        return float(sizes[0])
    last = behind[-1]
    if last == len(sizes) - 1:
        return None
    low, high = np.log2(sizes[last]), np.log2(sizes[last + 1])
    share = -leads[last] / (leads[last + 1] - leads[last])
    return float(2 ** (low + share * (high - low)))


def _interval(points: Sequence[float | None], sizes: Sequence[int]) -> str:
    """Return the interval over all seeds, one that never crosses taken at the largest size: there it is open."""
    if len(points) < FEWEST or not any(points):
        return "-"
    spread = seed_interval([float(np.log2(point or max(sizes))) for point in points])
    assert spread is not None, "three seeds have one"
    low, high = np.clip(np.exp2(spread), min(sizes), max(sizes))
    return f"{low:.0f} – {high:.0f}" if all(points) else f"{low:.0f} – beyond {max(sizes)}"


def _size(point: float | None, sizes: Sequence[int]) -> str:
    return f"never up to {max(sizes)}" if point is None else f"{point:.0f}"


def _mean(accuracies: Mapping[int, float]) -> float:
    return float(np.mean(list(accuracies.values())))


def _deviation(accuracies: Mapping[int, float]) -> float:
    return float(np.std(list(accuracies.values()), ddof=1)) if len(accuracies) > 1 else 0.0


def _shuffled(data: Dataset, random: np.random.Generator) -> Dataset:
    """Return the examples in a random order that begins with one of each label."""
    order = [int(number) for number in random.permutation(len(data))]
    firsts = {data.targets[number]: number for number in reversed(order)}
    begin = [number for number in order if firsts[data.targets[number]] == number]
    return data.subset([*begin, *(number for number in order if number not in set(begin))])
