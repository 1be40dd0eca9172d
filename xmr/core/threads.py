"""Threads for compiled loops: each runs its own products, so that a tile stays in the cache of one core."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def worker_threads() -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """A pool of threads, and their number: that of torch. NumPy's products run on the thread that asks.

    What waits in the pool is given up when the block is left by an exception, as Ctrl-C raises.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads)
    with single_threaded_blas:
        try:
            yield pool, threads
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()


class _SingleThreadedBlas:
    """Limits BLAS to the calling thread while anyone is inside; the limit is one of the whole process."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


single_threaded_blas = _SingleThreadedBlas()
"""`with single_threaded_blas:` a small product leaves no thread behind that waits for more at full load."""


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
