"""The compiled loops of ranking: counting, in tiles of scores, what stands above each relevant entry.

All of them live in this file, since a compiled loop that is kept on disk is made anew only when its own
file changes: touch it after a change of STEPS in scored.py.
"""

from typing import NamedTuple

import numpy as np

from xmr.core.compiled import compiled
from xmr.evaluation.scored import STEPS, Counts, Scored, Thresholds

# sums may be reordered into vector lanes; their order depends on the dimension alone, so equal rows tie
LANES = {"reassoc", "contract", "nsz"}


FEW = 12
"""Up to so many relevant entries, one pass over the scores for each is the fastest way to count."""

BINS = 2048
"""Bins of scores for each query that has more: fine enough that most hold no threshold."""

GROUPS = 128
"""A row of scores is looked at by groups, so that those without a score of interest cost one comparison."""

ONE, NONE = np.float32(1), np.float32(0)


@compiled(lanes=LANES)
def exact_score(queries: Scored, q: int, gallery: Scored, g: int) -> float:
    """The score of query `q` and entry `g` in steps of 1 / STEPS, from a float64 sum; whole on a grid."""
    query, entry = queries.vectors[q], gallery.vectors[g]
    total = 0.0
    if queries.bias[q] + gallery.bias[g] == 0.0:
        for d in range(len(query)):
            total += np.float64(query[d]) * np.float64(entry[d])
    else:
        # a distance from its differences: they lose nothing where both vectors are far from the origin
        for d in range(len(query)):
            difference = np.float64(query[d]) - np.float64(entry[d])
            total -= 0.5 * difference * difference
    score = total * queries.scale[q] * gallery.scale[g] * STEPS
    return np.rint(score) if queries.grid else score


@compiled()
def sort_thresholds(queries: Scored, gallery: Scored, thresholds: Thresholds, begin: int, end: int) -> None:
    """Fill in `score` for queries begin..end-1 and sort `entry` and `score` by it."""
    for q in range(begin, end):
        first, last = thresholds.start[q], thresholds.start[q + 1]
        for p in range(first, last):
            thresholds.score[p] = exact_score(queries, q, gallery, thresholds.entry[p])
        if last - first > 1:
            order = np.argsort(thresholds.score[first:last], kind="mergesort")
            thresholds.score[first:last] = thresholds.score[first:last][order]
            thresholds.entry[first:last] = thresholds.entry[first:last][order]


@compiled()
def transpose(tile: np.ndarray, out: np.ndarray) -> None:
    """Write tile (m, n) to out (n, m), in squares that fit vector registers, and the rest one by one."""
    m, n = tile.shape
    whole_m, whole_n = m - m % 8, n - n % 8
    for i0 in range(0, whole_m, 8):
        for j0 in range(0, whole_n, 8):
            for j in range(8):
                for i in range(8):
                    out[j0 + j, i0 + i] = tile[i0 + i, j0 + j]
    for i in range(m):
        for j in range(whole_n if i < whole_m else 0, n):
            out[j, i] = tile[i, j]


@compiled(lanes=LANES)
def count_few(
    tile: np.ndarray,
    q0: int,
    g0: int,
    queries: Scored,
    gallery: Scored,
    thresholds: Thresholds,
    counts: Counts,
) -> None:
    """Add what a tile of scores (m, n), of queries from q0 and entries from g0 on, has above thresholds."""
    for i in range(tile.shape[0]):
        q, scores = q0 + i, tile[i]
        for p in range(thresholds.start[q], thresholds.start[q + 1]):
            low, high = thresholds.low[p], thresholds.high[p]
            # counted in float32, which fills twice the vector lanes of an integer here
            higher, not_lower = NONE, NONE
            for j in range(len(scores)):
                higher += ONE if scores[j] > high else NONE
                not_lower += ONE if scores[j] >= low else NONE
            counts.above[p] += int(higher)
            if not_lower > higher:
                for j in range(len(scores)):
                    if low <= scores[j] <= high:
                        score = exact_score(queries, q, gallery, g0 + j)
                        counts.above[p] += score > thresholds.score[p]
                        counts.tied[p] += score == thresholds.score[p]


class Bins(NamedTuple):
    """How the queries of a block find the thresholds near a score without comparing with each; a row each.

    A score x falls in bin (x - base) * per_unit + 1, and what is below base in bin 0. `lookup` (rows, BINS)
    is twice the number of thresholds certainly below all scores of a bin, plus 1 where another may lie in
    it. The first `skipped` thresholds, all below base, are not looked for.
    """

    base: np.ndarray
    per_unit: np.ndarray
    skipped: np.ndarray
    lookup: np.ndarray


