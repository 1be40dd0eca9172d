"""Average precision over all relevant entries, with ties in expectation."""

import numpy as np

from xmr.metrics.positive_ranks import PositiveRanks


def average_precision(ranks: PositiveRanks) -> np.ndarray:
    """Per query (Q,), in (0, 1]: mean over its relevant entries of the precision at their rank.

    Ties are averaged over all orders of the block in closed form (McSherry and Najork, ECIR 2008, eq. 5):
    a block of n entries, r of them relevant, after a entries with b relevant, adds
    (r / n) * sum over i = 1..n of (b + 1 + (i - 1) (r - 1) / (n - 1)) / (a + i).
    """
    per_entry = np.empty(len(ranks))
    untied = ranks.tied == 1
    per_entry[untied] = (ranks.positives_above[untied] + 1) / (ranks.above[untied] + 1)
    tied = np.flatnonzero(~untied)
    blocks, of_block = np.unique(
        np.stack([ranks.above, ranks.tied, ranks.positives_above, ranks.positives_tied])[:, tied],
        axis=1,
        return_inverse=True,
    )
    values = np.array([_mean_precision_in_block(*block) for block in blocks.T])
    per_entry[tied] = values[of_block] if len(tied) else 0.0
    total = np.bincount(ranks.query, per_entry, minlength=ranks.n_queries)
    return total / np.bincount(ranks.query, minlength=ranks.n_queries)


def _mean_precision_in_block(above: int, tied: int, positives_above: int, positives_tied: int) -> float:
    """Expected precision at one relevant entry of a block, over all orders of the block."""
    i = np.arange(tied)
    hits = positives_above + 1 + i * (positives_tied - 1) / (tied - 1)
    return float(np.mean(hits / (above + 1 + i)))
