"""Exact search on the CPU: threads take gallery tiles, multiply, and keep what may be among the best."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from xmr.index.kernels import BLOCK, OVERFLOWN, Best, candidates_of, collect, rank_candidates, scan_exactly
from xmr.index.products import TileProducts
from xmr.index.threads import run_on_threads

TILE_ROWS, SMALLEST_TILE = 2048, 512
SCORES_OF_TILE = 2**19
CANDIDATE_ROWS = 8192
SMALL_WORK = 2**21
"""Products of fewer multiplications take less time than starting threads."""


class CpuSearch:
    """The best entries by `codes` (G, D), the vectors in the precision of the first pass, then by `vectors`.

    `half_squares` (G,), half the squared norms, turns dot products into distances.
    """

    def __init__(self, vectors: Tensor, codes: Tensor, half_squares: Tensor | None) -> None:
        self._vectors, self._codes, self._half_squares = vectors, codes, half_squares

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and what goes with them."""
        return self._codes.nbytes + (0 if self._half_squares is None else self._half_squares.nbytes)

    def top_k(self, queries: Tensor, margins: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores (B, k) of the best entries for queries (B, D), float32.

        A score of the first pass is within half of `margins` (B,) of the true one.
        """
        rows = queries.contiguous().numpy()
        best = np.zeros((len(rows), k), np.int64), np.full((len(rows), k), -np.inf, np.float32)
        small = len(rows) * self._codes.numel() < SMALL_WORK
        threads = 1 if small else torch.get_num_threads()
        run = partial(run_on_threads, threads=threads)
        size = threads, len(rows), 4 * k + 1024
        # what is never written to is never given memory
        seen = np.empty(size, np.float32), np.empty(size, np.int64)
        parts = [_empty_best(margins.astype(np.float32), k, *part) for part in zip(*seen, strict=True)]
        tiles = iter(range(0, len(self._codes), _tile_rows(len(rows))))
        run(lambda part: self._collect(rows, tiles, part), parts)
        counts = np.stack([part.counts for part in parts])
        start, candidates = candidates_of(counts, *seen, parts[0].margin, k)
        run(lambda cut: self._rank(rows, start, candidates, cut, best), _cuts(start, threads))
        left = np.flatnonzero((counts == OVERFLOWN).any(axis=0))
        if len(left):
            run(lambda part: self._scan(rows, part, best), np.array_split(left, threads))
        return best

    def _collect(self, queries: np.ndarray, tiles: Iterator[int], best: Best) -> None:
        """What one thread does: take the next tile that no other has taken, until there is none."""
        size = _tile_rows(len(queries))
        products = TileProducts(queries, rows=size, dtype=self._codes.dtype)
        for begin in tiles:
            scores = products(self._codes[begin : begin + size])
            if self._half_squares is not None:
                scores -= self._half_squares[begin : begin + size, None].numpy()
            collect(scores, begin, best)

    def _rank(
        self,
        queries: np.ndarray,
        start: np.ndarray,
        candidates: np.ndarray,
        cut: tuple[int, int],
        best: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Score the candidates of queries cut[0]..cut[1] - 1 exactly and keep the best."""
        part = slice(*cut)
        offsets = start[cut[0] : cut[1] + 1]
        chosen = candidates[offsets[0] : offsets[-1]]
        # not by torch: it would wake a team of threads for a few rows
        rows = self._vectors.numpy()[chosen].astype(np.float32, copy=False)
        rank_candidates(
            queries[part], rows, offsets - offsets[0], chosen, self._squared, best[1][part], best[0][part]
        )

    def _scan(self, queries: np.ndarray, which: np.ndarray, best: tuple[np.ndarray, np.ndarray]) -> None:
        """Score the whole gallery exactly for the queries at `which`: those with crowds of near ties."""
        positions, scores = best[0][which], best[1][which]
        for begin in range(0, len(self._vectors), TILE_ROWS):
            rows = self._vectors[begin : begin + TILE_ROWS].float().numpy()
            scan_exactly(queries[which], rows, begin, self._squared, scores, positions)
        best[0][which], best[1][which] = positions, scores

    @property
    def _squared(self) -> bool:
        return self._half_squares is not None


def _tile_rows(queries: int) -> int:
    """So many that the tile, or its scores, stay in a core's cache."""
    return max(SCORES_OF_TILE // max(queries, SCORES_OF_TILE // TILE_ROWS), SMALLEST_TILE)


def _empty_best(margins: np.ndarray, k: int, scores: np.ndarray, positions: np.ndarray) -> Best:
    """Nothing found yet, with room in `scores` and `positions` (B, C)."""
    queries = len(margins)
    return Best(
        k=k,
        margin=margins,
        bar=np.full(max(1, BLOCK // queries) * queries, -np.inf, np.float32),
        counts=np.zeros(queries, np.int64),
        limits=np.full(queries, 2 * k + 32),
        scores=scores,
        positions=positions,
    )


def _cuts(start: np.ndarray, threads: int) -> list[tuple[int, int]]:
    """Ranges of queries with few enough candidates each, and enough ranges for all threads."""
    step = min(max(1, int(start[-1]) // threads), CANDIDATE_ROWS)
    marks = np.searchsorted(start, np.arange(0, start[-1], step)).tolist()
    cuts = sorted({*marks, len(start) - 1})
    return list(pairwise(cuts))