def empty_bins(rows: int) -> Bins:
    """Bins for a block of so many queries, to be laid by `start_bins`."""
    base, per_unit = np.empty((2, rows), dtype=np.float32)
    return Bins(base, per_unit, np.empty(rows, np.int64), np.empty((rows, BINS), np.int32))


@compiled(inline="always")
def _bin(score: np.float32, base: np.float32, per_unit: np.float32) -> np.int32:
    # multiplied before it is shifted: what is below base must stay below 1
    place = (score - base) * per_unit + np.float32(1)
    return np.int32(min(max(place, np.float32(0)), np.float32(BINS - 1)))


@compiled()
def lay_bins(i: int, q: int, thresholds: Thresholds, bins: Bins) -> None:
    """Lay the bins of row `i` over the thresholds of query `q` that are not skipped."""
    first, last = thresholds.start[q], thresholds.start[q + 1]
    lowest = first + bins.skipped[i]
    lookup = bins.lookup[i]
    if lowest == last:
        bins.base[i] = np.inf
        lookup[:] = 0
        return
    base = thresholds.low[lowest]
    # the last bin is left for what is above all thresholds
    per_unit = np.float32(BINS - 3) / max(thresholds.high[last - 1] - base, np.float32(1e-9))
    bins.base[i], bins.per_unit[i] = base, per_unit
    lookup[0] = 0
    filled = 1
    for k in range(lowest, last):
        begins, ends = _bin(thresholds.low[k], base, per_unit), _bin(thresholds.high[k], base, per_unit)
        while filled <= ends:
            lookup[filled] = ((k - first) << 1) | (filled >= begins)
            filled += 1
    lookup[filled:] = (last - first) << 1


@compiled()
def start_bins(q0: int, q1: int, thresholds: Thresholds, bins: Bins) -> None:
    """Lay the bins of a block of queries q0..q1-1 over all their thresholds."""
    for i in range(q1 - q0):
        bins.skipped[i] = 0
        lay_bins(i, q0 + i, thresholds, bins)


@compiled(lanes=LANES)
def count_many(
    tile: np.ndarray,
    q0: int,
    g0: int,
    queries: Scored,
    gallery: Scored,
    thresholds: Thresholds,
    counts: Counts,
    bins: Bins,
) -> None:
    """As `count_few`, for any number of thresholds.

    Until `sum_passed`, `counts.above` of threshold k of a query counts the scores that are above it and
    not above threshold k + 1.
    """
    columns = tile.shape[1]
    found, near = np.empty((2, columns), np.int32)
    best = np.empty(GROUPS, np.float32)
    low, high = thresholds.low, thresholds.high
    most = np.max(np.diff(thresholds.start[q0 : q0 + tile.shape[0] + 1]))
    # four sets of counters: an addition need not wait for the one before it
    passed = np.zeros((4, most + 1), np.int32)
    for i in range(tile.shape[0]):
        scores, lookup, base, per_unit = tile[i], bins.lookup[i], bins.base[i], bins.per_unit[i]
        n_near = np.uint64(0)
        if _active_groups(scores, base, best) > GROUPS // 4:
            for j in range(columns):
                found[j] = _bin(scores[j], base, per_unit)
            for j in range(columns):
                code = np.uint32(lookup[np.uint32(found[j])])
                passed[np.uint32(j & 3), code >> np.uint32(1)] += np.int32(1)
                near[n_near] = j
                n_near += np.uint64(code & np.uint32(1))
        else:
            for group in range(GROUPS):
                if best[group] >= base:
                    for j in range(group, columns, GROUPS):
                        if scores[j] >= base:
                            found[j] = _bin(scores[j], base, per_unit)
                            passed[0, lookup[found[j]] >> 1] += 1
                            near[n_near] = j
                            n_near += np.uint64(lookup[found[j]] & 1)
        q = q0 + i
        first, last = thresholds.start[q], thresholds.start[q + 1]
        for n in range(n_near):
            j = near[n]
            k = first + (lookup[found[j]] >> 1)
            passed[0, k - first] -= 1
            while k < last and scores[j] > high[k]:
                k += 1
            if k < last and scores[j] >= low[k]:
                k = _place_exactly(queries, q, gallery, g0 + j, thresholds.score, k, last, counts.tied)
            passed[0, k - first] += 1
        for k in range(last - first):
            counts.above[first + k] += (
                passed[0, k + 1] + passed[1, k + 1] + passed[2, k + 1] + passed[3, k + 1]
            )
        passed[:, : last - first + 1] = 0


