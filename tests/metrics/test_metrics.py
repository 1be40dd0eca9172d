"""Each metric against its definition, averaged over every order of the tied entries."""

from itertools import groupby, permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmr.metrics.average_precision import average_precision
from xmr.metrics.positive_ranks import PositiveRanks
from xmr.metrics.rank import first_rank
from xmr.metrics.recall import recall_at_k


def every_order(scores, relevant):
    """All lists of relevance, best first, that the scores allow."""
    best_first = sorted(zip(scores, relevant, strict=True), key=lambda entry: -entry[0])
    blocks = [[r for _, r in block] for _, block in groupby(best_first, key=lambda entry: entry[0])]
    for orders in product(*(permutations(block) for block in blocks)):
        yield [r for block in orders for r in block]


def loop_average_precision(order):
    hits, total = 0, 0.0
    for rank, is_relevant in enumerate(order, 1):
        if is_relevant:
            hits += 1
            total += hits / rank
    return total / hits


def loop_first_rank(order):
    return order.index(True) + 1


def loop_recall(k):
    return lambda order: float(any(order[:k]))


METRICS = {
    "average_precision": (average_precision, loop_average_precision),
    "first_rank": (first_rank, loop_first_rank),
    **{f"recall@{k}": (lambda r, k=k: recall_at_k(r, k), loop_recall(k)) for k in (1, 2, 3, 5, 10)},
}


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
    for name, (metric, loop) in METRICS.items():
        values = [[loop(order) for order in every_order(*query)] for query in queries]
        low, high = (max, min) if name == "first_rank" else (min, max)
        assert metric(ranks) == pytest.approx([np.mean(v) for v in values], abs=1e-12), name
        assert metric(ranks.resolve("optimistic")) == pytest.approx([high(v) for v in values], abs=1e-12), (
            name
        )
        assert metric(ranks.resolve("pessimistic")) == pytest.approx([low(v) for v in values], abs=1e-12), (
            name
        )


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


def test_average_precision_of_the_ranking_that_the_definitions_disagree_on():
    """Hits at ranks 1, 4, 8, 10 (reference in the project's notes): (1 + 2/4 + 3/8 + 4/10) / 4."""
    order = [rank in (1, 4, 8, 10) for rank in range(1, 11)]
    assert average_precision(ranks_of([(range(10, 0, -1), order)])) == pytest.approx(0.56875, abs=1e-15)


def test_average_precision_of_one_large_block_is_that_of_random_orders():
    rng = np.random.default_rng(0)
    relevant = [True] * 4 + [False] * 36
    sampled = [loop_average_precision(list(rng.permutation(relevant))) for _ in range(4000)]
    expected = average_precision(block(tied=40, positives=4))[0]
    assert expected == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(len(sampled)))
