"""The rank of the first relevant entry, from which median and mean rank are taken."""

import numpy as np

from xmr.metrics.positive_ranks import PositiveRanks


def first_rank(ranks: PositiveRanks) -> np.ndarray:
    """Per query (Q,), in [1, G]: the rank of its best relevant entry, 1 for the top.

    In a block of n entries with r relevant, the first of these is expected at place (n + 1) / (r + 1).
    """
    first = ranks.first
    return ranks.above[first] + (ranks.tied[first] + 1) / (ranks.positives_tied[first] + 1)
