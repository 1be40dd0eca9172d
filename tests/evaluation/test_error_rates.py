"""Simulated comparisons: how often equal models are told apart, and different ones are."""

import numpy as np
import pytest
from scipy import stats

from xmr.evaluation.significance import paired_difference

NULLS = 1000
# a test with the nominal 5 % rejects this many of 1,000 nulls in all but one of 1,000 simulations
FEWEST, MOST = stats.binom.interval(0.999, NULLS, 0.05)


def simulated(random, seeds, binary, *, better=0.0, seed_deviation=0.0, items=40):
    """Two models, (seeds, Q) each, on items of 3 queries: an item suits one seed more than another."""
    difficulty = np.repeat(random.normal(size=items), 3)
    models = []
    for shift in (better, 0.0):
        suits = np.repeat(random.normal(size=(seeds, items)), 3, axis=1)
        of_seeds = seed_deviation * random.normal(size=(seeds, 1))
        values = difficulty + suits + of_seeds + shift + 0.5 * random.normal(size=suits.shape)
        models.append((values > 0).astype(float) if binary else values)
    return *models, np.repeat(np.arange(items), 3)


@pytest.mark.parametrize("binary", [False, True], ids=["continuous", "binary"])
def test_two_models_alike_are_told_apart_at_the_nominal_rate(binary):
    random = np.random.default_rng(11)
    rejected = 0
    for i in range(NULLS):
        one, other, ids = simulated(random, 1, binary)
        rejected += paired_difference(one, other, ids, resamples=199, seed=i).p <= 0.05
    assert FEWEST <= rejected <= MOST


def test_what_the_error_rate_would_be_without_clusters_and_seeds():
    random = np.random.default_rng(12)
    without_clusters = without_seeds = 0
    for i in range(200):
        one, other, ids = simulated(random, 1, binary=False)
        without_clusters += (
            paired_difference(one, other, np.arange(len(ids)), resamples=199, seed=i).p <= 0.05
        )
        one, other, ids = simulated(random, 3, binary=False, seed_deviation=0.5)
        models = one.mean(axis=0), other.mean(axis=0)
        without_seeds += paired_difference(*models, ids, resamples=199, seed=i).p <= 0.05
    assert min(without_clusters, without_seeds) > 0.15 * 200


@pytest.mark.parametrize(
    ("binary", "seed_deviation"),
    [(False, 0.0), (False, 0.5), (True, 0.5)],
    ids=["no-effect", "continuous", "binary"],
)
def test_two_recipes_alike_are_told_apart_at_the_nominal_rate(binary, seed_deviation):
    random = np.random.default_rng(13)
    nulls = (simulated(random, 3, binary, seed_deviation=seed_deviation) for _ in range(NULLS))
    rejected = sum(paired_difference(*null).p <= 0.05 for null in nulls)
    assert FEWEST <= rejected <= MOST


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("binary", [False, True], ids=["continuous", "binary"])
def test_a_real_difference_is_found(seeds, binary):
    random = np.random.default_rng(14)
    pairs = [simulated(random, seeds, binary, better=1.0, seed_deviation=0.1, items=100) for _ in range(50)]
    found = [paired_difference(*pair, resamples=199) for pair in pairs]
    assert sum(each.p <= 0.05 for each in found) >= 47
    assert sum(each.low > 0 for each in found) >= 47
