"""Each metric against its definition, averaged over every order of the tied entries."""

from dataclasses import replace
from functools import partial
from itertools import groupby, permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmr.metrics.average_precision import average_precision, average_precision_at_k, map_at_r
from xmr.metrics.ndcg import ndcg_at_k
from xmr.metrics.positive_ranks import PositiveRanks
from xmr.metrics.precision import precision_at_k, r_precision
from xmr.metrics.rank import first_rank
from xmr.metrics.recall import fraction_recall_at_k, recall_at_k
from xmr.metrics.reciprocal_rank import reciprocal_rank, reciprocal_rank_at_k
from xmr.metrics.variants import (
    average_precision_at_k_over_hits,
    average_precision_at_k_over_positives,
    macro_average,
    median_rank_floor,
    precision_at_k_over_min,
    seed_average_precision_at_k,
)


def every_order(scores, relevant):
    """All lists of relevance, best first, that the scores allow."""
    best_first = sorted(zip(scores, relevant, strict=True), key=lambda entry: -entry[0])
    blocks = [[r for _, r in block] for _, block in groupby(best_first, key=lambda entry: entry[0])]
    for orders in product(*(permutations(block) for block in blocks)):
        yield [r for block in orders for r in block]


def precisions(order):
    """The precision at each relevant rank of a list of relevance, best first."""
    return [sum(order[:rank]) / rank for rank, relevant in enumerate(order, 1) if relevant]


def precision_at(order, k):
    return sum(order[:k]) / k


def loop_average_precision(order):
    return np.mean(precisions(order))


def loop_first_rank(order):
    return order.index(True) + 1


def loop_reciprocal_rank(order, k=None):
    return 1 / (order.index(True) + 1) if any(order[:k]) else 0.0


def loop_ndcg(order, k):
    def dcg(gains):
        return sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains[:k], 1))

    return dcg(order) / dcg(sorted(order, reverse=True))


def loop_over_hits(order, k):
    return np.mean(precisions(order[:k])) if any(order[:k]) else 0.0


METRICS = {
    "average_precision": (average_precision, loop_average_precision),
    "first_rank": (first_rank, loop_first_rank),
    "reciprocal_rank": (reciprocal_rank, loop_reciprocal_rank),
    "r_precision": (r_precision, lambda order: precision_at(order, sum(order))),
    "map_at_r": (map_at_r, lambda order: sum(precisions(order[: sum(order)])) / sum(order)),
}
METRICS_AT_K = {
    recall_at_k: lambda order, k: float(any(order[:k])),
    fraction_recall_at_k: lambda order, k: sum(order[:k]) / sum(order),
    precision_at_k: precision_at,
    precision_at_k_over_min: lambda order, k: sum(order[:k]) / min(k, sum(order)),
    average_precision_at_k: lambda order, k: sum(precisions(order[:k])) / min(k, sum(order)),
    average_precision_at_k_over_positives: lambda order, k: sum(precisions(order[:k])) / sum(order),
    average_precision_at_k_over_hits: loop_over_hits,
    seed_average_precision_at_k: lambda order, k: np.mean([precision_at(order, i) for i in range(1, k + 1)]),
    reciprocal_rank_at_k: loop_reciprocal_rank,
    ndcg_at_k: loop_ndcg,
}
for at_k, loop_at_k in METRICS_AT_K.items():
    for depth in (1, 2, 3, 5, 10):
        METRICS[f"{at_k.__name__}({depth})"] = (
            partial(at_k, k=depth),
            partial(loop_at_k, k=depth),
        )
NOT_MONOTONE = "average_precision_at_k_over_hits"
COLUMNS = ("query", "above", "tied", "positives_above", "positives_tied")


def ranks_of(queries):
    """`PositiveRanks` of (scores, relevant) per query, by counting one entry at a time."""
    rows = []
    for q, (scores, relevant) in enumerate(queries):
        positives = sorted((s for s, r in zip(scores, relevant, strict=True) if r), reverse=True)
        for s in positives:
            above, tied = sum(x > s for x in scores), sum(x == s for x in scores)
            rows.append((q, above, tied, sum(x > s for x in positives), positives.count(s)))
    return PositiveRanks(*np.array(rows).T, n_queries=len(queries))


@st.composite
def one_query(draw):
    size = draw(st.integers(1, 6))
    scores = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    relevant = draw(st.lists(st.booleans(), min_size=size, max_size=size).filter(any))
    return scores, relevant


