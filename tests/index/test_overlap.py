import numpy as np
import pytest

from xmr.core.errors import DataError
from xmr.core.types import Rankings
from xmr.index.overlap import overlap


def rankings(ids, scores=None, queries=None):
    ids = np.array(ids)
    scores = np.zeros(ids.shape) if scores is None else np.array(scores, dtype=float)
    queries = np.arange(len(ids)).astype(str) if queries is None else np.array(queries)
    return Rankings(queries, ids, scores, np.zeros(ids.shape, bool))


def test_it_is_the_share_of_the_exact_entries_whatever_their_order():
    exact = rankings([["a", "b", "c", "d"]] * 3, [[4, 3, 2, 1]] * 3)
    found = rankings([["d", "c", "b", "a"], ["a", "x", "y", "b"], ["w", "x", "y", "z"]])
    assert overlap(found, exact).tolist() == [1.0, 0.5, 0.0]


def test_entries_that_tie_with_the_last_one_count_and_others_do_not():
    exact = rankings([["a", "b", "c", "d", "e"]], [[0.9, 0.5, 0.5, 0.5, 0.4]])
    for second, share in (("b", 1.0), ("d", 1.0), ("e", 0.5)):
        assert overlap(rankings([["a", second]]), exact).tolist() == [share]
    assert overlap(rankings([["c", "d"]]), exact).tolist() == [1.0]


def test_no_queries_have_no_overlap():
    empty = rankings(np.empty((0, 3), str))
    assert overlap(empty, empty).shape == (0,)


def test_rankings_that_cannot_be_compared_are_refused():
    exact = rankings([["a", "b"]], queries=["q"])
    with pytest.raises(DataError, match="k=3 > k=2 of exact; search exactly for"):
        overlap(rankings([["a", "b", "c"]], queries=["q"]), exact)
    with pytest.raises(DataError, match="the same queries"):
        overlap(rankings([["a"]], queries=["r"]), exact)
