"""Exact search on a GPU: products and top-k of whole tiles in torch, and a check that nothing was missed."""

import numpy as np
import torch
from torch import Tensor

SCORES_OF_TILE = 2**28
CANDIDATES_AT_ONCE = 2**17
TENSOR_FLOAT32_ROUNDING = 2.0**-8
"""What `torch.set_float32_matmul_precision("high")` or "medium" may round vectors to."""


class TorchSearch:
    """The best entries by `codes` (G, D), the vectors in the precision of the first pass, then by `vectors`.

    As `CpuSearch`, with everything kept on `device`.
    """

    def __init__(
        self, vectors: Tensor, codes: Tensor, half_squares: Tensor | None, *, device: torch.device
    ) -> None:
        self._vectors = vectors.to(device)
        self._codes = self._vectors if codes is vectors else codes.to(device)
        self._half_squares = None if half_squares is None else half_squares.to(device)
        self._longest = float(torch.linalg.vector_norm(self._codes, dim=1, dtype=torch.float32).max())

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and what goes with them."""
        return self._codes.nbytes + (0 if self._half_squares is None else self._half_squares.nbytes)

    def top_k(self, queries: Tensor, margins: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores (B, k) of the best entries for queries (B, D), float32.

        A score of the first pass is within half of `margins` (B,) of the true one.
        """
        rows = queries.to(self._codes.device)
        margin = torch.from_numpy(margins).to(rows) + self._lower_precision(rows)
        scores, candidates = self._candidates(rows, min(2 * k + 32, len(self._codes)))
        missed = scores[:, -1] >= scores[:, k - 1] - margin
        positions, best = self._rank(rows, candidates, k)
        if candidates.shape[1] < len(self._codes):
            for query in missed.nonzero()[:, 0].tolist():
                positions[query], best[query] = self._scan(rows[query], k)
        return positions.cpu().numpy(), best.cpu().numpy()

    def _lower_precision(self, queries: Tensor) -> Tensor:
        """What the margins lack when torch may multiply float32 with fewer bits than it has: (B,)."""
        norms = torch.linalg.vector_norm(queries, dim=1)
        lower = self._codes.dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest"
        return norms * self._longest * (4 * TENSOR_FLOAT32_ROUNDING if lower else 0.0)

    def _candidates(self, queries: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Scores and positions (B, size) of the best entries by the first pass, best first."""
        best = queries.new_empty(len(queries), 0)
        positions = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
        rows = max(SCORES_OF_TILE // len(queries), size)
        for begin in range(0, len(self._codes), rows):
            tile = self._codes[begin : begin + rows]
            if tile.dtype == torch.float16:
                tile = tile.float()
            scores = (queries.to(tile.dtype) @ tile.T).float()
            if self._half_squares is not None:
                scores -= self._half_squares[begin : begin + rows]
            found, chosen = scores.topk(min(size, len(tile)), dim=1)
            best, order = torch.cat([best, found], dim=1).topk(size, dim=1)
            positions = torch.cat([positions, chosen + begin], dim=1).gather(1, order)
        return best, positions

    def _rank(self, queries: Tensor, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The best k of each query's candidates (B, C): by exact score, then by position."""
        candidates = candidates.sort(dim=1).values
        step = max(1, CANDIDATES_AT_ONCE // candidates.shape[1])
        scores = torch.cat(
            [
                self._exact_scores(query[:, None], self._vectors[chosen])
                for query, chosen in zip(queries.split(step), candidates.split(step), strict=True)
            ]
        )
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        return candidates.gather(1, order[:, :k]), scores[:, :k]

    def _exact_scores(self, query: Tensor, rows: Tensor) -> Tensor:
        """Scores of rows (..., D) for queries that broadcast to them: summed in float64, as float32."""
        if self._half_squares is None:
            return (query.double() * rows.double()).sum(-1).float()
        return -(query.double() - rows.double()).square().sum(-1).float()

    def _scan(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The best k entries of one query (D,) by exact score, then by position, of the whole gallery."""
        scores = torch.cat(
            [self._exact_scores(query, rows) for rows in self._vectors.split(CANDIDATES_AT_ONCE)]
        )
        last = scores.topk(k).values[-1]
        chosen = torch.cat([(scores > last).nonzero()[:, 0], (scores == last).nonzero()[:, 0]])[:k]
        order = scores[chosen].sort(descending=True, stable=True).indices
        return chosen[order], scores[chosen[order]]
