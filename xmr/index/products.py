"""Fast scores of gallery tiles, in float32 or bfloat16, with a bound on how far they are from the truth."""

import numpy as np
import torch
from torch import Tensor

from xmr.index.kernels import dot_bfloat16_rows, dot_rows, round_to_bfloat16

FLOAT32_ROUNDING = 2.0**-24
BFLOAT16_ROUNDING = 2.0**-8
ROWS_AT_ONCE = 4096
FEW_QUERIES = 8
"""Up to so many queries, torch's product of a tall with a narrow matrix is the faster one; NumPy's above."""


class TileProducts:
    """Dot products of gallery tiles with one block of queries (B, D), one tile after the other.

    Tiles are float32, float16 (widened first) or bfloat16 tensors (n, D) of at most `rows` rows. One
    object serves one thread: the scores that it returns are overwritten by the next call.
    """

    def __init__(self, queries: np.ndarray, *, rows: int, dtype: torch.dtype) -> None:
        self._queries = queries
        self._transposed = (
            torch.from_numpy(queries).to(torch.bfloat16 if dtype == torch.bfloat16 else torch.float32).T
        )
        self._scores = torch.empty(rows, len(queries), dtype=torch.float32)
        self._rounded = torch.empty(rows, len(queries), dtype=torch.bfloat16)
        self._wide = torch.empty(rows if dtype == torch.float16 else 0, queries.shape[1], dtype=torch.float32)

    def __call__(self, tile: Tensor) -> np.ndarray:
        """The scores (n, B) of a tile (n, D), float32."""
        scores = self._scores[: len(tile)]
        if tile.dtype == torch.bfloat16:
            self._bfloat16(tile, scores)
        else:
            if tile.dtype == torch.float16:
                tile = self._wide[: len(tile)].copy_(tile)
            self._float32(tile, scores)
        return scores.numpy()

    def _float32(self, tile: Tensor, scores: Tensor) -> None:
        if len(self._queries) == 1:
            dot_rows(tile.numpy(), self._queries[0], scores.numpy())
        elif len(self._queries) <= FEW_QUERIES:
            torch.mm(tile, self._transposed, out=scores)
        else:
            np.matmul(tile.numpy(), self._transposed.numpy(), out=scores.numpy())

    def _bfloat16(self, tile: Tensor, scores: Tensor) -> None:
        if len(self._queries) == 1:
            bits = tile.view(torch.int16).numpy().view(np.uint16)
            dot_bfloat16_rows(bits, self._queries[0], scores.numpy())
        else:
            rounded = self._rounded[: len(tile)]
            torch.mm(tile, self._transposed, out=rounded)
            scores.copy_(rounded)


def to_bfloat16(vectors: Tensor) -> tuple[Tensor, float]:
    """Vectors (N, D) rounded to bfloat16, and the largest distance of a vector from its rounded self."""
    rounded = torch.empty(vectors.shape, dtype=torch.int16)
    furthest = 0.0
    for rows, out in zip(vectors.split(ROWS_AT_ONCE), rounded.split(ROWS_AT_ONCE), strict=True):
        moved = round_to_bfloat16(rows.float().numpy(), out.numpy().view(np.uint16))
        furthest = max(furthest, moved)
    return rounded.view(torch.bfloat16), furthest * (1 + 1e-6)


def float32_error(query_norms: np.ndarray, longest: float, dim: int) -> np.ndarray:
    """How far a float32 dot product, or what follows from it, can be from the true score: (Q,).

    The sum of `dim` products errs by at most dim * 2^-24 * |q| |g|, whatever their order (Higham 2002,
    section 3.1); the rest covers the rounding of scores and squared distances, which tie when they
    round to the same float32.
    """
    sums = dim * FLOAT32_ROUNDING * query_norms * longest
    return sums + 8 * FLOAT32_ROUNDING * (query_norms + longest) ** 2


def bfloat16_error(query_norms: np.ndarray, longest: float, furthest: float, dim: int) -> np.ndarray:
    """As `float32_error`, when gallery, query and product are rounded to bfloat16, and sums are float32."""
    longest = longest + furthest
    of_query = BFLOAT16_ROUNDING * query_norms * longest
    of_score = BFLOAT16_ROUNDING * (1 + BFLOAT16_ROUNDING) * query_norms * longest
    return query_norms * furthest + of_query + of_score + float32_error(2 * query_norms, longest, dim)
