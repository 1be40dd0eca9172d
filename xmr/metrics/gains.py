"""Expected sums over a query's relevant entries within the first k: what most metrics are made of."""

from collections.abc import Callable

import numpy as np

from xmr.metrics.positive_ranks import PositiveRanks

Depth = int | np.ndarray
"""How far down a ranking counts: one k >= 1 for all queries, or one each (Q,); it may exceed the gallery."""


def relevant_counts(ranks: PositiveRanks) -> np.ndarray:
    """R: how many relevant gallery entries each query has (Q,), at least 1."""
    return np.diff(ranks.first, append=len(ranks))


def sum_of_gains(ranks: PositiveRanks, k: Depth, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Per query (Q,): the sum of `gain(rank)` over its relevant entries at ranks 1..k, in expectation.

    `gain` maps an array of ranks to their values. A relevant entry of a block of n entries after a others
    is at each of the ranks a + 1..a + n equally often.
    """
    within, limit = _entries_within(ranks, k)
    above, tied = ranks.above[within], ranks.tied[within]
    gains = gain(np.arange(1, _deepest(above, tied, limit) + 1))
    per_entry = gains[above]
    in_block = np.flatnonzero(tied != 1)
    above, tied, limit = above[in_block], tied[in_block], _at(limit, in_block)
    upto = np.concatenate([[0.0], np.cumsum(gains)])
    per_entry[in_block] = (upto[np.minimum(above + tied, limit)] - upto[above]) / tied
    return np.bincount(ranks.query[within], per_entry, minlength=ranks.n_queries)


def sum_of_precisions(ranks: PositiveRanks, k: Depth | None = None) -> np.ndarray:
    """Per query (Q,): the expected sum of the precisions at its relevant ranks 1..k, or at all of them."""
    within, limit = (slice(None), None) if k is None else _entries_within(ranks, k)
    above, tied = ranks.above[within], ranks.tied[within]
    positives_above, positives_tied = ranks.positives_above[within], ranks.positives_tied[within]
    per_entry = (positives_above + 1) / (above + 1)
    in_block = np.flatnonzero(tied != 1)
    above, tied, positives_tied = above[in_block], tied[in_block], positives_tied[in_block]
    of_block = expected_precisions(
        above=above,
        tied=tied,
        positives_above=positives_above[in_block],
        positives_tied=positives_tied,
        places=tied if limit is None else np.minimum(tied, _at(limit, in_block) - above),
    )
    per_entry[in_block] = of_block / positives_tied
    return np.bincount(ranks.query[within], per_entry, minlength=ranks.n_queries)


def expected_precisions(
    *,
    above: np.ndarray,
    tied: np.ndarray,
    positives_above: np.ndarray,
    positives_tied: np.ndarray,
    places: np.ndarray,
) -> np.ndarray:
    """For each block (N,): the sum of the precisions at its relevant entries in its first `places`, expected.

    In a block of n entries, r of them relevant, after a entries with b relevant, place i holds a relevant
    entry with chance r / n, and before it stand b + (i - 1) (r - 1) / (n - 1) others on average (McSherry
    and Najork, ECIR 2008, eq. 5). With s = (r - 1) / (n - 1) and the harmonic numbers H, the sum over
    i = 1..m of (b + 1 + (i - 1) s) / (a + i) is (b + 1 - s (a + 1)) (H[a + m] - H[a]) + s m.
    """
    slope = (positives_tied - 1) / np.maximum(tied - 1, 1)
    harmonic = harmonic_numbers(int((above + places).max(initial=0)))
    inverse_ranks = harmonic[above + places] - harmonic[above]
    hits = (positives_above + 1 - slope * (above + 1)) * inverse_ranks + slope * places
    return positives_tied / tied * hits


def harmonic_numbers(n: int) -> np.ndarray:
    """H[0]..H[n] (n + 1,): the sums of 1 / i over i = 1..0, 1..1, ... 1..n."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])


def _entries_within(ranks: PositiveRanks, k: Depth) -> tuple[np.ndarray, Depth]:
    """Positions of the entries that may stand at rank k or better, and the k of each of them."""
    if np.ndim(k) == 0:
        return np.flatnonzero(ranks.above < k), k
    limit = np.asarray(k)[ranks.query]
    within = np.flatnonzero(ranks.above < limit)
    return within, limit[within]


def _deepest(above: np.ndarray, tied: np.ndarray, limit: Depth) -> int:
    """The largest rank at which any of the entries counts."""
    return int(np.minimum(above + tied, limit).max(initial=0))


def _at(limit: Depth, entries: np.ndarray) -> Depth:
    return limit if np.ndim(limit) == 0 else np.asarray(limit)[entries]
