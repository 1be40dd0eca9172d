"""Is a difference noise? Intervals, paired tests and letters, from the results of each query."""

import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from xmr.core.errors import ConfigError, DataError, check_whole, did_you_mean
from xmr.evaluation.cliques import clique_cover
from xmr.evaluation.recipes import recipe_differences
from xmr.evaluation.resampling import (
    Clusters,
    bootstrap_replicates,
    checked_values,
    clusters_of,
    sign_flip_p,
)


@dataclass(frozen=True)
class Interval:
    """A confidence interval: from `low` to `high`, both in the unit of the metric."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """Mean of one model minus mean of another on the same queries, its interval, and the p of no difference.

    `seeds` are the numbers of seeds of both: with (1, 1) it speaks of two trained models, else of two
    recipes.
    """

    difference: float
    low: float
    high: float
    p: float
    queries: int
    seeds: tuple[int, int]


def bootstrap_intervals(
    values: Mapping[str, np.ndarray],
    clusters: np.ndarray,
    *,
    statistics: Mapping[str, Literal["mean", "median"]] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile bootstrap intervals of columns (Q,), by name; of the mean unless `statistics` says median.

    Queries that share an id of `clusters` (Q,) depend on each other, as captions of an image do, and are
    drawn together (the cluster bootstrap; Davison and Hinkley 1997, sections 3.8 and 5.3). All columns see
    the same draws, which depend on `seed` alone, not on the order of the queries. The interval speaks of
    other queries, not of other seeds. It has no width where all values are equal or there is one cluster, and
    is too narrow for fewer than about 20 clusters. Raises `DataError` for NaN, lengths that differ and no
    queries, `ConfigError` for a level, statistic or number out of range.
    """
    _check(level, resamples)
    chosen: dict[str, str] = dict.fromkeys(values, "mean") | dict(statistics or {})
    for name, statistic in chosen.items():
        if name not in values:
            raise ConfigError(f"statistics: no column '{name}'; {did_you_mean(name, values)}")
        if statistic not in ("mean", "median"):
            raise ConfigError(f"statistics: '{statistic}' of {name}; use mean or median")
    grouped = clusters_of(clusters)
    columns = {name: checked_values(name, column, grouped, seeds=1)[0] for name, column in values.items()}
    replicates = bootstrap_replicates(columns, chosen, grouped, resamples, seed)
    return {name: Interval(*_percentiles(column, level)) for name, column in replicates.items()}


