"""Precision: the share of relevant entries among the first k, or among as many as there are relevant ones."""

import numpy as np

from xmr.metrics.gains import Depth, relevant_counts, sum_of_gains
from xmr.metrics.positive_ranks import PositiveRanks


def expected_hits(ranks: PositiveRanks, k: Depth) -> np.ndarray:
    """Per query (Q,), in [0, min(k, R)]: how many relevant entries are among the first `k`, expected."""
    return sum_of_gains(ranks, k, lambda rank: np.ones(len(rank)))


def precision_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the share of the first `k` that is relevant, expected.

    The divisor is `k` even where the gallery or the relevant entries are fewer, as in trec_eval's P_k.
    """
    return expected_hits(ranks, k) / k


def r_precision(ranks: PositiveRanks) -> np.ndarray:
    """Per query (Q,), in [0, 1]: precision among the first R, for R relevant entries; expected.

    Where R are relevant, precision and fraction recall among the first R are the same.
    """
    relevant = relevant_counts(ranks)
    return expected_hits(ranks, relevant) / relevant
