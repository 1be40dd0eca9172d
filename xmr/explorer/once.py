"""Values that take long to make, each made once, on a thread of its own."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

from xmr.explorer.waiting import awaited, has_waited

T = TypeVar("T")


class Once(Generic[T]):
    """Keeps one value for each key; only those who ask for the same key wait for each other.

    The threads are daemons: Ctrl-C does not wait for a long load.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Future[T]] = {}
        self._lock = Lock()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for `key` before, or what `make` makes now; what it raises is raised, not kept."""
        return awaited((self, key), lambda: self._begun(key, make))

    def has(self, key: Hashable) -> bool:
        """Whether the value of `key` is there, and was before the request that asks came."""
        with self._lock:
            future = self._kept.get(key)
        return future is not None and future.done() and not has_waited((self, key))

    def _begun(self, key: Hashable, make: Callable[[], T]) -> Future[T]:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = Future()
                Thread(target=self._make, args=(key, make, self._kept[key]), daemon=True).start()
            return self._kept[key]

    def _make(self, key: Hashable, make: Callable[[], T], future: Future[T]) -> None:
        try:
            value = make()
        except BaseException as error:  # noqa: BLE001  # it is raised in the threads that asked
            with self._lock:
                del self._kept[key]
            future.set_exception(error)
        else:
            future.set_result(value)
