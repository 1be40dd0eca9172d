"""Threads for the compiled loops of search, each with products of its own."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from xmr.core.threads import worker_threads


def run_on_threads(work: Callable[[Any], None], values: Iterable[Any], *, threads: int | None = None) -> None:
    """Call `work` with each of `values`, on as many threads as torch uses, or on so many; 1 starts none.

    Products in `work`, by torch or NumPy, run on the thread that asks for them.
    """
    count = torch.get_num_threads()
    if (count if threads is None else threads) == 1:
        for value in values:
            work(value)
        return
    with worker_threads() as (pool, _):
        try:
            list(pool.map(partial(_alone, work), values))
        finally:
            # set_num_threads is for the thread that calls it, and for those that are started later
            torch.set_num_threads(count)


def _alone(work: Callable[[Any], None], value: Any) -> None:
    torch.set_num_threads(1)
    work(value)
