"""Normalised discounted cumulative gain for entries that are relevant or not."""

import numpy as np

from xmr.metrics.gains import relevant_counts, sum_of_gains
from xmr.metrics.positive_ranks import PositiveRanks


def ndcg_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the sum of 1 / log2(rank + 1) over relevant ranks 1..k; expected.

    Divided by that of the best ranking, which has min(k, R) relevant entries in front (Järvelin and
    Kekäläinen, TOIS 2002, with the discount of Burges et al., ICML 2005).
    """
    best = np.minimum(k, relevant_counts(ranks))
    ideal = np.cumsum(_discount(np.arange(1, best.max() + 1)))
    return sum_of_gains(ranks, k, _discount) / ideal[best - 1]


def _discount(rank: np.ndarray) -> np.ndarray:
    return 1 / np.log2(rank + 1)
