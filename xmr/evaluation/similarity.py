"""What two vectors score, and how far a float32 product may be off it."""

import numpy as np
from torch import Tensor

from xmr.evaluation.scored import UNIT, Scored, Similarity

NORM_ROWS = 512

BLAS_BLOCK = 512
"""Products that a BLAS library on a CPU adds up in one go, at most."""

ROUNDOFF = 2.0**-24
"""Half the distance from 1 to the next float32."""


def prepare(queries: Tensor, gallery: Tensor, similarity: Similarity) -> tuple[Scored, Scored]:
    """Both sides (Q, D), (G, D) of a comparison; "l2" scores are minus half the squared distance."""
    sides = [as_float32(queries), as_float32(gallery)]
    squares = [squared_norms(vectors) for vectors in sides]
    if similarity == "cosine":
        scales = [1.0 / np.sqrt(square) for square in squares]
    else:
        largest = max(square.max() for square in squares)
        shared = 1.0 / np.sqrt(largest) if largest > 0 else 1.0
        scales = [np.full(len(square), shared) for square in squares]
    half = -0.5 if similarity == "l2" else 0.0
    query, entry = (
        Scored(vectors, scale, half * square * scale**2, similarity == "cosine")
        for vectors, scale, square in zip(sides, scales, squares, strict=True)
    )
    return query, entry


def squared_norms(vectors: np.ndarray) -> np.ndarray:
    """Squared length of each row (N, D) -> (N,), summed in float64, the same wherever a row stands."""
    squares = np.empty(len(vectors))
    for begin in range(0, len(vectors), NORM_ROWS):
        part = vectors[begin : begin + NORM_ROWS].astype(np.float64)
        np.einsum("nd,nd->n", part, part, out=squares[begin : begin + NORM_ROWS])
    return squares


def as_float32(vectors: Tensor) -> np.ndarray:
    """The vectors (N, D) as one block of float32 on the CPU, copied only where they are not that."""
    return np.ascontiguousarray(vectors.detach().cpu().float().numpy())


def float32_scores(queries: Scored, gallery: Scored) -> np.ndarray:
    """All scores (Q, G) by a float32 product: what `product_error` bounds."""
    product = queries.scaled() @ gallery.scaled().T
    return product + (queries.bias[:, None] + gallery.bias).astype(np.float32)


def product_error(queries: Scored, gallery: Scored, *, summed: int = BLAS_BLOCK) -> float:
    """How far a float32 score may be from the exact one, rounding to steps included.

    Each of D additions rounds by at most ROUNDOFF of the sum, which is at most 1 for unit vectors. A BLAS
    library adds up no more than `summed` products before it starts a new sum (OpenBLAS and MKL: some
    hundred), so that many roundings and one for each part are the worst case (Higham, Accuracy and Stability
    of Numerical Algorithms, section 4.2). Should a library do worse, four times the largest error of
    32 x 128 sampled pairs counts.
    """
    dim = queries.vectors.shape[1]
    largest = 1.0 + 2.0 * float(max(-queries.bias.min(), -gallery.bias.min()))
    query, entry = (
        side.rows(np.unique(np.linspace(0, side.size - 1, count).astype(np.int64)))
        for side, count in ((queries, 32), (gallery, 128))
    )
    in_float64 = (query.vectors.astype(np.float64) * query.scale[:, None]) @ (
        entry.vectors.astype(np.float64) * entry.scale[:, None]
    ).T + (query.bias[:, None] + entry.bias)
    seen = float(np.abs(float32_scores(query, entry) - in_float64).max())
    worst = (min(dim, summed) + dim / summed + 4) * ROUNDOFF * largest
    return max(worst, 4 * seen) + ROUNDOFF * largest + 2 * UNIT
