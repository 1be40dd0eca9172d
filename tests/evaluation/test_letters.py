"""The compact letter display: who shares a letter, against Piepho's insert-and-absorb."""

import itertools

import numpy as np
import pytest

from xmr.core.errors import DataError
from xmr.evaluation.significance import letters


def insert_and_absorb(differs):
    """Piepho's (2004) columns: each holds entries of which no two differ, and none lies within another."""
    columns = [frozenset(range(len(differs)))]
    for i, j in itertools.combinations(range(len(differs)), 2):
        if differs[i, j]:
            split = [c - {k} for c in columns if {i, j} <= c for k in (i, j)]
            kept = [c for c in columns if not {i, j} <= c]
            columns = [*kept, *split]
            columns = [c for c in set(columns) if not any(c < other for other in columns)]
    return {tuple(sorted(column)) for column in columns}


def groups(shared):
    names = sorted(set("".join(shared)))
    return [tuple(i for i, own in enumerate(shared) if name in own) for name in names]


def far_ones_differ(values, reach):
    return np.abs(np.subtract.outer(values, values)) > reach


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("entries", [1, 2, 7, 12])
def test_entries_share_a_letter_exactly_where_they_do_not_differ(share, entries):
    random = np.random.default_rng(entries)
    for _ in range(10):
        differs = np.triu(random.random((entries, entries)) < share, 1)
        differs |= differs.T
        shared = letters(random.permutation(entries), differs)
        for i, j in itertools.product(range(entries), repeat=2):
            assert bool(set(shared[i]) & set(shared[j])) == (not differs[i, j])
        assert len(groups(shared)) <= len(insert_and_absorb(differs))
        pairs = [pair for group in groups(shared) for pair in itertools.product(group, repeat=2)]
        for group in groups(shared):  # no letter is needless
            assert any(pairs.count(pair) == 1 for pair in itertools.product(group, repeat=2))


def test_letters_of_values_on_a_line_are_those_of_insert_and_absorb():
    random = np.random.default_rng(0)
    for entries, reach in itertools.product((2, 5, 11, 20), (0.0, 0.1, 0.4, 2.0)):
        values = np.sort(random.random(entries))[::-1]
        differs = far_ones_differ(values, reach)
        shared = letters(range(entries), differs)
        assert set(groups(shared)) == insert_and_absorb(differs)
        assert groups(shared) == sorted(groups(shared))
        assert all(own == "".join(sorted(own)) for own in shared)


def test_the_best_has_a_wherever_it_stands():
    differs = far_ones_differ(np.array([0.1, 0.9, 0.45, 0.5, 0.8]), 0.36)
    assert letters([1, 4, 3, 2, 0], differs) == ["c", "a", "bc", "b", "ab"]


def test_display_of_nothing_and_of_one():
    assert letters([], np.zeros((0, 0), dtype=bool)) == []
    assert letters([0], np.zeros((1, 1), dtype=bool)) == ["a"]


def test_more_groups_than_letters_of_the_alphabet():
    shared = letters(range(200), ~np.eye(200, dtype=bool))
    assert shared[:2] + shared[25:28] == ["a", "b", "z", "A", "B"]
    assert len(set(shared)) == 200
    assert all(len(own) == 1 for own in shared)


def test_a_relation_with_exponentially_many_cliques_is_shown():
    differs = np.kron(np.eye(30, dtype=bool), ~np.eye(3, dtype=bool))  # 3^30 maximal cliques
    shared = letters(range(90), differs)
    assert not set(shared[0]) & set(shared[1])
    assert all(set(shared[0]) & set(own) for own in shared[3:])


@pytest.mark.parametrize(
    ("order", "differs"),
    [
        ([0, 0], np.zeros((2, 2))),
        ([0, 1], np.zeros((3, 3))),
        ([0, 2], np.zeros((2, 2))),
        ([0, 1], np.array([[0, 1], [0, 0]])),
        ([0, 1], np.eye(2)),
    ],
)
def test_what_is_no_order_or_no_relation_is_refused(order, differs):
    with pytest.raises(DataError, match=r"better_first|differs"):
        letters(order, differs)
