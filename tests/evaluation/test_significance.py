"""Paired tests of models: against scipy and slow loops, for all pairs, and on degenerate and bad input."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.significance import Interval, bootstrap_intervals, holm, paired_difference, pairwise


def clusters_of_unequal_size(count):
    return np.repeat(np.arange(count), np.arange(count) % 4 + 1)


@pytest.mark.parametrize("kind", ["continuous", "binary", "all-tied"])
@pytest.mark.parametrize(("queries", "resamples", "tolerance"), [(11, 2048, 1e-12), (40, 20_000, 0.015)])
def test_p_agrees_with_scipy(kind, queries, resamples, tolerance):
    random = np.random.default_rng(5)
    one, other = random.normal([[0.3], [0.0]], 1.0, (2, queries))
    if kind == "binary":
        one, other = (one > 0).astype(float), (other > 0).astype(float)
    if kind == "all-tied":
        other = one
    found = paired_difference(one, other, np.arange(queries), resamples=resamples)
    expected = stats.permutation_test(
        (one, other),
        lambda x, y, axis: (x - y).mean(axis),
        vectorized=True,
        permutation_type="samples",
        n_resamples=resamples,
        rng=1,
    )
    assert found.p == pytest.approx(expected.pvalue, abs=tolerance)
    assert found.difference == pytest.approx(expected.statistic)
    assert (found.queries, found.seeds) == (queries, (1, 1))


def test_p_of_few_clusters_counts_all_ways_to_flip_whole_clusters():
    random = np.random.default_rng(6)
    ids = random.permutation(clusters_of_unequal_size(8))
    one, other = random.integers(0, 3, (2, len(ids))) / 2
    sums = [(one - other)[ids == i].sum() for i in range(8)]
    flipped = [abs(np.dot(signs, sums)) for signs in itertools.product([1, -1], repeat=8)]
    expected = np.mean([total >= abs(sum(sums)) - 1e-9 for total in flipped])
    assert paired_difference(one, other, ids).p == pytest.approx(expected)


def test_sampled_p_is_never_zero():
    one, other = np.random.default_rng(7).normal([[0.3], [0]], 1.0, (2, 60))
    p = paired_difference(one, other, np.arange(60), resamples=99).p
    assert p * 100 == pytest.approx(round(p * 100))
    assert p >= 0.01


@pytest.mark.parametrize("clusters", [20, 30, 3000])
def test_below_the_resamples_p_is_a_bound_on_the_exact_p(clusters):
    found = paired_difference(np.ones(clusters), np.zeros(clusters), np.arange(clusters), resamples=1000)
    assert 0 < found.p < 1 / 1001
    assert found.p >= 2.0 ** (1 - clusters)  # only all signs or none flipped reach the difference
    assert (found.low, found.high) == (1, 1)


def test_swapping_the_models_changes_signs_alone():
    for seeds in [(1, 1), (1, 3), (3, 2)]:
        random = np.random.default_rng(8)
        one, other = (random.normal(size=(s, 40)) for s in seeds)
        ids = np.arange(40) // 2
        there, back = paired_difference(one, other, ids), paired_difference(other, one, ids)
        assert (back.difference, back.p) == pytest.approx((-there.difference, there.p))
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


def holm_by_loop(p):
    """Step by step: the k-th smallest of n p-values, times n - k, is never below those before it."""
    adjusted, least = [0.0] * len(p), 0.0
    for k, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        least = max(least, min(1.0, (len(p) - k) * p[i]))
        adjusted[i] = least
    return adjusted


@pytest.mark.parametrize("p", [[], [0.04], [0.01, 0.04, 0.03], [0.5, 0.5, 0.001, 0.001, 1.0, 0.0]])
def test_holm_adjusts_step_by_step(p):
    assert holm(p).tolist() == pytest.approx(holm_by_loop(p))


@pytest.mark.parametrize("p", [[0.1, np.nan], [1.2], [-0.1]])
def test_holm_refuses_what_is_no_p(p):
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        holm(p)


@pytest.mark.parametrize("clusters", [9, 50])
def test_all_pairs_are_each_pairs_test_after_holm(clusters):
    random = np.random.default_rng(16)
    ids = clusters_of_unequal_size(clusters)
    models = [random.normal(0.1 * i, 1, (seeds, len(ids))) for i, seeds in enumerate((1, 3, 1, 2, 1))]
    models[0], models[4] = models[0][0], models[4][0]
    found = pairwise(models, ids, resamples=2000, seed=5)
    pairs = [*itertools.combinations(range(5), 2)]
    p = [paired_difference(models[i], models[j], ids, resamples=2000, seed=5).p for i, j in pairs]
    assert [found[pair] for pair in pairs] == pytest.approx(holm_by_loop(p))
    assert (found == found.T).all()
    assert (found.diagonal() == 1).all()


def test_few_models_make_no_pairs():
    assert pairwise([], np.arange(3)).shape == (0, 0)
    assert pairwise([np.ones(3)], np.arange(3)).tolist() == [[1]]


def test_a_clear_winner_among_many_models_is_found():
    random = np.random.default_rng(17)
    models = [random.random(300) < 0.3 for _ in range(50)] + [random.random(300) < 0.7]
    p = pairwise(models, np.arange(300), resamples=1000)
    assert (p[-1, :-1] < 0.05).all()
    assert (p[:-1, :-1] > 0.05).mean() > 0.99


def test_intervals_of_degenerate_columns():
    constant = {"zero": np.zeros(6), "one": np.ones(6)}
    assert bootstrap_intervals(constant, np.arange(6)) == {"zero": Interval(0, 0), "one": Interval(1, 1)}
    assert bootstrap_intervals({"a": [0.25]}, ["x"], statistics={"a": "median"})["a"] == Interval(0.25, 0.25)
    assert bootstrap_intervals({"a": [0.0, 1.0]}, ["x", "x"])["a"] == Interval(0.5, 0.5)
    assert bootstrap_intervals({}, np.arange(6)) == {}


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_models_do_not_differ(seeds):
    values = np.random.default_rng(14).random((seeds, 30))
    found = paired_difference(values, values, np.arange(30))
    assert (found.difference, found.p) == (0, 1)
    assert found.low <= 0 <= found.high


@pytest.mark.parametrize("seeds", [(1, 1), (3, 3), (1, 2)])
def test_one_query_or_one_item_says_nothing_of_others(seeds):
    for ids in (["x"], ["x", "x"]):
        one, other = np.ones((seeds[0], len(ids))), np.zeros((seeds[1], len(ids)))
        found = paired_difference(one, other, ids)
        assert (found.difference, found.p) == (1, 1)


def test_constant_models_that_differ():
    one, other = np.full((3, 8), 0.1), np.full((3, 8), 0.3)
    found = paired_difference(one, other, np.arange(8))
    assert found.difference == pytest.approx(-0.2)
    assert found.p == 2.0**-7
    assert paired_difference(one[0], other[0], np.arange(8)).p == 2.0**-7
    assert paired_difference(one, one + 1e-17, np.arange(8)).p == 1


def test_rounding_makes_no_difference():
    values = np.random.default_rng(15).random(200)
    for seeds in (1, 3):
        one, other = np.tile(values, (seeds, 1)), np.tile(values + 1e-15, (seeds, 1))
        assert paired_difference(one, other, np.arange(200)).p == 1


@pytest.mark.parametrize(
    ("one", "other", "ids", "said"),
    [
        ([0.1, np.nan, np.nan], [0.1, 0.2, 0.3], "abc", "the first model: 2 of 3 values are NaN.* query 1"),
        ([0.1, 0.2, 0.3], [0.1, 0.2, np.inf], "abc", "the second model: 1 of 3 values"),
        ([0.1, 0.2], [0.1, 0.2, 0.3], "ab", r"the second model has the shape \(3,\) for 2 queries"),
        ([0.1, 0.2], [0.1, 0.2], "abc", r"the first model has the shape \(2,\) for 3 queries"),
        ([], [], "", "at least one query"),
        (np.zeros((0, 2)), [0.1, 0.2], "ab", r"\(0, 2\)"),
    ],
)
def test_values_that_cannot_be_compared_are_named(one, other, ids, said):
    with pytest.raises(DataError, match=said):
        paired_difference(np.array(one), np.array(other), np.array(list(ids)))


def test_bad_columns_and_settings_are_named():
    ids = np.arange(3)
    with pytest.raises(DataError, match="recall@1: 1 of 3 values are NaN"):
        bootstrap_intervals({"mrr": np.ones(3), "recall@1": np.array([1, np.nan, 0])}, ids)
    with pytest.raises(DataError, match=r"mrr has the shape \(2, 3\)"):
        bootstrap_intervals({"mrr": np.ones((2, 3))}, ids)
    with pytest.raises(ConfigError, match="did you mean 'mrr'"):
        bootstrap_intervals({"mrr": np.ones(3)}, ids, statistics={"mr": "mean"})
    with pytest.raises(ConfigError, match="use mean or median"):
        bootstrap_intervals({"mrr": np.ones(3)}, ids, statistics={"mrr": "mode"})
    with pytest.raises(ConfigError, match="level=95"):
        bootstrap_intervals({"mrr": np.ones(3)}, ids, level=95)
    with pytest.raises(ConfigError, match="resamples=0"):
        paired_difference(np.ones(3), np.ones(3), ids, resamples=0)
    with pytest.raises(DataError, match="model 1: 3 of 3 values"):
        pairwise([np.ones(3), np.full(3, np.nan)], ids)
