"""Compiled loops: kept on disk where a cache can be written, compiled in each process where none can."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(*, lanes: set[str] | None = None, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that compiles a loop to run without Python's lock; `lanes` tells what sums may do."""

    def decorate(function: Callable[..., Any]) -> Any:
        settings = {"nogil": True, "fastmath": lanes or False, **options}
        try:
            return njit(cache=True, **settings)(function)
        except RuntimeError as error:
            # a read-only installation without a home: numba finds no folder for its cache
            if "no locator available" not in str(error):
                raise
            return njit(**settings)(function)

    return decorate
