"""Histogram, curve, ranks and correlations of the explorer, beside loops and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from xmr.explorer.diagnostics import curve, first_rank, histogram, rank_correlation


def values(count, *, ties=False, seed=0):
    drawn = np.random.default_rng(seed).normal(size=count).astype(np.float32)
    return np.round(drawn, 1).astype(np.float32) if ties else drawn


@pytest.mark.parametrize("ties", [False, True])
def test_the_histogram_counts_every_similarity_once(ties):
    similarities, shown = values(300, ties=ties), np.array([3, 8, 100])
    found = histogram(similarities, shown, np.array([8]), bins=17)
    low, high = similarities.min(), similarities.max()
    counts, marked, relevant = [0] * 17, [0] * 17, [0] * 17
    for position, value in enumerate(similarities.astype(float).tolist()):
        at = min(16, int((value - float(low)) * (17 / (float(high) - float(low)))))
        counts[at] += 1
        marked[at] += position in (3, 8, 100)
        relevant[at] += position == 8
    assert (found["counts"], found["shown"], found["relevant"]) == (counts, marked, relevant)
    assert sum(found["counts"]) == 300
    assert found["edges"][0] == pytest.approx(low, abs=1e-6)
    assert found["edges"][-1] == pytest.approx(high, abs=1e-6)
    assert found["mean"] == pytest.approx(similarities.mean())


@pytest.mark.parametrize("count", [0, 1, 5])
def test_equal_similarities_and_none_have_a_histogram(count):
    found = histogram(np.full(count, 0.25, np.float32), np.arange(count), None, bins=10)
    assert sum(found["counts"]) == sum(found["shown"]) == count
    assert found["relevant"] is None
    assert len(found["edges"]) == 11
    assert np.isfinite(found["edges"]).all()


def test_the_curve_gives_the_similarity_at_each_rank():
    similarities = values(1000)
    found = curve(similarities, k=20)
    ordered = sorted(similarities.tolist(), reverse=True)
    assert found["ranks"][:20] == list(range(1, 21))
    assert found["ranks"][-1] == 1000
    for rank, similarity in zip(found["ranks"], found["similarities"], strict=True):
        assert similarity == pytest.approx(ordered[rank - 1], abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_curve_is_never_longer_than_the_gallery(count):
    assert curve(values(count), k=20)["ranks"] == list(range(1, count + 1))


@pytest.mark.parametrize("ties", [False, True])
def test_the_first_rank_counts_what_stands_before(ties):
    similarities = values(200, ties=ties)
    order = sorted(range(200), key=lambda at: (-similarities[at], at))
    for relevant in (np.array([7]), np.array([3, 50, 120]), np.arange(200)):
        wanted = 1 + min(order.index(at) for at in relevant.tolist())
        assert first_rank(similarities, relevant) == wanted
    assert first_rank(similarities, np.array([], int)) is None


@pytest.mark.parametrize("ties", [False, True])
def test_the_rank_correlation_is_spearmans(ties):
    one, other = values(60, ties=ties), values(60, ties=ties, seed=1) + values(60)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    assert rank_correlation(one, one) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)


def test_too_few_or_equal_values_have_no_correlation():
    assert rank_correlation(values(2), values(2)) is None
    assert rank_correlation(np.ones(9), values(9)) is None
