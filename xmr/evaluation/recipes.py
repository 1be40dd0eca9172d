"""How much two training recipes differ: the variation of seeds and of queries, told apart and added up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from xmr.evaluation.resampling import LEAST_P, Clusters

_ROUNDING = 1e-12  # what is smaller, relative to the values, is rounding
_BISECTIONS = 40


@dataclass(frozen=True, eq=False)
class RecipeDifferences:
    """Of every two of M models: the difference of means, and its variance by source, each (M, M).

    `seed_freedom` (M, M) and `query_freedom` are the degrees of freedom that the variances come with.
    """

    difference: np.ndarray
    seed_variance: np.ndarray
    query_variance: np.ndarray
    seed_freedom: np.ndarray
    query_freedom: int

    def half_widths(self, level: float) -> np.ndarray:
        """Half the width of the interval at `level`, (M, M): the root of the sum of (t * deviation)^2.

        Each source's t is the quantile of its own degrees of freedom (Banerjee 1960, Sankhya 22:357), which
        for independent, normal values covers the difference no less often than `level` says, whatever the
        ratio of the variances; Satterthwaite's degrees of freedom don't, with two or three seeds.
        """
        return np.sqrt(self._squared_limits(np.asarray(1 - level)))

    def p_values(self) -> np.ndarray:
        """Two-sided p (M, M): one minus the level at which the interval just reaches 0.

        Never below 2^(1 - C) for C clusters, the least that flipping their signs can give.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.difference) / np.sqrt(self.seed_variance + self.query_variance)
        bounds = [2 * stdtr(freedom, -t) for freedom in (self.seed_freedom, self.query_freedom)]
        low, high = (np.log(np.clip(bound, LEAST_P, 1)) for bound in (np.fmin(*bounds), np.fmax(*bounds)))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            above = self._squared_limits(np.exp(middle)) > self.difference**2
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        p = np.maximum(np.exp(high), 0.5**self.query_freedom)
        return np.where(self.difference == 0, 1.0, p)

    def _squared_limits(self, p: np.ndarray) -> np.ndarray:
        of_seeds = stdtrit(self.seed_freedom, p / 2) ** 2 * self.seed_variance
        return of_seeds + stdtrit(max(self.query_freedom, 1), p / 2) ** 2 * self.query_variance


def recipe_differences(models: Sequence[np.ndarray], clusters: Clusters) -> RecipeDifferences:
    """Differences of M models, each the values (S, Q) of its own S seeds, on the same queries in clusters.

    The model is Obuchowski and Rockette's (1995, Communications in Statistics 24:285), with seeds as readers
    and clusters of queries as cases, in Hillis' form for readers who see one test alone (2014, Statistics in
    Medicine 33:330). Seeds and queries are random, seeds of two recipes independent (where they are alike, as
    with the same split, the test is on the safe side), and of equal variance in the two: it is pooled, and a
    single seed borrows the other's. The seed variance, of the seeds' means, already holds what queries do to
    seeds of a recipe differently; the query variance, by the sums of each cluster, is therefore less by that
    part, and never below 0.
    """
    means = [model.mean(axis=1) for model in models]
    # by seed and cluster: how far its queries' sum is from what the seed's mean makes of it
    residuals = [
        clusters.sums(model - mean[:, None]) / len(clusters.of_query)
        for model, mean in zip(models, means, strict=True)
    ]
    freedom = len(clusters) - 1
    scale = len(clusters) / freedom if freedom else 0.0
    averaged = np.stack([each.mean(axis=0) for each in residuals])
    of_queries = scale * np.stack([((averaged - each) ** 2).sum(axis=1) for each in averaged])
    spread = np.array([((mean - mean.mean()) ** 2).sum() for mean in means])
    by_queries = scale * np.array([((each - each.mean(axis=0)) ** 2).sum() for each in residuals])

    seeds = np.array([len(model) for model in models])
    seed_freedom = np.maximum(_of_pairs(seeds) - 2, 1)
    share = _of_pairs(1 / seeds) / seed_freedom
    mean = np.array([each.mean() for each in means])
    difference = mean[:, None] - mean
    size = np.array([np.abs(model).max() for model in models])
    return RecipeDifferences(
        difference=np.where(np.abs(difference) <= _ROUNDING * _of_pairs(size), 0.0, difference),
        seed_variance=_of_pairs(spread) * share,
        query_variance=np.maximum(of_queries - _of_pairs(by_queries) * share, 0),
        seed_freedom=seed_freedom,
        query_freedom=freedom,
    )


def _of_pairs(values: np.ndarray) -> np.ndarray:
    return values[:, None] + values
