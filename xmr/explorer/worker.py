"""One thread that does the numeric work of all requests, so that they don't fight for the cores."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs what it is given, one after the other, on one thread of its own.

    Torch and BLAS keep a team of threads for each thread that calls them: with one caller there is one
    team. The thread is a daemon: Ctrl-C does not wait for a long projection.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done when its turn comes."""
        future: Future[T] = Future()
        self._queue.put((future, work))
        return future

    def __call__(self, work: Callable[[], T]) -> T:
        """Have `work` done, and wait for what it returns or raises."""
        return self.start(work).result()

    def _work(self) -> None:
        while True:
            future, work = self._queue.get()
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  # it is raised in the thread that asked
                future.set_exception(error)
            del future, work
