"""Recipes of several seeds: the test by its definition, and where it is Student's."""

import itertools

import numpy as np
import pytest
from scipy import optimize, stats

from xmr.evaluation.significance import paired_difference


def p_by_definition(one, other, ids):
    """The p of (S, Q) values from Obuchowski and Rockette's covariances, by loops."""
    queries, clusters = one.shape[1], len(set(ids))
    runs = [(side, row) for side, model in enumerate((one, other)) for row in model]
    names = sorted(set(ids))

    def covariance(x, y):
        def off(row):
            return np.array([sum(row[q] - row.mean() for q in np.flatnonzero(ids == name)) for name in names])

        return off(x) @ off(y) / queries**2 * clusters / (clusters - 1)

    variances, within, between = [[], []], [[], []], []
    for (i, (side, x)), (j, (side_of_y, y)) in itertools.product(enumerate(runs), repeat=2):
        if i == j:
            variances[side].append(covariance(x, y))
        elif side == side_of_y:
            within[side].append(covariance(x, y))
        else:
            between.append(covariance(x, y))
    s, freedom = (len(one), len(other)), len(one) + len(other) - 2
    # what seeds of a recipe do not share, pooled: a side of one seed has no covariance within
    alone = [np.mean(variances[k]) - np.mean(within[k]) if s[k] > 1 else 0.0 for k in (0, 1)]
    pooled = sum((s[k] - 1) * alone[k] for k in (0, 1)) / freedom
    total = [(np.sum(variances[k]) + np.sum(within[k])) / s[k] ** 2 for k in (0, 1)]
    of_queries = max(sum(total) - 2 * np.mean(between) - pooled * (1 / s[0] + 1 / s[1]), 0)
    spread = sum(
        (s[k] - 1) * np.var(model.mean(1), ddof=1) for k, model in enumerate((one, other)) if s[k] > 1
    )
    of_seeds = spread / freedom * (1 / s[0] + 1 / s[1])
    difference = one.mean() - other.mean()

    def excess(p):
        limits = [
            stats.t.isf(p / 2, df) ** 2 * v for df, v in ((freedom, of_seeds), (clusters - 1, of_queries))
        ]
        return sum(limits) - difference**2

    return optimize.brentq(excess, 1e-12, 1, xtol=1e-14)


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (1, 3), (4, 2)])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_p_of_recipes_follows_its_definition(seeds, apart):
    random = np.random.default_rng(sum(seeds))
    ids = random.permutation(np.repeat(np.arange(10), np.arange(10) % 4 + 1))
    one, other = (
        random.normal(size=(s, 1)) * 0.2
        + random.normal(size=(s, len(ids)))
        + apart * random.normal(size=len(ids))
        for s in seeds
    )
    found = paired_difference(one, other, ids)
    assert found.p == pytest.approx(p_by_definition(one, other, ids), abs=1e-8)
    assert found.difference == pytest.approx(one.mean() - other.mean())
    assert found.seeds == seeds


def test_where_only_seeds_vary_it_is_students_test_of_the_seeds():
    one, other = np.array([0.5, 0.6, 0.52]), np.array([0.61, 0.66, 0.7, 0.64])
    found = paired_difference(*(np.repeat(x[:, None], 50, axis=1) for x in (one, other)), np.arange(50))
    expected = stats.ttest_ind(one, other)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_where_only_queries_vary_it_is_students_test_of_the_queries():
    one, other = np.random.default_rng(9).normal([[0.4], [0]], 1.0, (2, 50))
    found = paired_difference(np.stack([one, one]), np.stack([other] * 3), np.arange(50))
    expected = stats.ttest_rel(one, other)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_interval_of_recipes_reaches_zero_where_p_is_the_level():
    random = np.random.default_rng(10)
    one, other = random.normal(0.2, 1, (3, 60)), random.normal(0, 1, (3, 60))
    p = paired_difference(one, other, np.arange(60)).p
    found = paired_difference(one, other, np.arange(60), level=1 - p)
    assert 0 < p < 1
    assert min(abs(found.low), abs(found.high)) == pytest.approx(0, abs=1e-7)
