"""Where each query's relevant gallery entries stand: the input of every metric, and the one tie rule."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

TieRule = Literal["expected", "optimistic", "pessimistic"]


@dataclass(frozen=True)
class PositiveRanks:
    """One entry for each relevant (query, gallery) pair, P in all, by query and then best first.

    Entries that score the same form a block, whose order is arbitrary. `above` counts the gallery entries
    before the block, `tied` its size (at least 1), `positives_above` and `positives_tied` the relevant
    ones among them. All are integers (P,); `query` (P,) is in 0..n_queries-1.
    """

    query: np.ndarray
    above: np.ndarray
    tied: np.ndarray
    positives_above: np.ndarray
    positives_tied: np.ndarray
    n_queries: int

    def __len__(self) -> int:
        return len(self.query)

    @cached_property
    def first(self) -> np.ndarray:
        """Positions (n_queries,) of each query's best entry; every query must have one."""
        return np.searchsorted(self.query, np.arange(self.n_queries))

    @property
    def within_block(self) -> np.ndarray:
        """For each entry (P,), how many relevant entries of its own block come before it in this order."""
        position = np.arange(len(self.query)) - self.first[self.query]
        return position - self.positives_above

    def resolve(self, rule: TieRule) -> "PositiveRanks":
        """The same ranks with ties broken for the model ("optimistic"), against it, or left ("expected").

        Metrics of unbroken ties are expectations over all orders of each block.
        """
        if rule == "expected":
            return self
        before = self.within_block
        negatives_first = self.tied - self.positives_tied if rule == "pessimistic" else 0
        ones = np.ones_like(self.tied)
        return replace(
            self,
            above=self.above + before + negatives_first,
            tied=ones,
            positives_above=self.positives_above + before,
            positives_tied=ones,
        )
