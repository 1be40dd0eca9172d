"""Resampling whole clusters of queries: bootstrap draws and sign flips, in blocks that bound the memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xmr.core.errors import DataError

LEAST_P = 1e-100  # smaller ones are given as this: quantiles of t overflow
_BLOCK = 2**18  # numbers drawn at once: 2 MB as float64, which stay in the processor's cache
_ROUNDING = 1e-12  # of sums, relative to the sum of the absolute values


@dataclass(frozen=True, eq=False)
class Clusters:
    """The cluster of each query (Q,), from 0, and how many queries each has (C,), in the order of their ids.

    That order makes results independent of the queries' order, as long as all that is compared shares it.
    """

    of_query: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    def sums(self, values: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Values of R runs (R, Q) -> their sums over the queries of each cluster (R, C)."""
        sums = [np.bincount(self.of_query, weights=row, minlength=len(self)) for row in values]
        return np.array(sums, dtype=np.float64).reshape(len(sums), len(self))


def clusters_of(ids: np.ndarray) -> Clusters:
    """Clusters of queries by the ids (Q,) that dependent queries share. Raises `DataError` for no queries."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or len(ids) == 0:
        raise DataError(f"clusters {ids.shape}; give one id a query, of at least one query")
    _, of_query, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    return Clusters(of_query, sizes)


def checked_values(
    name: str, values: np.ndarray, clusters: Clusters, *, seeds: int | None = None
) -> np.ndarray:
    """Values (Q,) or (S, Q) as finite float64 (S, Q), of `seeds` seeds where given.

    Raises `DataError` that names `name` for other shapes, NaN and infinity.
    """
    values = np.asarray(values, dtype=np.float64)
    rows = np.atleast_2d(values)
    queries = len(clusters.of_query)
    if rows.ndim != 2 or rows.shape[1] != queries or len(rows) == 0 or seeds not in (None, len(rows)):
        raise DataError(
            f"{name} has the shape {values.shape} for {queries} queries; give one value of each query, "
            "of all models and clusters in the same order"
        )
    values = rows
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise DataError(
            f"{name}: {len(bad):,} of {values.size:,} values are NaN or infinite, the first of query "
            f"{bad[0][1]} (from 0); leave these queries out of all that is compared"
        )
    return values


def bootstrap_replicates(
    columns: Mapping[str, np.ndarray],
    statistics: Mapping[str, str],
    clusters: Clusters,
    resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """The bootstrap replicates (resamples,) of each column's statistic, by name."""
    means = [name for name in columns if statistics[name] == "mean"]
    medians = [name for name in columns if statistics[name] == "median"]
    sums = clusters.sums([columns[name] for name in means])
    width = len(clusters.of_query) if medians else len(clusters)
    blocks = []
    for draws in bootstrap_draws(len(clusters), resamples, seed=seed, width=width):
        of_medians = [resampled_medians(draws, columns[name], clusters) for name in medians]
        blocks.append(np.column_stack([resampled_means(draws, sums, clusters), *of_medians]))
    replicates = dict(zip(means + medians, np.concatenate(blocks).T, strict=True))
    return {name: replicates[name] for name in columns}


def bootstrap_draws(clusters: int, resamples: int, *, seed: int, width: int) -> Iterator[np.ndarray]:
    """Blocks (rows, C), `resamples` rows in all, of how often each of C clusters comes up in C draws.

    A block has about 2^18 / `width` rows, for work that needs `width` numbers a row; its size changes no
    draw.
    """
    random = np.random.default_rng(seed)
    for rows in _block_rows(resamples, width):
        drawn = random.integers(0, clusters, size=(rows, clusters))
        drawn += np.arange(rows)[:, None] * clusters
        yield np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)


def resampled_means(draws: np.ndarray, sums: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Draws (rows, C), sums by cluster (R, C) -> the means over the queries drawn (rows, R)."""
    weights = draws.astype(np.float64)
    return (weights @ sums.T) / (weights @ clusters.sizes)[:, None]


def resampled_medians(draws: np.ndarray, values: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Draws (rows, C), values (Q,) -> the medians of the queries drawn (rows,), as `np.median` gives them."""
    order = np.argsort(values)
    ranked = values[order]
    up_to = np.cumsum(draws.astype(np.int32)[:, clusters.of_query[order]], axis=1, dtype=np.int32)
    halves = [
        (row.searchsorted((row[-1] - 1) // 2, "right"), row.searchsorted(row[-1] // 2, "right"))
        for row in up_to
    ]
    return ranked[np.array(halves)].mean(axis=1)


def sign_flip_p(sums: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """Sums by cluster (M, C) of M models -> two-sided p of the sign-flip test of all pairs (M, M).

    The test is described at `significance.pairwise`. All pairs see the same flips, so that a flip costs M
    sums, not one for each pair.
    """
    models, clusters = sums.shape
    totals, rounding = sums.sum(axis=1), _ROUNDING * np.abs(sums).sum(axis=1)
    # what rounding alone keeps from reaching the observed difference counts as reaching it
    observed = np.maximum(np.abs(totals[:, None] - totals) - (rounding[:, None] + rounding), 0)
    reached = np.zeros((models, models))
    for signs in sign_flips(clusters, resamples, seed=seed):
        flipped = sums @ signs.T
        for i in range(models - 1):
            differences = np.abs(flipped[i + 1 :] - flipped[i])
            reached[i, i + 1 :] += (differences >= observed[i, i + 1 :, None]).sum(axis=1)
    reached += reached.T
    if enumerates_flips(clusters, resamples):
        p = reached / 2.0**clusters
    else:
        p = np.minimum((reached + 1) / (resamples + 1), _hoeffding_bound(sums, observed))
    np.fill_diagonal(p, 1.0)
    return p


def _hoeffding_bound(sums: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """At most this share (M, M) of all flips of the sums (M, C) reaches the observed differences (M, M)."""
    squares = np.stack([((sums - each) ** 2).sum(axis=1) for each in sums])
    exponent = observed**2 / (2 * np.maximum(squares, np.finfo(np.float64).tiny))
    return np.maximum(2 * np.exp(-exponent), LEAST_P)


def enumerates_flips(clusters: int, resamples: int) -> bool:
    """Whether `sign_flips` gives all 2^C flips of C clusters: where they are no more than `resamples`."""
    return 2**clusters <= resamples


def sign_flips(clusters: int, resamples: int, *, seed: int) -> Iterator[np.ndarray]:
    """Blocks (rows, C) of the signs, 1 or -1, of C clusters: all 2^C flips, or `resamples` random ones."""
    every = enumerates_flips(clusters, resamples)
    random = np.random.default_rng(seed)
    words = -(-clusters // 64)
    start = 0
    for rows in _block_rows(2**clusters if every else resamples, clusters):
        if every:
            yield 1.0 - 2.0 * ((np.arange(start, start + rows)[:, None] >> np.arange(clusters)) & 1)
        else:
            bits = random.integers(0, 2**64, size=(rows, words), dtype=np.uint64).view(np.uint8)
            yield 1.0 - 2.0 * np.unpackbits(bits, axis=1, count=clusters)
        start += rows


def _block_rows(resamples: int, width: int) -> Iterator[int]:
    most = max(1, _BLOCK // width)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)