def paired_difference(
    one: np.ndarray,
    other: np.ndarray,
    clusters: np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Compare two models on the same queries in the same order: values (Q,), or (S, Q) of S seeds each.

    One seed each: p is the sign-flip permutation test's (see `pairwise`), the interval the percentile
    bootstrap's, both of whole clusters. They speak of these two trained models, not of their recipes: with
    another seed the other may be better.

    More seeds on one side or both: p and interval are of the recipes, with seeds and queries both random (see
    `recipes.recipe_differences`, and Bouthillier et al. 2021, Accounting for variance in machine learning
    benchmarks, for why). They take the seed variances of the two as equal. Two seeds a side find only large
    differences; use 3 to 5.

    The result depends on `seed` alone, not on the order of the queries, as long as `one`, `other` and
    `clusters` share it. One cluster says nothing of other queries: p is 1, whatever the interval. Raises
    `DataError` for NaN, lengths that differ and no queries, `ConfigError` for a level or number out of range.
    """
    _check(level, resamples)
    grouped = clusters_of(clusters)
    models = [
        checked_values("the first model", one, grouped),
        checked_values("the second model", other, grouped),
    ]
    seeds = (len(models[0]), len(models[1]))
    difference = float(models[0].mean() - models[1].mean())
    if seeds == (1, 1):
        of_queries = {"difference": models[0][0] - models[1][0]}
        replicates = bootstrap_replicates(of_queries, {"difference": "mean"}, grouped, resamples, seed)
        low, high = _percentiles(replicates["difference"], level)
    else:
        half = float(recipe_differences(models, grouped).half_widths(level)[0, 1])
        low, high = difference - half, difference + half
    p = float(_p_values(models, grouped, resamples, seed)[0, 1])
    return PairedDifference(difference, low, high, p, len(grouped.of_query), seeds)


def pairwise(
    values_by_model: Sequence[np.ndarray], clusters: np.ndarray, *, resamples: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Holm-adjusted p of all pairs of M models (M, M), 1 on the diagonal; values (Q,) or (S, Q) each.

    Before the correction it is the p of `paired_difference`. Where both models have one seed, the hypothesis
    is that each cluster could as well have favoured the other: the signs of the differences, summed by
    cluster, are flipped in all 2^C ways where these are no more than `resamples`, else at random, and then p
    is (b + 1) / (m + 1), never 0 (Phipson and Smyth 2010). Where Hoeffding's bound on the exact p, 2 exp(-z^2
    / 2) (1963, theorem 2), is less than m flips can show, p is that: else no two of more than 30 models could
    differ. Raises what `paired_difference` raises.
    """
    _check(0.5, resamples)
    grouped = clusters_of(clusters)
    models = [checked_values(f"model {i}", values, grouped) for i, values in enumerate(values_by_model)]
    adjusted = np.ones((len(models), len(models)))
    if len(models) > 1:
        upper = np.triu_indices(len(models), 1)
        adjusted[upper] = holm(_p_values(models, grouped, resamples, seed)[upper])
        adjusted.T[upper] = adjusted[upper]
    return adjusted


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p of n tests (n,), in the order given: reject those at or below the level.

    The chance of any false rejection is then at most the level, however the tests depend on each other.
    Raises `DataError` for what is not in [0, 1].
    """
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise DataError(f"p-values {p.tolist()}; each must be in [0, 1]")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def letters(better_first: Sequence[int], differs: np.ndarray) -> list[str]:
    """The compact letter display of M entries: two share a letter exactly where they do not differ.

    `better_first` names the entries, best first (which has "a"), `differs` (M, M) is symmetric; the letters
    of entry i are at i. The display is Piepho's (2004, Journal of Computational and Graphical Statistics
    13:456), by clique growing (see `cliques.clique_cover`) and not his insert-and-absorb, whose time may grow
    exponentially. A to Z follow z, then other letters of Unicode. Raises `DataError` where `better_first` is
    not an order of M entries or `differs` not a symmetric matrix of them, False on the diagonal.
    """
    order = np.asarray(better_first, dtype=np.int64)
    differs = np.asarray(differs, dtype=bool)
    entries = len(order)
    if sorted(order.tolist()) != list(range(entries)) or differs.shape != (entries, entries):
        raise DataError(f"better_first {order.tolist()} and differs {differs.shape}: name each entry once")
    if (differs != differs.T).any() or differs.diagonal().any():
        raise DataError("differs must be symmetric, and no entry differs from itself")
    shared = ["" for _ in order]
    for group, letter in zip(clique_cover(~differs[np.ix_(order, order)]), _alphabet(), strict=False):
        for place in group:
            shared[order[place]] += letter
    return shared


def _alphabet() -> Iterator[str]:
    return chain(string.ascii_letters, (chr(c) for c in range(0xC0, sys.maxunicode) if chr(c).isalpha()))


def _percentiles(replicates: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _p_values(models: Sequence[np.ndarray], clusters: Clusters, resamples: int, seed: int) -> np.ndarray:
    """Unadjusted p of all pairs of models, each (S, Q) -> (M, M): the one of `paired_difference`."""
    single = np.array([i for i, model in enumerate(models) if len(model) == 1], dtype=np.int64)
    several = len(single) < len(models)
    p = recipe_differences(models, clusters).p_values() if several else np.ones((len(models), len(models)))
    if len(single) > 1:
        sums = clusters.sums([models[i][0] for i in single])
        p[np.ix_(single, single)] = sign_flip_p(sums, resamples=resamples, seed=seed)
    return p


def _check(level: float, resamples: int) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"level={level}, but it must be above 0 and below 1; 0.95 is usual")
    check_whole(1, resamples=resamples)
