"""Each metric of two models on the same queries, and whether their difference is noise."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xmr.core.errors import DataError
from xmr.evaluation.judgement import LEVEL, Judgement, difference_of, judged
from xmr.evaluation.results_file import MetricValues, QueryResults, metric_values
from xmr.evaluation.significance import Interval, PairedDifference, bootstrap_intervals

Seeds = Sequence[Mapping[str, QueryResults]]
"""A model: what each of its runs, which differ in their seed alone, has of each direction."""


@dataclass(frozen=True)
class MetricDifference:
    """A metric (`text_to_image/mAP`, `mean_recall`) of A and B: means over their seeds, and intervals.

    `intervals` are over queries alone; of a median, the mean of those of each seed. `deviations` over the
    seeds (n - 1) are None where there is one. A median is shown, but `judgement` leaves it untested: it is no
    mean of what the queries score.
    """

    metric: str
    values: tuple[float, float]
    intervals: tuple[Interval, Interval]
    deviations: tuple[float | None, float | None]
    judgement: Judgement


def shown_metrics(queries: Mapping[str, QueryResults], *, relevance: str = "item") -> list[str]:
    """The metrics to compare: recalls, mAP and ranks of each direction, and `mean_recall` over several.

    Where whole classes are relevant, the precision at the largest k as well.
    """
    names = []
    for direction, of in queries.items():
        ks = recall_ks(of)
        if not ks:
            raise DataError(f"{direction}: no recall of single queries is stored; evaluate again")
        shown = [f"recall@{k}" for k in ks]
        shown += [f"precision@{ks[-1]}"] if relevance == "label" else []
        shown += ["mAP"] if "average_precision" in of.values else []
        shown += ["mean_rank", "median_rank"] if "first_rank" in of.values else []
        names += [f"{direction}/{name}" for name in shown]
    return names if len(queries) == 1 else [*names, "mean_recall"]


def recall_ks(of: QueryResults) -> list[int]:
    """The k of each `recall@k` of a direction, ascending."""
    return sorted(int(name.partition("@")[2]) for name in of.values if name.startswith("recall@"))


def metric_differences(
    a: Seeds, b: Seeds, metrics: Sequence[str], *, seed: int = 0
) -> list[MetricDifference]:
    """Each of `metrics` of two models with equal queries in equal order; p is corrected over all of them.

    Queries of one item are resampled together; over several seeds, the seeds are as well. Raises `DataError`
    for a metric that has no values per query.
    """
    stacks = [(_stack(a, metric), _stack(b, metric)) for metric in metrics]
    differences = [_tested(*pair, seed=seed) for pair in stacks]
    judgements = judged(differences, lower_is_better=[metric.endswith("_rank") for metric in metrics])
    intervals = _intervals(metrics, stacks, seed)
    found = zip(metrics, stacks, judgements, strict=True)
    return [_difference(metric, pair, intervals[metric], judgement) for metric, pair, judgement in found]


@dataclass(frozen=True, eq=False)
class _Stack:
    """The values (S, Q) that a metric is the mean or median of, for S seeds."""

    values: np.ndarray
    about: MetricValues

    def columns(self) -> Sequence[np.ndarray]:
        """What intervals are taken of: the queries' means over the seeds, or for a median each seed's own."""
        return [self.values.mean(axis=0)] if self.about.statistic == "mean" else list(self.values)

    def over_seeds(self) -> np.ndarray:
        """The metric of each seed (S,)."""
        return (np.mean if self.about.statistic == "mean" else np.median)(self.values, axis=1)


_Pair = tuple[_Stack, _Stack]


def _stack(model: Seeds, metric: str) -> _Stack:
    found = [metric_values(run, metric) for run in model]
    known = [of for of in found if of is not None]
    if len(known) < len(found):
        raise DataError(f"'{metric}' has no value per query, so it can't be compared; leave it out")
    return _Stack(np.stack([of.values for of in known]), known[0])


def _tested(a: _Stack, b: _Stack, *, seed: int) -> PairedDifference | None:
    if a.about.statistic != "mean":
        return None
    return difference_of(a.values, b.values, a.about.clusters, seed=seed)


def _intervals(
    metrics: Sequence[str], stacks: Sequence[_Pair], seed: int
) -> dict[str, tuple[Interval, Interval]]:
    """The intervals of both models by metric; those of a direction, whose queries are the same, together."""
    by_direction: dict[str, dict[str, _Pair]] = defaultdict(dict)
    for metric, pair in zip(metrics, stacks, strict=True):
        by_direction[metric.rpartition("/")[0]][metric] = pair
    found: dict[str, tuple[Interval, Interval]] = {}
    for together in by_direction.values():
        columns = {
            (metric, side, n): column
            for metric, pair in together.items()
            for side, stack in enumerate(pair)
            for n, column in enumerate(stack.columns())
        }
        names = {key: " ".join(map(str, key)) for key in columns}
        resampled = bootstrap_intervals(
            {names[key]: column for key, column in columns.items()},
            next(iter(together.values()))[0].about.clusters,
            statistics={names[key]: together[key[0]][0].about.statistic for key in columns},
            level=LEVEL,
            seed=seed,
        )
        for metric in together:
            sides = [
                [resampled[names[key]] for key in columns if key[:2] == (metric, side)] for side in (0, 1)
            ]
            found[metric] = (_mean(sides[0]), _mean(sides[1]))
    return found


def _mean(intervals: Sequence[Interval]) -> Interval:
    lows, highs = zip(*((each.low, each.high) for each in intervals), strict=True)
    return Interval(float(np.mean(lows)), float(np.mean(highs)))


def _difference(
    metric: str, pair: _Pair, intervals: tuple[Interval, Interval], judgement: Judgement
) -> MetricDifference:
    of_a, of_b = (stack.over_seeds() for stack in pair)
    values = float(of_a.mean()), float(of_b.mean())
    return MetricDifference(metric, values, intervals, (_deviation(of_a), _deviation(of_b)), judgement)


def _deviation(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
