"""The compiled loops of binary search: Hamming distances of packed bits, and the nearest by them."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from xmr.core.compiled import compiled

BLOCK = 128
POSITION_BITS = 40
"""A key is a distance above so many bits of position: the smaller one is nearer, or comes first."""


@intrinsic
def _ones(_context: Any, _word: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@compiled()
def nearest_keys(
    codes: np.ndarray,
    queries: np.ndarray,
    begin: int,
    k: int,
    counts: np.ndarray,
    bars: np.ndarray,
    keys: np.ndarray,
) -> None:
    """Keep the k nearest codes of each query, of what came so far and codes (n, W) from position `begin` on.

    Codes and queries (B, W) are packed in uint64. `keys` (B, C > k) holds `counts[b]` keys of query b, the
    k smallest among them; codes at `bars[b]` or further are none of these, as positions only grow.
    """
    distances = np.empty(BLOCK, np.int64)
    words = codes.shape[1]
    for q in range(len(queries)):
        query = queries[q]
        for first in range(0, len(codes), BLOCK):
            block = codes[first : first + BLOCK]
            nearer = 0
            for row in range(len(block)):
                distance = np.uint64(0)
                for word in range(words):
                    distance += _ones(block[row, word] ^ query[word])  # type: ignore[call-arg]
                distances[row] = np.int64(distance)
                nearer += np.int64(distance) < bars[q]
            if nearer:
                for row in range(len(block)):
                    if distances[row] < bars[q]:
                        position = begin + first + row
                        keys[q, counts[q]] = (distances[row] << POSITION_BITS) | position
                        counts[q] += 1
                        if counts[q] == keys.shape[1]:
                            _leave_out(q, k, counts, bars, keys)


@compiled()
def _leave_out(q: int, k: int, counts: np.ndarray, bars: np.ndarray, keys: np.ndarray) -> None:
    """Keep the k smallest of a full row of keys."""
    row = np.partition(keys[q], k - 1)
    keys[q, :k] = row[:k]
    counts[q], bars[q] = k, row[k - 1] >> POSITION_BITS
