"""From vectors to the ranks of every relevant entry, by counting how many entries score as much or more."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from xmr.core.distributed import gather_objects, rank_and_world_size
from xmr.core.errors import ConfigError
from xmr.core.threads import single_threaded_blas
from xmr.evaluation import tiles, tiles_torch
from xmr.evaluation.kernels import best_first, count_entries
from xmr.evaluation.relevance import Pairs, Relevance
from xmr.evaluation.scored import STEPS, Counts, Scored, Similarity, Thresholds
from xmr.evaluation.similarity import prepare, product_error
from xmr.metrics.positive_ranks import PositiveRanks

Backend = Literal["auto", "numba", "torch"]


@dataclass(frozen=True)
class Ranking:
    """How `positive_ranks` ranks.

    `limit` is the rank up to which ranks are told ("relevant": as many as a query has relevant entries, but
    at least `depth`); beyond it relevant entries stand at the end. `distributed` shares the work with the
    other processes, which must call with the same vectors and get the same ranks. `backend` "auto" is
    "torch" for vectors on a GPU and "numba" on the CPU.
    """

    similarity: Similarity = "cosine"
    limit: Literal["none", "relevant"] = "none"
    depth: int = 1
    backend: Backend = "auto"
    distributed: bool = False

    def __post_init__(self) -> None:
        if self.backend not in get_args(Backend):
            raise ConfigError(f"backend='{self.backend}' is none of {', '.join(get_args(Backend))}")


def positive_ranks(
    queries: Tensor, gallery: Tensor, relevance: Relevance, ranking: Ranking = Ranking()
) -> PositiveRanks:
    """Exact, tie-aware ranks of all relevant entries of queries (Q, D) among gallery (G, D).

    Vectors must be finite, and not zero for cosines. Queries without a relevant entry are left out. Scores
    are compared as float64 sums rounded to 1 / STEPS, whatever the product that finds the close ones says:
    copies of a vector tie at any place, on any number of processes. No (Q, G) array exists.
    """
    query, entry = prepare(queries, gallery, ranking.similarity)
    side = _Side(query, entry, relevance, ranking, _error(query, entry, queries.device, ranking))
    if relevance.among is not None:
        counts = Counts(*np.zeros((2, len(relevance.gallery)), dtype=np.int64))
        side.count_entries(counts, relevance.among, 1)
        return side.ranks(counts)
    return side.ranks(_count(side, None, queries.device, ranking)[0])


def positive_ranks_both(
    queries: Tensor,
    gallery: Tensor,
    relevance: tuple[Relevance, Relevance],
    ranking: Ranking = Ranking(),
) -> tuple[PositiveRanks, PositiveRanks]:
    """`positive_ranks` of the queries among the gallery and of the gallery among the queries, by one product.

    `relevance` is that of the queries and that of the gallery entries.
    """
    query, entry = prepare(queries, gallery, ranking.similarity)
    error = _error(query, entry, queries.device, ranking)
    forward = _Side(query, entry, relevance[0], ranking, error)
    backward = _Side(entry, query, relevance[1], ranking, error)
    there, back = _count(forward, backward, queries.device, ranking)
    return forward.ranks(there), backward.ranks(back)  # type: ignore[arg-type]  # two sides have two counts


def chance_ranks(counts: np.ndarray, sizes: np.ndarray) -> PositiveRanks:
    """The ranks of queries (Q,) with `counts` relevant ones among `sizes` entries that all score the same.

    All metrics of them are chance.
    """
    query = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    zeros = np.zeros_like(query)
    tied, positives = (of_query[query].astype(np.int32) for of_query in (sizes, counts))
    return PositiveRanks(query, zeros, tied, zeros, positives, len(counts))


class _Side:
    """One direction: queries, gallery, and the thresholds and limits that follow from the relevance."""

    def __init__(
        self, queries: Scored, gallery: Scored, relevance: Relevance, ranking: Ranking, error: float
    ) -> None:
        self.queries, self.gallery, self.relevance = queries, gallery, relevance
        self.limit = _limits(relevance, ranking)
        self.thresholds = _thresholds(relevance)
        tiles.sort_by_score(queries, gallery, self.thresholds)
        score = self.thresholds.score / STEPS
        np.subtract(score, error, out=self.thresholds.low, casting="same_kind")
        np.add(score, error, out=self.thresholds.high, casting="same_kind")

    def ranks(self, counts: Counts) -> PositiveRanks:
        """The ranks that follow from the counts, without what the relevance excludes."""
        excluded, limit = self.relevance.excluded, self.limit
        if excluded is not None:
            self.count_entries(counts, excluded, -1)
            limit = limit - excluded.counts
        return _positive_ranks(self.relevance, self.thresholds, counts, limit)

    def count_entries(self, counts: Counts, pairs: Pairs, weight: int) -> None:
        """Add `weight` to the counts for the entries that each query has in `pairs`."""
        count_entries(self.queries, self.gallery, self.thresholds, counts, pairs.start, pairs.gallery, weight)


def _count(
    forward: _Side, backward: _Side | None, device: torch.device, ranking: Ranking
) -> tuple[Counts, Counts | None]:
    if backward is not None and not tiles.can_share_a_product(forward.thresholds, backward.thresholds):
        return _count(forward, None, device, ranking)[0], _count(backward, None, device, ranking)[0]
    share = rank_and_world_size() if ranking.distributed else (0, 1)
    arguments = (
        forward.queries,
        forward.gallery,
        forward.thresholds,
        None if backward is None else backward.thresholds,
    )
    if _by_torch(device, ranking):
        there, back = tiles_torch.count_above(*arguments, share=share, device=device)
    else:
        there, back = tiles.count_above(*arguments, limit=forward.limit, share=share)
    if not ranking.distributed:
        return there, back
    return _sum_over_processes(there), None if back is None else _sum_over_processes(back)


def _by_torch(device: torch.device, ranking: Ranking) -> bool:
    return ranking.backend == "torch" or (ranking.backend == "auto" and device.type != "cpu")


def _error(queries: Scored, gallery: Scored, device: torch.device, ranking: Ranking) -> float:
    """How far the scores of the product that will be used may be off: a GPU's may add up in one go."""
    with single_threaded_blas:
        if _by_torch(device, ranking):
            return product_error(queries, gallery, summed=queries.vectors.shape[1])
        return product_error(queries, gallery)


