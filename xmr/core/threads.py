"""Threads for compiled loops: each runs its own products, so that a tile stays in the cache of one core."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def worker_threads() -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """A pool of threads, and their number: that of torch. NumPy's products run on the thread that asks."""
    threads = torch.get_num_threads()
    with _controller().limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        yield pool, threads


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
