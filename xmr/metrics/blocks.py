"""Values of tied blocks that take a sum over places: each distinct block once, many blocks at a time."""

from collections.abc import Callable

import numpy as np

CHUNK = 2**18
"""Elements of one table (blocks, width): a few megabytes with its temporaries."""


def over_distinct(columns: np.ndarray, widths: np.ndarray, value: Callable[..., np.ndarray]) -> np.ndarray:
    """The value (N,) of each block, a column of `columns` (C, N), computed once for each distinct column.

    `value(steps, *columns)` takes some blocks, each column as (n, 1), and `steps` 0..width - 1 (width,);
    it works on tables (n, width) and returns (n,). `widths` (N,) is what each block needs, and is the same
    for equal blocks; what lies beyond is computed, too, and must add nothing.
    """
    if not columns.shape[1]:
        return np.zeros(0)
    order = np.lexsort(columns)
    differs = np.ones(len(order), dtype=bool)
    differs[1:] = (columns[:, order[1:]] != columns[:, order[:-1]]).any(axis=0)
    distinct = order[differs]
    # widest first: a chunk is as wide as its first block
    distinct_by_width = np.argsort(-widths[distinct], kind="stable")
    values = np.empty(len(distinct))
    begin = 0
    while begin < len(distinct):
        widest = int(widths[distinct[distinct_by_width[begin]]])
        chunk = distinct_by_width[begin : begin + max(1, CHUNK // widest)]
        values[chunk] = value(np.arange(widest), *columns[:, distinct[chunk], None])
        begin += len(chunk)
    result = np.empty(len(order))
    result[order] = values[np.cumsum(differs) - 1]
    return result
