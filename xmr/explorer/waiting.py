"""Waiting for what takes long without a thread of the pool: it has few, and other requests need them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")
P = ParamSpec("P")

_waited: ContextVar[dict[Hashable, Future[Any]] | None] = ContextVar("waited", default=None)
"""What the request that runs in this thread has waited for, by name; None where it is no request."""


class Missing(Exception):  # noqa: N818  # no error: the request goes on once `future` is done
    """A request needs what is still being made."""

    def __init__(self, name: Hashable, future: Future[Any]) -> None:
        super().__init__(name)
        self.name, self.future = name, future


def awaited(name: Hashable, begin: Callable[[], Future[T]]) -> T:
    """What the future of `begin` ends with; a request that would have to wait for it ends with `Missing`.

    A request that has waited for `name` gets what it waited for, a failure as well: it does not begin again.
    """
    waited = _waited.get()
    if waited is None:
        return begin().result()
    future = waited.get(name) or begin()
    if not future.done():
        raise Missing(name, future)
    return future.result()


def has_waited(name: Hashable) -> bool:
    """Whether the request that runs in this thread has waited for `name`."""
    return name in (_waited.get() or {})


async def answered(work: Callable[[], T]) -> T:
    """What `work` returns on a thread of the pool, begun anew after each wait: it must change nothing."""
    waited: dict[Hashable, Future[Any]] = {}
    while True:
        try:
            return await run_in_threadpool(_as_request, work, waited)
        except Missing as missing:
            done = asyncio.wrap_future(missing.future)
            await asyncio.wait([done])
            done.exception()  # `work` raises it; asked for, asyncio does not warn of it
            waited[missing.name] = missing.future


def patient(handler: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """A handler that FastAPI runs as `answered` does."""

    @wraps(handler)
    async def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        return await answered(partial(handler, *args, **kwargs))

    return waiting


def _as_request(work: Callable[[], T], waited: dict[Hashable, Future[Any]]) -> T:
    _waited.set(waited)  # each run in the pool has a context of its own
    return work()
