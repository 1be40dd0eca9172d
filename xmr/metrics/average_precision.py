"""Average precision: over all relevant entries, among the first k, and among the first R."""

import numpy as np

from xmr.metrics.gains import relevant_counts, sum_of_precisions
from xmr.metrics.positive_ranks import PositiveRanks


def average_precision(ranks: PositiveRanks) -> np.ndarray:
    """Per query (Q,), in (0, 1]: mean over its relevant entries of the precision at their rank, expected.

    Ties are averaged over all orders of the block in closed form (McSherry and Najork, ECIR 2008, eq. 5).
    """
    return sum_of_precisions(ranks) / relevant_counts(ranks)


def average_precision_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the precisions at relevant ranks 1..k, summed, over min(k, R); expected.

    1 is reached by any ranking that begins with relevant entries only. The divisors R and "hits found" of
    other libraries are in `xmr.metrics.variants`.
    """
    return sum_of_precisions(ranks, k) / np.minimum(k, relevant_counts(ranks))


def map_at_r(ranks: PositiveRanks) -> np.ndarray:
    """Per query (Q,), in [0, 1]: AP among the first R, for R relevant entries, over R; expected.

    The MAP@R of Musgrave, Belongie and Lim, "A Metric Learning Reality Check" (ECCV 2020, section 3.2).
    """
    relevant = relevant_counts(ranks)
    return sum_of_precisions(ranks, relevant) / relevant
