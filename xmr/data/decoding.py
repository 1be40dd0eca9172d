"""Looks at many images in threads, to find the ones that can't be read."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from xmr.core.errors import DataError

T = TypeVar("T")


def inspect_images(
    look: Callable[[str], T], keys: Sequence[str], *, workers: int, on_done: Callable[[], object]
) -> list[T | DataError]:
    """Call `look` on each image key; its result, or the `DataError` it raised, in the order of `keys`.

    `on_done` is called after each image. An interrupt ends the work with the images under way.
    """

    def attempt(key: str) -> T | DataError:
        try:
            return look(key)
        except DataError as error:
            return error

    found = []
    pool = ThreadPoolExecutor(workers)
    try:
        for result in pool.map(attempt, keys):
            found.append(result)
            on_done()
    finally:
        pool.shutdown(cancel_futures=True)
    return found
