"""What two vectors score, and how far a float32 product may be off it."""

from typing import Literal

import numpy as np
from torch import Tensor

from xmr.evaluation.scored import UNIT, Scored

Similarity = Literal["cosine", "dot", "l2"]

NORM_ROWS = 512

ROUNDOFF = 2.0**-24
"""Half the distance from 1 to the next float32."""


def prepare(queries: Tensor, gallery: Tensor, similarity: Similarity) -> tuple[Scored, Scored]:
    """Both sides (Q, D), (G, D) of a comparison; "l2" scores are minus half the squared distance."""
    sides = [_as_float32(queries), _as_float32(gallery)]
    squares = [squared_norms(vectors) for vectors in sides]
    if similarity == "cosine":
        scales = [1.0 / np.sqrt(square) for square in squares]
    else:
        shared = 1.0 / np.sqrt(max(square.max() for square in squares))
        scales = [np.full(len(square), shared) for square in squares]
    half = -0.5 if similarity == "l2" else 0.0
    query, entry = (
        Scored(vectors, scale, half * square * scale**2)
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


def _as_float32(vectors: Tensor) -> np.ndarray:
    return np.ascontiguousarray(vectors.detach().cpu().float().numpy())


def float32_scores(queries: Scored, gallery: Scored) -> np.ndarray:
    """All scores (Q, G) by a float32 product: what `product_error` bounds."""
    product = queries.scaled() @ gallery.scaled().T
    return product + (queries.bias[:, None] + gallery.bias).astype(np.float32)


def product_error(queries: Scored, gallery: Scored) -> float:
    """How far a float32 score may be from the exact one, rounding to steps included.

    The worst case, D roundings of the same sign and size, is far above what real vectors give, so the bound
    is the larger of 4 sqrt(D) roundings (theirs are independent: Higham and Mary, SIAM J. Sci. Comput.
    2019) and four times the largest error of 32 x 128 sampled pairs, and never above the worst case.
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
    likely = max(4 * np.sqrt(dim) * ROUNDOFF * largest, 4 * seen)
    return min(likely, (dim + 4) * ROUNDOFF * largest) + ROUNDOFF * largest + 2 * UNIT
