"""The reciprocal of the rank of the first relevant entry, whose mean is the MRR."""

import numpy as np

from xmr.metrics.blocks import over_distinct
from xmr.metrics.positive_ranks import PositiveRanks


def reciprocal_rank(ranks: PositiveRanks) -> np.ndarray:
    """Per query (Q,), in (0, 1]: 1 / the rank of its best relevant entry, in expectation."""
    first = ranks.first
    return _reciprocal(ranks, ranks.tied[first])


def reciprocal_rank_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: as `reciprocal_rank`, but 0 where no relevant entry is among the first `k`.

    Seed 003's code calls the mean of this "mAP@k".
    """
    return _reciprocal(ranks, k - ranks.above[ranks.first])


def _reciprocal(ranks: PositiveRanks, places: np.ndarray) -> np.ndarray:
    """The expected reciprocal rank where only the first `places` (Q,) of the best block count."""
    first = ranks.first
    above, tied, positives = ranks.above[first], ranks.tied[first], ranks.positives_tied[first]
    values = np.where(places > 0, 1 / (above + 1), 0.0)
    in_block = np.flatnonzero((tied != 1) & (places > 0))
    # the first of r relevant entries stands at place n - r + 1 at the latest
    places = np.minimum(places, tied - positives + 1)[in_block]
    blocks = np.stack([above[in_block], tied[in_block], positives[in_block], places])
    values[in_block] = over_distinct(blocks, places, _mean_over_places)
    return values


def _mean_over_places(
    steps: np.ndarray, above: np.ndarray, tied: np.ndarray, positives: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """The reciprocal rank at each place, weighted by the chance that the first relevant entry is there."""
    relevant_now = np.minimum(positives / np.maximum(tied - steps, 1), 1.0)
    none_before = np.cumprod(1 - relevant_now, axis=1)
    none_before = np.concatenate([np.ones((len(above), 1)), none_before[:, :-1]], axis=1)
    counts = steps < places
    return (none_before * relevant_now * counts / (above + 1 + steps)).sum(axis=1)
