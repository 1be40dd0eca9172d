"""The compiled loops of exact search: dot products, collecting the best scores, and scoring them again.

All of them live in this file: a compiled loop that is kept on disk is made anew only when its own
file changes.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from xmr.core.compiled import compiled

# sums may be reordered into vector lanes; their order depends on the dimension alone, so equal rows tie
LANES = {"reassoc", "contract", "nsz"}
BLOCK = 128
"""Scores compared before a branch is taken: most blocks hold nothing new, and cost a few instructions."""
OVERFLOWN = -1


class Best(NamedTuple):
    """The best scores of B queries so far, and all within a margin of the k-th: what one thread has seen.

    Query b has `counts[b]` entries in `scores` and `positions` (B, C); when they reach `limits[b]`, those
    that can be left out are. `bar` repeats the score that each query's entries must reach, as often as a
    block holds whole rows. With more than C within the margin, `counts[b]` becomes `OVERFLOWN`.
    """

    k: int
    margin: np.ndarray
    bar: np.ndarray
    counts: np.ndarray
    limits: np.ndarray
    scores: np.ndarray
    positions: np.ndarray


@intrinsic
def _float_of_bits(_context: Any, _bits: Any) -> Any:
    def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], target.get_value_type(types.float32))

    return types.float32(types.uint32), generate


@compiled(lanes=LANES)
def lengths(rows: np.ndarray, out: np.ndarray) -> None:
    """Lengths of float32 rows (n, D) -> out (n,), summed in float64."""
    for row in range(len(rows)):
        total = 0.0
        for d in range(rows.shape[1]):
            total += np.float64(rows[row, d]) * np.float64(rows[row, d])
        out[row] = np.sqrt(total)


@compiled(lanes=LANES)
def round_to_bfloat16(rows: np.ndarray, out: np.ndarray) -> float:
    """Round float32 rows (n, D) to bfloat16 -> out (n, D), uint16; returns how far a row moved at most."""
    bits = rows.view(np.uint32)
    furthest = 0.0
    for row in range(len(rows)):
        total = 0.0
        for d in range(rows.shape[1]):
            whole = bits[row, d]
            half = np.uint32(
                (whole + np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
            )
            out[row, d] = np.uint16(half)
            moved = rows[row, d] - _float_of_bits(np.uint32(half << np.uint32(16)))  # type: ignore[call-arg]
            total += np.float64(moved) * np.float64(moved)
        furthest = max(furthest, np.sqrt(total))
    return furthest


@compiled(lanes=LANES)
def dot_rows(rows: np.ndarray, query: np.ndarray, out: np.ndarray) -> None:
    """Dot products of float32 rows (n, D) with one query (D,) -> out (n, 1): one pass over memory."""
    for row in range(len(rows)):
        total = np.float32(0)
        for d in range(len(query)):
            total += rows[row, d] * query[d]
        out[row, 0] = total


@compiled(lanes=LANES)
def dot_bfloat16_rows(rows: np.ndarray, query: np.ndarray, out: np.ndarray) -> None:
    """As `dot_rows`, for bfloat16 rows given as uint16: the upper halves of float32."""
    for row in range(len(rows)):
        total = np.float32(0)
        for d in range(len(query)):
            bits = np.uint32(np.uint32(rows[row, d]) << np.uint32(16))
            total += _float_of_bits(bits) * query[d]  # type: ignore[call-arg]
        out[row, 0] = total


@compiled()
def collect(scores: np.ndarray, begin: int, best: Best) -> None:
    """Take from scores (n, B), of gallery entries from `begin` on, what may be among each query's best k."""
    flat, bar = scores.reshape(-1), best.bar
    queries, period = len(best.counts), len(best.bar)
    offset, column = 0, 0
    while offset < len(flat):
        width = min(BLOCK, period - column, len(flat) - offset)
        block, needed = flat[offset : offset + width], bar[column : column + width]
        reached = np.int32(0)
        for j in range(width):
            reached += np.int32(block[j] >= needed[j])
        if reached:
            for j in range(width):
                if block[j] >= needed[j]:
                    _insert((column + j) % queries, block[j], begin + (offset + j) // queries, best)
        offset += width
        column = 0 if column + width == period else column + width


@compiled()
def _insert(query: int, score: float, position: int, best: Best) -> None:
    count = best.counts[query]
    best.scores[query, count], best.positions[query, count] = score, position
    best.counts[query] = count + 1
    if count + 1 == best.limits[query]:
        _leave_out(query, best)


@compiled()
def _leave_out(query: int, best: Best) -> None:
    """Raise the bar to the k-th best score less the margin, and keep what reaches it."""
    count, capacity = best.counts[query], best.scores.shape[1]
    scores, positions = best.scores[query], best.positions[query]
    bar = np.float32(np.partition(scores[:count], count - best.k)[count - best.k] - best.margin[query])
    kept = 0
    for j in range(count):
        if scores[j] >= bar:
            scores[kept], positions[kept] = scores[j], positions[j]
            kept += 1
    best.counts[query] = kept
    if 2 * kept > best.limits[query]:
        if best.limits[query] == capacity:
            best.counts[query], bar = OVERFLOWN, np.float32(np.inf)
        best.limits[query] = min(2 * best.limits[query], capacity)
    best.bar[query :: len(best.counts)] = bar


@compiled()
def candidates_of(
    counts: np.ndarray, scores: np.ndarray, positions: np.ndarray, margin: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """What T threads collected for B queries -> start (B + 1,) and positions of the candidates of each.

    `counts` is (T, B), `scores` and `positions` are (T, B, C). A query that overflew has none.
    """
    threads, queries = counts.shape
    start = np.zeros(queries + 1, np.int64)
    kept = np.empty(np.maximum(counts, 0).sum(), np.int64)
    filled = 0
    for q in range(queries):
        if counts[:, q].min() != OVERFLOWN:
            seen, total = np.empty(counts[:, q].sum(), np.float32), 0
            for t in range(threads):
                seen[total : total + counts[t, q]] = scores[t, q, : counts[t, q]]
                total += counts[t, q]
            bar = np.partition(seen, total - k)[total - k] - margin[q]
            for t in range(threads):
                for j in range(counts[t, q]):
                    if scores[t, q, j] >= bar:
                        kept[filled] = positions[t, q, j]
                        filled += 1
        start[q + 1] = filled
    return start, kept[:filled]


@compiled(lanes=LANES)
def exact_score(query: np.ndarray, row: np.ndarray, squared_distance: bool) -> np.float32:
    """Dot product, or minus the squared distance, of two vectors: summed in float64, rounded to float32."""
    total = 0.0
    if squared_distance:
        for d in range(len(query)):
            difference = np.float64(query[d]) - np.float64(row[d])
            total -= difference * difference
    else:
        for d in range(len(query)):
            total += np.float64(query[d]) * np.float64(row[d])
    return np.float32(total)


@compiled()
def rank_candidates(
    queries: np.ndarray,
    rows: np.ndarray,
    start: np.ndarray,
    positions: np.ndarray,
    squared_distance: bool,
    best_scores: np.ndarray,
    best_positions: np.ndarray,
) -> None:
    """Score the candidates exactly and write the best k of each query: by score, then by position.

    Those of query q are rows start[q]..start[q + 1] - 1 of `rows` (N, D) and `positions` (N,); the best
    k go to `best_scores` and `best_positions` (B, k). A query without candidates is left as it is.
    """
    k = best_scores.shape[1]
    for q in range(len(queries)):
        first, last = start[q], start[q + 1]
        if last > first:
            by_position = first + np.argsort(positions[first:last])
            scores = np.empty(last - first, np.float32)
            for j, at in enumerate(by_position):
                scores[j] = exact_score(queries[q], rows[at], squared_distance)
            order = np.argsort(-scores, kind="mergesort")[:k]
            best_scores[q], best_positions[q] = scores[order], positions[by_position[order]]


@compiled()
def scan_exactly(
    queries: np.ndarray,
    rows: np.ndarray,
    begin: int,
    squared_distance: bool,
    best_scores: np.ndarray,
    best_positions: np.ndarray,
) -> None:
    """Put into the sorted best k (B, k) of each query what of rows (n, D), from `begin` on, belongs there.

    Rows must come in order of position: of equal scores the first one stays.
    """
    k = best_scores.shape[1]
    for q in range(len(queries)):
        scores, positions = best_scores[q], best_positions[q]
        for row in range(len(rows)):
            score = exact_score(queries[q], rows[row], squared_distance)
            if score > scores[k - 1]:
                at = k - 1
                while at > 0 and score > scores[at - 1]:
                    scores[at], positions[at] = scores[at - 1], positions[at - 1]
                    at -= 1
                scores[at], positions[at] = score, begin + row
