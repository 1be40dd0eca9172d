import numpy as np
import pytest
import torch

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality, Rankings

FIVE = Embeddings(
    torch.arange(10.0).view(5, 2), np.array(list("abcde")), np.array(["x", "x", "y", "y", "z"]), Modality.TEXT
)


@pytest.mark.parametrize(
    "rows",
    [
        np.array([3, 0]),
        np.array([3, 0], dtype=np.uint8),
        np.arange(4)[::-3],
        np.array([-2, -5]),
    ],
)
def test_take_keeps_ids_with_their_vectors(rows):
    taken = FIVE.take(rows)
    assert taken.vectors.tolist() == [[6, 7], [0, 1]]
    assert taken.ids.tolist() == ["d", "a"]
    assert taken.item_ids.tolist() == ["y", "x"]
    assert taken.modality is Modality.TEXT


def test_take_by_mask_and_nothing():
    assert FIVE.take(FIVE.item_ids == "y").ids.tolist() == ["c", "d"]
    empty = FIVE.take(np.array([], dtype=np.int64))
    assert (len(empty), empty.dim) == (0, 2)


@pytest.mark.parametrize("rows", [np.array([True, False]), np.array([5])])
def test_take_refuses_rows_that_are_not_there(rows):
    with pytest.raises(IndexError):
        FIVE.take(rows)


@pytest.mark.parametrize(
    ("shape", "ids", "items"), [((3, 2), 2, 3), ((3, 2), 3, 4), ((3,), 3, 3), ((3, 2, 1), 3, 3)]
)
def test_embeddings_that_do_not_fit_are_refused_with_their_shapes(shape, ids, items):
    with pytest.raises(DataError, match=rf"{ids} ids, {items} item ids"):
        Embeddings(torch.zeros(shape), np.array(["a"] * ids), np.array(["a"] * items), Modality.IMAGE)


def test_rankings_know_their_k():
    nothing = np.zeros((0, 7))
    assert Rankings(np.array([]), nothing, nothing, nothing).k == 7
