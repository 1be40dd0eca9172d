"""A memory of what was used last, within a limit of entries and of bytes, for any number of threads."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


def _nothing(_: object) -> int:
    return 0


class Recent(Generic[T]):
    """Keeps at most `entries` values of at most `nbytes` in all, as `size_of` counts them.

    Those used longest ago are forgotten first; a value that is too large alone is not kept.
    """

    def __init__(self, entries: int, *, nbytes: int = 0, size_of: Callable[[T], int] = _nothing) -> None:
        self._entries, self._nbytes, self._size_of = entries, nbytes, size_of
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._held, self._lock = 0, Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        """The value of `key`, or None when it is not kept (any more)."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: T) -> None:
        """Keep `value`, and forget what no longer fits."""
        with self._lock:
            if (before := self._kept.pop(key, None)) is not None:
                self._held -= self._size_of(before)
            self._kept[key] = value
            self._held += self._size_of(value)
            while len(self._kept) > self._entries or self._held > self._nbytes:
                _, oldest = self._kept.popitem(last=False)
                self._held -= self._size_of(oldest)