some_queries = st.lists(one_query(), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(some_queries)
def test_ties_are_the_mean_best_and_worst_of_all_orders(queries):
    ranks = ranks_of(queries)
    best, worst = ranks.resolve("optimistic"), ranks.resolve("pessimistic")
    orders = [list(every_order(*query)) for query in queries]
    for name, (metric, loop) in METRICS.items():
        values = [[loop(order) for order in of_query] for of_query in orders]
        assert metric(ranks) == pytest.approx([np.mean(v) for v in values], abs=1e-12), name
        if not name.startswith(NOT_MONOTONE):
            low, high = (max, min) if name == "first_rank" else (min, max)
            assert metric(best) == pytest.approx([high(v) for v in values], abs=1e-12), name
            assert metric(worst) == pytest.approx([low(v) for v in values], abs=1e-12), name


@settings(max_examples=60, deadline=None)
@given(some_queries)
def test_broken_ties_score_as_the_order_that_they_stand_for(queries):
    for rule, sign in (("optimistic", -1), ("pessimistic", 1)):
        broken = ranks_of(queries).resolve(rule)
        for name, (metric, loop) in METRICS.items():
            values = []
            for scores, relevant in queries:
                entries = zip(scores, relevant, strict=True)
                ranking = sorted(entries, key=lambda entry: (-entry[0], sign * entry[1]))
                values.append(loop([r for _, r in ranking]))
            assert metric(broken) == pytest.approx(values, abs=1e-12), name


@settings(max_examples=30, deadline=None)
@given(some_queries)
def test_broken_ties_are_no_ties_and_break_the_same_again(queries):
    for rule in ("optimistic", "pessimistic"):
        broken = ranks_of(queries).resolve(rule)
        assert set(broken.tied) == {1}
        for other in ("expected", "optimistic", "pessimistic"):
            assert np.array_equal(broken.resolve(other).above, broken.above)


def block(*, above=0, tied, positives_above=0, positives):
    """`positives` relevant entries of one query in one block."""
    columns = [[value] * positives for value in (0, above, tied, positives_above, positives)]
    return PositiveRanks(*np.array(columns), n_queries=1)


@pytest.mark.parametrize(
    ("tied", "positives"), [(1, 1), (7, 7), (1000, 1), (1001, 5), (25_000, 5), (25_000, 600)]
)
@pytest.mark.parametrize("k", [1, 5, 10, 999, 1001, 30_000])
def test_recall_of_large_blocks_is_the_hypergeometric_chance(tied, positives, k):
    missed = comb(tied - positives, min(k, tied)) / comb(tied, min(k, tied))
    assert recall_at_k(block(tied=tied, positives=positives), k) == pytest.approx(1 - missed, abs=1e-13)


def test_recall_counts_the_places_that_better_entries_take():
    below_three = block(above=3, tied=4, positives=1)
    assert [float(recall_at_k(below_three, k)[0]) for k in (1, 3, 4, 5, 7, 8)] == [0, 0, 0.25, 0.5, 1, 1]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (recall_at_k, 1),
        (fraction_recall_at_k, 2 / 4),
        (precision_at_k, 2 / 5),
        (precision_at_k_over_min, 2 / 4),
        (average_precision_at_k, (1 + 2 / 4) / 4),
        (average_precision_at_k_over_positives, (1 + 2 / 4) / 4),
        (average_precision_at_k_over_hits, (1 + 2 / 4) / 2),
        (seed_average_precision_at_k, (1 + 1 / 2 + 1 / 3 + 2 / 4 + 2 / 5) / 5),
        (reciprocal_rank_at_k, 1),
        (ndcg_at_k, (1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3) + 1 / 2 + 1 / np.log2(5))),
    ],
)
def test_the_ranking_that_libraries_disagree_on(metric, value):
    """Hits at ranks 1, 4, 8 and 10 of 10, 4 relevant, k = 5."""
    order = [rank in (1, 4, 8, 10) for rank in range(1, 11)]
    ranks = ranks_of([(range(10, 0, -1), order)])
    assert metric(ranks, 5) == pytest.approx(value, abs=1e-15)
    assert average_precision(ranks) == pytest.approx((1 + 2 / 4 + 3 / 8 + 4 / 10) / 4, abs=1e-15)
    assert r_precision(ranks) == pytest.approx(2 / 4, abs=1e-15)
    assert map_at_r(ranks) == pytest.approx((1 + 2 / 4) / 4, abs=1e-15)


def test_the_divisors_of_average_precision_at_k_differ_where_more_than_k_are_relevant():
    ranks = ranks_of([(range(10, 0, -1), [True] * 8 + [False] * 2)])
    assert average_precision_at_k(ranks, 5) == 1
    assert average_precision_at_k_over_positives(ranks, 5) == 5 / 8


