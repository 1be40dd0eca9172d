"""What a page draws of a query's similarities: histogram, curve by rank, and how far two columns agree."""

from typing import Any

import numpy as np

CURVE_POINTS = 80
FEWEST = 3
"""Entries that a rank correlation needs."""


def histogram(
    similarities: np.ndarray, shown: np.ndarray, relevant: np.ndarray | None, *, bins: int
) -> dict[str, Any]:
    """Similarities (G,) in `bins` of equal width from the lowest to the highest, the last one closed.

    `shown` and `relevant` are positions, counted by the same bins. Equal similarities get a bin of their
    own in the middle.
    """
    low, high = (float(similarities.min()), float(similarities.max())) if len(similarities) else (0.0, 1.0)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5

    def counted(values: np.ndarray) -> list[int]:
        at = ((values.astype(np.float64) - low) * (bins / (high - low))).astype(np.int64)
        return np.bincount(at.clip(0, bins - 1), minlength=bins).tolist()

    return {
        "edges": np.linspace(low, high, bins + 1).round(6).tolist(),
        "counts": counted(similarities),
        "shown": counted(similarities[shown]),
        "relevant": None if relevant is None else counted(similarities[relevant]),
        "mean": float(similarities.mean()) if len(similarities) else 0.0,
        "deviation": float(similarities.std()) if len(similarities) else 0.0,
    }


def curve(similarities: np.ndarray, *, k: int) -> dict[str, list[Any]]:
    """The similarity at rank 1...k and at ranks that grow by a factor from there to the last."""
    count = len(similarities)
    ordered = np.sort(similarities)[::-1]
    first = np.arange(1, min(k, count) + 1)
    later = np.geomspace(max(k, 1), max(count, 1), CURVE_POINTS).round().astype(np.int64)
    ranks = np.unique(np.concatenate([first, later[(later > k) & (later <= count)]]))
    return {"ranks": ranks.tolist(), "similarities": ordered[ranks - 1].astype(np.float64).round(6).tolist()}


def first_rank(similarities: np.ndarray, relevant: np.ndarray) -> int | None:
    """The rank from 1 of the first of the positions `relevant`, equal similarities by position."""
    if not len(relevant):
        return None
    best = similarities[relevant].max()
    first = int(relevant[similarities[relevant] == best].min())
    return 1 + int((similarities > best).sum()) + int((similarities[:first] == best).sum())


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Spearman's rho of paired values (N,), ties at their mean rank; None below three, or if all tie."""
    if len(one) < FEWEST:
        return None
    ranks = [_mean_ranks(values) for values in (one, other)]
    centred = [of - of.mean() for of in ranks]
    norms = np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])
    return None if norms == 0 else float(centred[0] @ centred[1] / norms)


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
