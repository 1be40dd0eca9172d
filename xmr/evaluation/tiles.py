"""The product of queries and gallery in tiles, each counted by the thread that made it while in its cache."""

from collections.abc import Iterator
from itertools import pairwise
from math import ceil

import numpy as np

from xmr.core.threads import worker_threads
from xmr.evaluation.kernels import (
    FEW,
    count_few,
    count_many,
    empty_bins,
    skip_beyond,
    sort_thresholds,
    start_bins,
    sum_passed,
    transpose,
)
from xmr.evaluation.scored import Counts, Scored, Thresholds

FEW_TILE = (1024, 512)
MANY_TILE = (512, 2048)
"""Queries and gallery entries of a tile, at most: large enough for a product at full speed, and small enough
for a cache. With many relevant entries each query has bins to be kept there, too."""


def sort_by_score(queries: Scored, gallery: Scored, thresholds: Thresholds) -> None:
    """Fill in the exact scores of all thresholds and sort those of each query, worst first."""
    with worker_threads() as (pool, threads):
        tasks = [
            pool.submit(sort_thresholds, queries, gallery, thresholds, begin, end)
            for begin, end in _blocks(queries.size, FEW_TILE[0], threads)
        ]
        for task in tasks:
            task.result()


def count_above(
    queries: Scored,
    gallery: Scored,
    by_query: Thresholds,
    by_entry: Thresholds | None = None,
    *,
    limit: np.ndarray,
    share: tuple[int, int] = (0, 1),
) -> tuple[Counts, Counts | None]:
    """Count for the thresholds of the queries and, by the same product, for those of the entries as queries.

    `by_entry` must have few thresholds each. Counts of `limit` (Q,) or more may be too low, but not below
    it. Of `share` = (i, n), only the i-th of n shares of the queries is compared with the gallery.
    """
    few = _most(by_query) <= FEW
    rows, columns = FEW_TILE if few else MANY_TILE
    counts = _zeros(by_query)
    other = None if by_entry is None else _zeros(by_entry)
    with worker_threads() as (pool, threads):
        blocks = _blocks(queries.size, rows, threads * share[1])[share[0] :: share[1]]
        if few:
            tasks = [
                pool.submit(_count_few, queries, gallery, block, columns, by_query, counts, by_entry)
                for block in blocks
            ]
        else:
            tasks = [
                pool.submit(_count_many, queries, gallery, block, columns, by_query, counts, limit)
                for block in blocks
            ]
        for task in tasks:
            part = task.result()
            if other is not None and part is not None:
                np.add(other.above, part.above, out=other.above)
                np.add(other.tied, part.tied, out=other.tied)
    return counts, other


def can_share_a_product(forward: Thresholds, backward: Thresholds) -> bool:
    """Whether one call of `count_above` does for both directions: none has many relevant entries a query."""
    return max(_most(forward), _most(backward)) <= FEW


def _most(thresholds: Thresholds) -> int:
    return int(np.diff(thresholds.start).max(initial=0))


def _zeros(thresholds: Thresholds) -> Counts:
    return Counts(*np.zeros((2, len(thresholds.entry)), dtype=np.int64))


def _blocks(size: int, at_most: int, threads: int) -> list[tuple[int, int]]:
    """Cut range(size) into equal blocks, as many as give each thread the same number of them."""
    count = threads * ceil(size / (at_most * threads))
    cuts = np.linspace(0, size, count + 1).astype(int).tolist()
    return [(begin, end) for begin, end in pairwise(cuts) if begin < end]


def _tiles(
    queries: Scored, gallery: Scored, block: tuple[int, int], columns: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The float32 scores (m, n) of a block of queries with n entries from a position on, tile by tile."""
    own = queries.rows(slice(*block))
    scaled = own.scaled()
    columns = min(columns, gallery.size)
    space = np.empty((own.size, columns), np.float32)
    chunk_space = np.empty((columns, scaled.shape[1]), np.float32)
    for g0 in range(0, gallery.size, columns):
        part = gallery.rows(slice(g0, g0 + columns))
        tile = space if part.size == columns else np.empty((own.size, part.size), np.float32)
        np.matmul(scaled, part.scaled(chunk_space).T, out=tile)
        if own.bias.any() or part.bias.any():
            tile += (own.bias[:, None] + part.bias).astype(np.float32)
        yield g0, tile


def _count_few(
    queries: Scored,
    gallery: Scored,
    block: tuple[int, int],
    columns: int,
    by_query: Thresholds,
    counts: Counts,
    by_entry: Thresholds | None,
) -> Counts | None:
    """Count for a block of queries, in place; returns what the entries of `by_entry` have of them."""
    other = None if by_entry is None else _zeros(by_entry)
    space = np.empty((columns, block[1] - block[0]), np.float32)
    for g0, tile in _tiles(queries, gallery, block, columns):
        count_few(tile, block[0], g0, queries, gallery, by_query, counts)
        if by_entry is not None and other is not None:
            turned = space[: tile.shape[1]]
            transpose(tile, turned)
            count_few(turned, g0, block[0], gallery, queries, by_entry, other)
    return other


def _count_many(
    queries: Scored,
    gallery: Scored,
    block: tuple[int, int],
    columns: int,
    by_query: Thresholds,
    counts: Counts,
    limit: np.ndarray,
) -> None:
    """Count for a block of queries, in place; thresholds beyond the limit are given up as they are found."""
    bins = empty_bins(block[1] - block[0])
    start_bins(*block, by_query, bins)
    skip_at = columns
    for g0, tile in _tiles(queries, gallery, block, columns):
        count_many(tile, block[0], g0, queries, gallery, by_query, counts, bins)
        if g0 + columns >= skip_at:
            skip_beyond(*block, limit, by_query, counts, bins)
            skip_at *= 2
    sum_passed(*block, by_query, counts)
