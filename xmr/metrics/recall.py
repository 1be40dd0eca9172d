"""Recall@k as this field uses it (any relevant entry among the first k) and as information retrieval does."""

import numpy as np

from xmr.metrics.gains import relevant_counts
from xmr.metrics.positive_ranks import PositiveRanks
from xmr.metrics.precision import expected_hits


def recall_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the chance that a relevant entry is among the first `k`; also "hit rate".

    Without ties it is 0 or 1 (the "R@k" of Faghri et al., VSE++, 2018). Where the best block straddles k
    it is the hypergeometric 1 - C(tied - positives, drawn) / C(tied, drawn) of drawn = k - above places.
    """
    first = ranks.first
    above, tied, positives = ranks.above[first], ranks.tied[first], ranks.positives_tied[first]
    drawn = np.clip(k - above, 0, tied)
    # drawn and positives may change places in the quotient: multiply over the smaller, exact and short
    fewer, more = np.minimum(drawn, positives), np.maximum(drawn, positives)
    missed = np.ones(len(first))
    for i in range(fewer.max(initial=0)):
        missed *= np.where(i < fewer, np.maximum(tied - more - i, 0) / np.maximum(tied - i, 1), 1.0)
    return 1.0 - missed


def fraction_recall_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the share of its relevant entries that is among the first `k`, expected.

    This is the recall of information retrieval: trec_eval's recall_k, ranx's and torchmetrics' recall@k.
    """
    return expected_hits(ranks, k) / relevant_counts(ranks)