def test_average_precision_of_one_large_block_is_that_of_random_orders():
    rng = np.random.default_rng(0)
    relevant = [True] * 4 + [False] * 36
    sampled = [loop_average_precision(list(rng.permutation(relevant))) for _ in range(4000)]
    expected = average_precision(block(tied=40, positives=4))[0]
    assert expected == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(len(sampled)))


@pytest.mark.parametrize(
    ("tied", "positives"), [(2, 1), (400, 3), (30_000, 1), (30_000, 5), (30_000, 29_000), (3000, 1500)]
)
@pytest.mark.parametrize("above", [0, 20_000])
def test_one_large_block_has_the_reciprocal_rank_and_gains_of_the_hypergeometric(above, tied, positives):
    places = np.arange(1, tied + 1)
    chances = np.array(
        [comb(tied - int(x), positives - 1) / comb(tied, positives) for x in places[:400]]
        if positives > 1
        else np.full(tied, 1 / tied)
    )
    ranks = block(above=above, tied=tied, positives=positives)
    for k in (above + 1, above + 7, above + 399):
        upto = places <= min(k - above, len(chances))
        upto = upto[: len(chances)]
        expected = np.sum(chances[upto] / (above + places[: len(chances)][upto]))
        assert reciprocal_rank_at_k(ranks, k) == pytest.approx(expected, rel=1e-10)
    if positives == 1:
        assert reciprocal_rank(ranks) == pytest.approx(np.mean(1 / (above + places)), rel=1e-10)
        assert average_precision(ranks) == pytest.approx(np.mean(1 / (above + places)), rel=1e-9)


def test_average_precision_over_hits_of_a_large_straddling_block_is_that_of_random_orders():
    rng = np.random.default_rng(1)
    above, relevant, k = [True, False, False], [True] * 30 + [False] * 270, 20
    sampled = [loop_over_hits([*above, *rng.permutation(relevant)], k) for _ in range(4000)]
    columns = np.array([[0, 0, 1, 0, 1]] + [[0, 3, 300, 1, 30]] * 30).T
    expected = average_precision_at_k_over_hits(PositiveRanks(*columns, n_queries=1), k)[0]
    assert expected == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(len(sampled)))


@pytest.mark.parametrize("positives", [1, 5000, 49_999, 50_000])
@pytest.mark.parametrize("k", [1, 10, 49_999, 200_000])
def test_no_metric_overflows_or_leaves_its_range_in_a_collapsed_run(positives, k):
    ranks = block(tied=50_000, positives=positives)
    for metric in METRICS_AT_K:
        assert 0 < metric(ranks, k)[0] <= 1 + 1e-9, metric.__name__
    assert precision_at_k(ranks, 10) == pytest.approx(positives / 50_000)


def test_equal_queries_among_others_score_the_same_in_any_place():
    """Blocks are valued once each: the values must come back to the queries that they belong to."""
    rng = np.random.default_rng(0)
    kinds = [(rng.integers(0, 3, 6).tolist(), [True, *(rng.random(5) < 0.4).tolist()]) for _ in range(5)]
    chosen = rng.integers(0, 5, 40)
    for name, (metric, _) in METRICS.items():
        alone = np.array([metric(ranks_of([kind]))[0] for kind in kinds])
        assert metric(ranks_of([kinds[n] for n in chosen])) == pytest.approx(alone[chosen], abs=1e-14), name


def test_many_wide_blocks_are_valued_in_chunks():
    sizes = np.arange(2, 1002)
    zero, one = np.zeros_like(sizes), np.ones_like(sizes)
    ranks = PositiveRanks(np.arange(1000), zero, sizes, zero, one, n_queries=1000)
    expected = [np.mean(1 / np.arange(1, n + 1)) for n in sizes]
    assert reciprocal_rank(ranks) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize(("firsts", "value"), [([1], 1), ([1, 2], 1), ([3, 4, 9, 9], 6), ([1, 2, 5], 2)])
def test_the_floored_median_rank_is_the_lower_where_two_share_the_middle(firsts, value):
    assert median_rank_floor(np.array(firsts)) == value


def test_the_macro_average_gives_each_class_the_same_weight():
    values = np.array([1, 0, 0, 0, 0.5])
    assert macro_average(values, np.array(["b", "a", "a", "a", "c"])) == pytest.approx((1 + 0 + 0.5) / 3)


def test_narrow_integers_do_not_change_a_value():
    ranks = block(above=3, tied=40_000, positives_above=2, positives=9000)
    narrow = replace(ranks, **{name: getattr(ranks, name).astype(np.int32) for name in COLUMNS})
    for name, (metric, _) in METRICS.items():
        assert np.array_equal(metric(narrow), metric(ranks)), name
