"""How spread out embeddings are: the two numbers that a collapsed model gives away itself by."""

from dataclasses import dataclass

import torch
from torch import Tensor

from xmr.core.errors import DataError


@dataclass(frozen=True)
class Spread:
    """Mean similarity of two different vectors in [-1, 1], and the effective rank in [1, min(N, D)]."""

    mean_similarity: float
    effective_rank: float


def spread(vectors: Tensor) -> Spread:
    """Spread of the directions of (N, D) vectors, in float64.

    The effective rank is the exponential of the entropy of the singular values, scaled to the sum 1 (Roy and
    Vetterli 2007, eq. 3), of the vectors scaled to unit norm, not centred: 1 when all lie on one line. Zero
    vectors, which have no direction, count as copies of each other, at a right angle to all others. Raises
    `DataError` for fewer than two vectors, and for NaN or infinity.
    """
    if vectors.ndim != 2 or len(vectors) < 2:
        raise DataError(f"vectors {tuple(vectors.shape)}; the spread takes at least two, as (N, D)")
    if not vectors.isfinite().all():
        raise DataError("the vectors hold NaN or infinity; a lower learning rate keeps a model finite")
    directions = _directions(vectors.double())
    n = len(directions)
    mean_similarity = (directions.sum(0).square().sum().item() - n) / (n * (n - 1))
    return Spread(mean_similarity, _effective_rank(directions))


def _directions(vectors: Tensor) -> Tensor:
    """Unit vectors (N, D + 1): a zero vector points along the added axis."""
    norms = vectors.norm(dim=1, keepdim=True)
    is_zero = norms == 0
    return torch.cat([vectors / norms.masked_fill(is_zero, 1.0), is_zero.to(vectors.dtype)], dim=1)


def _effective_rank(directions: Tensor) -> float:
    # the eigenvalues of the smaller product of the matrix with itself are the squared singular values
    tall = len(directions) > directions.shape[1]
    product = directions.T @ directions if tall else directions @ directions.T
    singular = torch.linalg.eigvalsh(product).clamp(min=0).sqrt()
    share = singular / singular.sum()
    return float(torch.special.entr(share).sum().exp())
