"""Values that take long to make, each made once by whoever asks first."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Keeps one value for each key; only those who ask for the same key wait for each other."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, T] = {}
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for `key` before, or what `make` makes now; what it raises is raised, not kept."""
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]
