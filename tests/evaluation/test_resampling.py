"""Bootstrap intervals: against scipy, loops over whole clusters, and whatever the order and the blocks."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from xmr.evaluation import resampling
from xmr.evaluation.significance import bootstrap_intervals, paired_difference


def clusters_of_unequal_size(count):
    return np.repeat(np.arange(count), np.arange(count) % 4 + 1)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_intervals_of_single_queries_agree_with_scipy(statistic):
    values = np.random.default_rng(0).exponential(size=80)
    found = bootstrap_intervals(
        {"mrr": values}, np.arange(80), statistics={"mrr": statistic}, resamples=5000
    )["mrr"]
    expected = stats.bootstrap(
        (values,), getattr(np, statistic), n_resamples=5000, method="percentile", rng=1
    ).confidence_interval
    assert [found.low, found.high] == pytest.approx([*expected], abs=0.08 * (expected.high - expected.low))


def test_replicates_are_those_of_drawing_whole_clusters():
    random = np.random.default_rng(1)
    ids = random.permutation(clusters_of_unequal_size(13))
    columns = {"recall@1": random.random(len(ids)) < 0.4, "first_rank": random.integers(1, 9, len(ids))}
    columns = {name: column.astype(float) for name, column in columns.items()}
    statistics = {"recall@1": "mean", "first_rank": "median"}
    grouped = resampling.clusters_of(ids)
    found = resampling.bootstrap_replicates(columns, statistics, grouped, 50, 3)
    draws = np.concatenate([*resampling.bootstrap_draws(13, 50, seed=3, width=13)])
    assert (draws.sum(1) == 13).all()
    for name, column in columns.items():
        for replicate, draw in zip(found[name], draws, strict=True):
            drawn = np.concatenate([np.tile(column[ids == i], times) for i, times in enumerate(draw)])
            assert replicate == pytest.approx(getattr(np, statistics[name])(drawn))


def test_copies_of_a_query_in_its_cluster_add_no_certainty():
    values = np.random.default_rng(2).random(30)
    once = bootstrap_intervals({"a": values}, np.arange(30))["a"]
    copied = bootstrap_intervals({"a": np.repeat(values, 5)}, np.repeat(np.arange(30), 5))["a"]
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_results_depend_on_the_seed_but_not_on_order_or_blocks(monkeypatch):
    random = np.random.default_rng(3)
    ids = np.array([f"item-{i}" for i in clusters_of_unequal_size(30)])
    one, other = random.random((2, len(ids)))
    shuffled = random.permutation(len(ids))

    def both(order, seed=0):
        columns = {"mean": one[order], "median": one[order]}
        intervals = bootstrap_intervals(columns, ids[order], statistics={"median": "median"}, seed=seed)
        paired = paired_difference(one[order], other[order], ids[order], resamples=999, seed=seed)
        return [paired.low, paired.high, paired.p, *(x for i in intervals.values() for x in (i.low, i.high))]

    expected = both(np.arange(len(ids)))
    assert both(shuffled) == pytest.approx(expected)
    assert both(shuffled, seed=1) != pytest.approx(expected)
    monkeypatch.setattr(resampling, "_BLOCK", 100)
    assert both(shuffled) == pytest.approx(expected)


def test_many_queries_need_little_memory():
    one, other = np.random.default_rng(4).random((2, 20_000))
    tracemalloc.start()
    paired_difference(one, other, np.arange(20_000), resamples=1000)
    bootstrap_intervals(
        {"first_rank": one}, np.arange(20_000), statistics={"first_rank": "median"}, resamples=200
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # all resamples at once would be 160 MB