@compiled(lanes=LANES)
def _active_groups(scores: np.ndarray, base: float, best: np.ndarray) -> int:
    """Write the best score of each group, of every GROUPS-th score, to `best`; how many reach `base`."""
    best[:] = -np.inf
    whole = len(scores) - len(scores) % GROUPS
    for j0 in range(0, whole, GROUPS):
        for group in range(GROUPS):
            best[group] = max(best[group], scores[j0 + group])
    for j in range(whole, len(scores)):
        best[j - whole] = max(best[j - whole], scores[j])
    active = NONE
    for group in range(GROUPS):
        active += ONE if best[group] >= base else NONE
    return int(active)


@compiled()
def _place_exactly(
    queries: Scored, q: int, gallery: Scored, g: int, scores: np.ndarray, k: int, last: int, tied: np.ndarray
) -> int:
    """The first threshold, from `k` on, that entry `g` is not above; those it ties with are told so."""
    score = exact_score(queries, q, gallery, g)
    while k < last and scores[k] < score:
        k += 1
    level = k
    while level < last and scores[level] == score:
        tied[level] += 1
        level += 1
    return k


@compiled()
def skip_beyond(
    q0: int, q1: int, limit: np.ndarray, thresholds: Thresholds, counts: Counts, bins: Bins
) -> None:
    """Skip the thresholds of a block that `limit` (Q,) scores or more are already above."""
    for i in range(q1 - q0):
        q = q0 + i
        first, passed = thresholds.start[q], 0
        for k in range(thresholds.start[q + 1] - 1, first + bins.skipped[i] - 1, -1):
            passed += counts.above[k]
            if passed >= limit[q]:
                bins.skipped[i] = k + 1 - first
                lay_bins(i, q, thresholds, bins)
                break


@compiled()
def sum_passed(q0: int, q1: int, thresholds: Thresholds, counts: Counts) -> None:
    """Turn what `count_many` left in `counts.above` into the number of scores above each threshold."""
    for q in range(q0, q1):
        passed = 0
        for k in range(thresholds.start[q + 1] - 1, thresholds.start[q] - 1, -1):
            passed += counts.above[k]
            counts.above[k] = passed


@compiled()
def count_entries(
    queries: Scored,
    gallery: Scored,
    thresholds: Thresholds,
    counts: Counts,
    start: np.ndarray,
    entries: np.ndarray,
    weight: int,
) -> None:
    """Add `weight` to the counts for each query's own `entries`, those at start[q]..start[q + 1] - 1.

    A weight of 1 ranks them alone, -1 takes them out of a ranking.
    """
    for q in range(len(start) - 1):
        for n in range(start[q], start[q + 1]):
            score = exact_score(queries, q, gallery, entries[n])
            for k in range(thresholds.start[q], thresholds.start[q + 1]):
                counts.above[k] += weight * (score > thresholds.score[k])
                counts.tied[k] += weight * (score == thresholds.score[k])


@compiled()
def best_first(
    start: np.ndarray, score: np.ndarray, counts: Counts, limit: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """The columns of `PositiveRanks` (5, P) from thresholds and counts, worst first, of Q queries.

    Relevant entries with `limit` (Q,) entries or more above them are put at the end of the ranking of
    `size` (Q,) entries. Queries without relevant entries are not numbered.
    """
    columns = np.empty((5, len(score)), np.int32)
    row, number = 0, 0
    for q in range(len(start) - 1):
        first, k = start[q], start[q + 1] - 1
        begin = row
        while k >= first:
            level, beyond = k - 1, counts.above[k] >= limit[q]
            while level >= first and (beyond or score[level] == score[k]):
                level -= 1
            for _ in range(level, k):
                columns[0, row] = number
                columns[1, row] = size[q] - (k - level) if beyond else counts.above[k]
                columns[2, row] = k - level if beyond else counts.tied[k]
                columns[3, row] = start[q + 1] - 1 - k
                columns[4, row] = k - level
                row += 1
            k = level
        number += row > begin
    return columns


@compiled()
def settle_pairs(
    queries: Scored,
    gallery: Scored,
    thresholds: Thresholds,
    counts: Counts,
    query: np.ndarray,
    entry: np.ndarray,
    threshold: np.ndarray,
) -> None:
    """Count pairs of a query and an entry (N,) whose float32 score is close to a threshold (N,)."""
    for n in range(len(query)):
        score = exact_score(queries, query[n], gallery, entry[n])
        counts.above[threshold[n]] += score > thresholds.score[threshold[n]]
        counts.tied[threshold[n]] += score == thresholds.score[threshold[n]]
