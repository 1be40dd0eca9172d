"""Two sets of vectors ready to be compared, and the scores of the relevant entries that others must beat."""

from typing import Literal, NamedTuple

import numpy as np

Similarity = Literal["cosine", "dot", "l2"]

STEPS = 2**36
"""Scores are compared in steps of 1 / STEPS: coarser than a float64 sum's noise, finer than float32."""

UNIT = 5e-7
"""Vectors of this much more or less than unit length, as float32 makes them, are multiplied as they are."""

LARGE = 1e30
"""A scale that float32 may not hold."""


class Scored(NamedTuple):
    """One side of a comparison: vectors (N, D) float32, and what each is multiplied by and shifted by (N,).

    Two vectors score (query . gallery) * scale * scale + bias + bias. A cosine has 1 / norm as scale; dot
    products and distances share one scale for all, such that no score leaves [-2, 2]. Only cosines lie on
    a `grid` of steps: those that are equal in mathematics tie; other scores tie when they are equal.
    """

    vectors: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    grid: bool

    @property
    def size(self) -> int:
        """N, the number of vectors."""
        return len(self.vectors)

    def rows(self, which: slice | np.ndarray) -> "Scored":
        """The vectors at `which` alone."""
        return Scored(self.vectors[which], self.scale[which], self.bias[which], self.grid)

    def scaled(self, out: np.ndarray | None = None) -> np.ndarray:
        """The scaled vectors (N, D): as they are where all scales are 1 within UNIT, else in `out`."""
        if np.abs(self.scale - 1.0).max() < UNIT:
            return self.vectors
        out = np.empty_like(self.vectors) if out is None else out[: self.size]
        if self.scale.max() < LARGE:
            return np.multiply(self.vectors, self.scale[:, None].astype(np.float32), out=out)
        out[:] = self.vectors * self.scale[:, None]
        return out


class Thresholds(NamedTuple):
    """The relevant entries of each query, worst first: those of query q are at start[q]..start[q + 1] - 1.

    `entry` (P,) is the gallery position, `score` (P,) the exact score in steps; a float32 score below `low`
    (P,) is certainly lower, one above `high` certainly higher.
    """

    start: np.ndarray
    entry: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Counts(NamedTuple):
    """For each relevant entry (P,): how many entries score more, and how many the same (itself included)."""

    above: np.ndarray
    tied: np.ndarray