def _sum_over_processes(counts: Counts) -> Counts:
    parts = gather_objects(counts)
    return Counts(*(np.sum(column, axis=0) for column in zip(*parts, strict=True)))


def _thresholds(relevance: Relevance) -> Thresholds:
    """The thresholds of a relation, with nothing filled in but the entries."""
    size = len(relevance.gallery)
    low, high = np.empty((2, size), np.float32)
    return Thresholds(
        relevance.start.astype(np.int64), relevance.gallery.astype(np.int64), np.empty(size), low, high
    )


def _limits(relevance: Relevance, ranking: Ranking) -> np.ndarray:
    """Per query (Q,), how many entries may stand above a relevant one that is still told apart."""
    if ranking.limit == "none":
        return np.full(len(relevance.counts), relevance.gallery_size + 1)
    limits = np.maximum(relevance.counts, ranking.depth)
    # what is excluded is counted at first
    return limits if relevance.excluded is None else limits + relevance.excluded.counts


def _positive_ranks(
    relevance: Relevance, thresholds: Thresholds, counts: Counts, limit: np.ndarray
) -> PositiveRanks:
    columns = best_first(thresholds.start, thresholds.score, counts, limit, relevance.sizes)
    query, above, tied, positives_above, positives_tied = columns
    n_queries = int((relevance.counts > 0).sum())
    return PositiveRanks(query, above, tied, positives_above, positives_tied, n_queries)
