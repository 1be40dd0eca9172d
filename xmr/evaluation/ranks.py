"""From vectors to the ranks of every relevant entry, by counting how many entries score as much or more."""

import numpy as np
import torch
from torch import Tensor

from xmr.evaluation.relevance import Relevance
from xmr.metrics.positive_ranks import PositiveRanks

TILE_BYTES = 32 * 2**20
STEPS = 2**24
"""Cosines are compared in steps of 1 / STEPS, about what float32 vectors can tell apart."""


def positive_ranks(queries: Tensor, gallery: Tensor, relevance: Relevance) -> PositiveRanks:
    """Exact, tie-aware ranks of all relevant entries of queries (Q, D) among gallery (G, D), by cosine.

    Vectors must be finite and not zero; every query must have a relevant entry. Works in tiles of queries,
    so that no (Q, G) array exists. How a product rounds depends on the place of a row and on the machine;
    that it may never decide between equally similar entries, each distinct gallery vector is multiplied
    once, in float64, and cosines are rounded to 1 / STEPS.
    """
    distinct, copy_of, copies = _distinct_rows(gallery)
    distinct = _unit(distinct) * STEPS
    tile = max(1, TILE_BYTES // (8 * len(distinct)))
    above, at_least = np.empty((2, len(relevance.gallery)), dtype=np.int64)
    for begin in range(0, len(queries), tile):
        scores = (_unit(queries[begin : begin + tile]) @ distinct.T).numpy()
        for q, row in enumerate(scores, begin):
            np.rint(row, out=row)
            of_query = slice(relevance.start[q], relevance.start[q + 1])
            relevant = row[copy_of[relevance.gallery[of_query]]]
            above[of_query], at_least[of_query] = _count_beyond(row, copies, relevant)
    query = np.repeat(np.arange(len(queries)), relevance.counts)
    return _with_positive_counts(query, above, at_least - above, len(queries))


def chance_ranks(relevance: Relevance) -> PositiveRanks:
    """The ranks of a model that gives every gallery entry the same score: all metrics of it are chance."""
    query = np.repeat(np.arange(len(relevance.counts)), relevance.counts)
    tied = np.full(len(query), relevance.gallery_size)
    return _with_positive_counts(query, np.zeros_like(tied), tied, len(relevance.counts))


def _unit(vectors: Tensor) -> Tensor:
    vectors = vectors.detach().cpu().double()
    return vectors / vectors.norm(dim=1, keepdim=True)


def _distinct_rows(vectors: Tensor) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """The distinct rows (N, D), which of them each row is (G,), and how often each occurs (N,)."""
    # -0.0 + 0.0 = 0.0: both zeros are one value, and must be the same bytes
    values = np.ascontiguousarray(vectors.detach().cpu().float().numpy() + 0.0)
    rows = values.view(np.dtype((np.void, values.itemsize * values.shape[1])))[:, 0]
    _, first, copy_of, copies = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    return torch.from_numpy(values[first]), copy_of, copies


def _count_beyond(
    scores: np.ndarray, copies: np.ndarray, relevant: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each of the `relevant` scores, best first: how many entries score more, and at least as much."""
    best_first = np.sort(relevant)[::-1]
    # only what can stand above a relevant entry need be sorted
    rivals = scores >= best_first[-1]
    ascending = np.sort(np.repeat(scores[rivals], copies[rivals]))
    return (
        len(ascending) - np.searchsorted(ascending, best_first, side="right"),
        len(ascending) - np.searchsorted(ascending, best_first, side="left"),
    )


def _with_positive_counts(
    query: np.ndarray, above: np.ndarray, tied: np.ndarray, n_queries: int
) -> PositiveRanks:
    """Add to best-first entries how many relevant ones stand above each and in its own block."""
    starts_block = np.ones(len(query), dtype=bool)
    starts_block[1:] = (query[1:] != query[:-1]) | (above[1:] != above[:-1])
    block = np.cumsum(starts_block) - 1
    starts = np.flatnonzero(starts_block)
    first_of_query = np.searchsorted(query, query)
    return PositiveRanks(
        query=query,
        above=above,
        tied=tied,
        positives_above=starts[block] - first_of_query,
        positives_tied=np.bincount(block)[block],
        n_queries=n_queries,
    )
