"""What two models make of each query: which one finds it, at what rank, and how alike their lists are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xmr.evaluation.results_file import QueryResults
from xmr.evaluation.significance import Interval, bootstrap_intervals

PERSISTENCE = 0.9
"""p of rank-biased overlap: the first ten entries have 86 % of the weight."""
DEPTH = 10
DECIMALS = 9


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Which of Q queries each model finds within k: `a` and `b` are masks (Q,)."""

    k: int
    a: np.ndarray
    b: np.ndarray

    @property
    def gained(self) -> np.ndarray:
        """Positions of the queries that B alone finds."""
        return np.flatnonzero(self.b & ~self.a)

    @property
    def lost(self) -> np.ndarray:
        """Positions of the queries that A alone finds."""
        return np.flatnonzero(self.a & ~self.b)

    def counts(self) -> dict[str, int]:
        """The table of both: `both`, `only_a`, `only_b`, `neither`; they add up to Q."""
        both = int((self.a & self.b).sum())
        return {
            "both": both,
            "only_a": len(self.lost),
            "only_b": len(self.gained),
            "neither": len(self.a) - both - len(self.lost) - len(self.gained),
        }


@dataclass(frozen=True, eq=False)
class RankChanges:
    """The rank (Q,) of the first correct entry by each model: of several seeds, their geometric mean."""

    a: np.ndarray
    b: np.ndarray

    @property
    def factor(self) -> np.ndarray:
        """How many times nearer to the top B has it (Q,): above 1 where B is better."""
        return self.a / self.b

    def most_improved(self, count: int) -> np.ndarray:
        """Positions of the queries, at most `count`, that B brings nearer to the top, by factor."""
        return _largest(np.log(self.factor), count)

    def most_worsened(self, count: int) -> np.ndarray:
        """Positions of the queries, at most `count`, that B takes away from the top, by factor."""
        return _largest(-np.log(self.factor), count)


@dataclass(frozen=True)
class Agreement:
    """How alike the lists of two models are, as means over queries in [0, 1] with their intervals.

    `overlap`: the share of the first `depth` entries that both have. `rank_biased_overlap`: the same, with
    the first entries counting most. `same_first`: how often the first entry is the same.
    """

    depth: int
    means: dict[str, float]
    intervals: dict[str, Interval]


def outcomes(a: Sequence[QueryResults], b: Sequence[QueryResults], k: int) -> Outcomes:
    """Who finds a query: its recall@k, the mean over a model's seeds, is at least one half.

    So of several seeds at least half find it, and of tied entries at least half of the orders.
    """
    found = [np.mean([of.values[f"recall@{k}"] for of in runs], axis=0) >= 0.5 for runs in (a, b)]
    return Outcomes(k, *found)


def rank_changes(a: Sequence[QueryResults], b: Sequence[QueryResults]) -> RankChanges | None:
    """First correct ranks of both; None where the protocol ranks only so deep that it does not know them."""
    if "first_rank" not in a[0].values:
        return None
    logs = [np.mean([np.log(of.values["first_rank"]) for of in runs], axis=0) for runs in (a, b)]
    # equal ranks are equal, whatever the logarithms' last digits are
    return RankChanges(*(np.round(np.exp(log), DECIMALS) for log in logs))


def agreement(
    a: Sequence[QueryResults], b: Sequence[QueryResults], *, depth: int = DEPTH, seed: int = 0
) -> Agreement | None:
    """How alike the lists of A and B are, over all pairs of their seeds; None where no lists are kept."""
    lists = [[of.retrieved for of in runs if of.retrieved is not None] for runs in (a, b)]
    if len(lists[0]) < len(a) or len(lists[1]) < len(b):
        return None
    depth = min([depth, *(found.shape[1] for runs in lists for found in runs)])
    pairs = [list_agreement(one, other, depth=depth) for one in lists[0] for other in lists[1]]
    columns = {name: np.mean([pair[name] for pair in pairs], axis=0) for name in pairs[0]}
    intervals = bootstrap_intervals(columns, a[0].item_ids, seed=seed)
    return Agreement(depth, {name: float(values.mean()) for name, values in columns.items()}, intervals)


def list_agreement(one: np.ndarray, other: np.ndarray, *, depth: int) -> dict[str, np.ndarray]:
    """Two lists (Q, K) of different ids a query, best first -> how alike they are (Q,), in [0, 1].

    `rank_biased_overlap` is RBO_ext of Webber, Moffat and Zobel 2010, equation 32, of lists of equal length:
    what would come after `depth` is taken to agree as far as the lists do until there.
    """
    one, other = one[:, :depth], other[:, :depth]
    ids = np.unique(np.concatenate([one, other]), return_inverse=True)[1].reshape(2, *one.shape)
    equal = ids[0][:, :, None] == ids[1][:, None, :]
    # (Q, depth): how many entries the first d of both share
    shared = np.stack([equal[:, :d, :d].sum(axis=(1, 2)) for d in range(1, depth + 1)], axis=1)
    d = np.arange(1, depth + 1)
    weights = (1 - PERSISTENCE) / PERSISTENCE * PERSISTENCE**d
    share = shared / d
    return {
        "overlap": share[:, -1],
        "rank_biased_overlap": share @ weights + share[:, -1] * PERSISTENCE**depth,
        "same_first": equal[:, 0, 0].astype(np.float64),
    }


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the `count` largest values above 0, largest first; ties in order of position."""
    values = np.round(values, DECIMALS)
    order = np.argsort(-values, kind="stable")[:count]
    return order[values[order] > 0]
