"""Rival definitions that others publish under the names of `xmr.metrics`, each under a name of its own."""

import numpy as np

from xmr.metrics.blocks import over_distinct
from xmr.metrics.gains import (
    expected_precisions,
    harmonic_numbers,
    relevant_counts,
    sum_of_gains,
    sum_of_precisions,
)
from xmr.metrics.positive_ranks import PositiveRanks
from xmr.metrics.precision import expected_hits


def seed_average_precision_at_k(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the mean of precision@1..precision@k, relevant or not; expected.

    Equation 2 of seed 003, "AP@k = (1/k) sum of P@i" (its code computes `reciprocal_rank_at_k`). A relevant
    entry at rank i counts in precision@i..precision@k: H[k] - H[i - 1] in all.
    """
    harmonic = harmonic_numbers(k)
    return sum_of_gains(ranks, k, lambda rank: harmonic[k] - harmonic[rank - 1]) / k


def average_precision_at_k_over_positives(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the precisions at relevant ranks 1..k over R, even where R > k; expected.

    The AP@k of trec_eval (map_cut_k), ranx (map@k) and pytorch-metric-learning (mean_average_precision
    with k): a perfect ranking scores k / R where R > k.
    """
    return sum_of_precisions(ranks, k) / relevant_counts(ranks)


def average_precision_at_k_over_hits(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the mean precision at those relevant ranks that are among 1..k, 0 if none.

    The AP@k of torchmetrics (RetrievalMAP with top_k) and Open Metric Learning (map@k): a single hit in
    front scores 1, however many are missed. A further hit may lower it, so that ties broken for the model
    may score less than ties broken against it. Ties in expectation are the mean of this quotient over all
    orders. Only the block that straddles k leaves the divisor open: the number h of hits among those m of
    its places that count is hypergeometric, and given h, the block is one of m entries with h relevant.
    """
    sums = sum_of_precisions(ranks, k)
    values = sums / np.maximum(expected_hits(ranks, k), 1)
    entries = np.flatnonzero((ranks.above < k) & (ranks.above + ranks.tied > k))
    query, first_of_block = np.unique(ranks.query[entries], return_index=True)
    entries = entries[first_of_block]
    above, tied = ranks.above[entries], ranks.tied[entries]
    positives_above, positives_tied = ranks.positives_above[entries], ranks.positives_tied[entries]
    places = k - above
    of_block = expected_precisions(
        above=above,
        tied=tied,
        positives_above=positives_above,
        positives_tied=positives_tied,
        places=places,
    )
    blocks = np.stack([above, tied, positives_above, positives_tied, places])
    widths = np.minimum(places, positives_tied) + 1
    inverse_hits = over_distinct(blocks[1:], widths, _mean_inverse_hits)
    quotient = over_distinct(blocks, widths, _mean_quotient_of_block)
    values[query] = (sums[query] - of_block) * inverse_hits + quotient
    return values


def precision_at_k_over_min(ranks: PositiveRanks, k: int) -> np.ndarray:
    """Per query (Q,), in [0, 1]: the relevant entries among the first `k` over min(k, R); expected.

    Open Metric Learning's precision@k, which a perfect ranking always brings to 1.
    """
    return expected_hits(ranks, k) / np.minimum(k, relevant_counts(ranks))


def median_rank_floor(first_ranks: np.ndarray) -> float:
    """First ranks from 1 (Q,) -> the floor of the median of the ranks from 0, plus 1.

    The "MedR" of VSE++ and open_clip: half a rank below the median where that falls between two ranks.
    """
    return float(np.floor(np.median(np.asarray(first_ranks) - 1)) + 1)


def macro_average(values: np.ndarray, labels: np.ndarray) -> float:
    """Values (Q,) and the class label of each (Q,) -> the mean over classes of each class's mean.

    Seed 003 averages so: its "prec@k" is the macro average of `recall_at_k`. pytorch-metric-learning does
    with `avg_of_avgs=True`.
    """
    _, classes = np.unique(labels, return_inverse=True)
    return float(np.mean(np.bincount(classes, values) / np.bincount(classes)))


def _hits_in_places(
    hits: np.ndarray, tied: np.ndarray, positives: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """The chances (n, width) of `hits` relevant entries in the first `places` of a block: hypergeometric."""
    fewest = np.maximum(places - (tied - positives), 0)
    possible = (hits >= fewest) & (hits <= np.minimum(places, positives))
    rises = possible & (hits > fewest)
    # each chance over the one before it; by logarithms, as the first may be too small for a float
    step = np.where(
        rises,
        (positives - hits + 1)
        * (places - hits + 1)
        / np.maximum(hits * (tied - positives - places + hits), 1),
        1.0,
    )
    logarithm = np.where(possible, np.cumsum(np.log(step), axis=1), -np.inf)
    chances = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    return chances / chances.sum(axis=1, keepdims=True)


def _mean_inverse_hits(
    hits: np.ndarray,
    tied: np.ndarray,
    positives_above: np.ndarray,
    positives_tied: np.ndarray,
    places: np.ndarray,
) -> np.ndarray:
    """The expectation of 1 / the hits among the first k, none counting as 1."""
    chances = _hits_in_places(hits, tied, positives_tied, places)
    return (chances / np.maximum(positives_above + hits, 1)).sum(axis=1)


def _mean_quotient_of_block(
    hits: np.ndarray,
    above: np.ndarray,
    tied: np.ndarray,
    positives_above: np.ndarray,
    positives_tied: np.ndarray,
    places: np.ndarray,
) -> np.ndarray:
    """The expectation of the block's precisions at its hits / all hits among the first k."""
    chances = _hits_in_places(hits, tied, positives_tied, places)
    precisions = expected_precisions(
        above=above, tied=places, positives_above=positives_above, positives_tied=hits, places=places
    )
    return (chances * precisions / np.maximum(positives_above + hits, 1)).sum(axis=1)
