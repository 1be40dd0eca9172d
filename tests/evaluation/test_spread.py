"""Effective rank and mean similarity: by their definitions, and for what a collapsed model gives."""

import math

import pytest
import torch

from xmr.core.errors import DataError
from xmr.evaluation.spread import spread


def by_definition(vectors):
    """(mean similarity, effective rank) by loops over pairs and the singular values, in float64."""
    unit = [row / row.norm() for row in vectors.double()]
    pairs = [float(a @ b) for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j]
    singular = torch.linalg.svdvals(torch.stack(unit)).tolist()
    shares = [value / sum(singular) for value in singular]
    return sum(pairs) / len(pairs), math.exp(-sum(p * math.log(p) for p in shares if p > 0))


@pytest.mark.parametrize("shape", [(2, 5), (7, 3), (40, 40), (30, 1)])
@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_both_numbers_follow_their_definitions(shape, shift):
    vectors = torch.randn(shape, generator=torch.Generator().manual_seed(1)) + shift
    found = spread(vectors)
    assert (found.mean_similarity, found.effective_rank) == pytest.approx(by_definition(vectors), abs=1e-6)


@pytest.mark.parametrize(
    ("vectors", "similarity", "rank"),
    [
        (torch.ones(6, 4), 1.0, 1.0),
        (torch.tensor([[1.0, 0], [-2, 0], [3, 0], [-4, 0]]), -1 / 3, 1.0),
        (torch.eye(5), 0.0, 5.0),
        (torch.zeros(6, 4), 1.0, 1.0),
        (torch.tensor([[0.0, 0], [1, 0]]), 0.0, 2.0),
    ],
    ids=["one-point", "one-line", "orthogonal", "all-zero", "one-zero"],
)
def test_degenerate_vectors(vectors, similarity, rank):
    found = spread(vectors)
    assert found.mean_similarity == pytest.approx(similarity, abs=1e-9)
    assert found.effective_rank == pytest.approx(rank, abs=1e-6)


def test_length_does_not_matter():
    vectors = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    scaled = spread(vectors * torch.rand(9, 1) * 1e-3)
    assert scaled.effective_rank == pytest.approx(spread(vectors).effective_rank, rel=1e-5)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (torch.ones(1, 4), "at least two"),
        (torch.ones(4), "at least two"),
        (torch.full((3, 2), torch.nan), "NaN"),
    ],
)
def test_what_has_no_spread_is_refused(vectors, said):
    with pytest.raises(DataError, match=said):
        spread(vectors)
