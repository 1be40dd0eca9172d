"""What two models make of each query, beside slow loops: outcomes, ranks, agreement of lists."""

import dataclasses
import math

import numpy as np
import pytest

from tests.evaluation.made_results import made_queries
from xmr.evaluation.query_changes import PERSISTENCE, agreement, list_agreement, outcomes, rank_changes


def of(seed, **settings):
    return made_queries(seed=seed, **settings)["text_to_image"]


def with_values(results, **values):
    return dataclasses.replace(results, values={**results.values, **values})


def slow_rbo(one, other):
    """Webber et al. 2010, equation 32, entry by entry."""
    depth, total = len(one), 0.0
    for d in range(1, depth + 1):
        shared = sum(1 for entry in one[:d] if entry in other[:d])
        total += (1 - PERSISTENCE) / PERSISTENCE * shared / d * PERSISTENCE**d
    return total + shared / depth * PERSISTENCE**depth


@pytest.mark.parametrize("depth", [1, 3, 10])
def test_agreement_is_what_a_loop_finds(depth):
    rng = np.random.default_rng(depth)
    one, other = (np.stack([rng.permutation(14)[:depth] for _ in range(30)]).astype(str) for _ in range(2))
    found = list_agreement(one, other, depth=depth)
    for row, (mine, theirs) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        assert found["overlap"][row] == pytest.approx(len(set(mine) & set(theirs)) / depth)
        assert found["rank_biased_overlap"][row] == pytest.approx(slow_rbo(mine, theirs))
        assert found["same_first"][row] == (mine[0] == theirs[0])


def test_equal_lists_agree_wholly_and_disjoint_ones_not_at_all():
    one = np.array([["a", "b", "c"]])
    assert {name: float(v[0]) for name, v in list_agreement(one, one, depth=3).items()} == pytest.approx(
        {"overlap": 1, "rank_biased_overlap": 1, "same_first": 1}
    )
    assert not any(v[0] for v in list_agreement(one, np.array([["d", "e", "f"]]), depth=3).values())


def test_outcomes_count_every_query_once():
    a, b = of(1), of(2)
    found = outcomes([a], [b], 5)
    counts = {"both": 0, "only_a": 0, "only_b": 0, "neither": 0}
    gained, lost = [], []
    for n, (mine, theirs) in enumerate(zip(a.values["recall@5"], b.values["recall@5"], strict=True)):
        name = {(1, 1): "both", (1, 0): "only_a", (0, 1): "only_b", (0, 0): "neither"}[int(mine), int(theirs)]
        counts[name] += 1
        gained += [n] if name == "only_b" else []
        lost += [n] if name == "only_a" else []
    assert found.counts() == counts
    assert found.gained.tolist() == gained
    assert found.lost.tolist() == lost


def test_of_ties_and_of_seeds_one_half_is_enough():
    one = with_values(of(1, items=2, texts=1), **{"recall@1": np.array([0.5, 0.49])})
    assert outcomes([one], [one], 1).a.tolist() == [True, False]
    seeds = [with_values(one, **{"recall@1": np.array(values)}) for values in ([1.0, 0.0], [0.0, 0.0])]
    assert outcomes(seeds, [one], 1).a.tolist() == [True, False]


def test_ranks_of_seeds_are_geometric_means_and_changes_are_factors():
    base = of(1, items=3, texts=1)
    a = [with_values(base, first_rank=np.array(ranks)) for ranks in ([1.0, 100.0, 8.0], [4.0, 100.0, 2.0])]
    b = with_values(base, first_rank=np.array([20.0, 1.0, 4.0]))
    found = rank_changes(a, [b])
    assert found.a == pytest.approx([math.sqrt(4), 100, 4])
    assert found.factor == pytest.approx([0.1, 100, 1])
    assert found.most_improved(5).tolist() == [1]
    assert found.most_worsened(5).tolist() == [0]
    assert len(found.most_improved(0)) == 0


def test_tied_changes_come_in_order_of_the_queries():
    base = of(1, items=4, texts=1)
    a = with_values(base, first_rank=np.array([4.0, 8.0, 2.0, 6.0]))
    b = with_values(base, first_rank=np.array([2.0, 4.0, 1.0, 6.0]))
    assert rank_changes([a], [b]).most_improved(2).tolist() == [0, 1]


def test_without_ranks_or_lists_there_is_nothing_to_tell():
    one = of(1)
    no_ranks = dataclasses.replace(one, values={"recall@1": one.values["recall@1"]})
    assert rank_changes([no_ranks], [no_ranks]) is None
    assert agreement([one], [dataclasses.replace(one, retrieved=None, scores=None)]) is None


def test_agreement_over_seeds_is_that_of_all_pairs():
    a, b = [of(1), of(2)], [of(3)]
    pairs = [agreement([one], b).means["overlap"] for one in a]
    found = agreement(a, b)
    assert found.means["overlap"] == pytest.approx(np.mean(pairs))
    assert found.intervals["overlap"].low <= found.means["overlap"] <= found.intervals["overlap"].high
    assert found.depth == 10
