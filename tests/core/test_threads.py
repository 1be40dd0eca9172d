import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from xmr.core.threads import worker_threads


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_overlapping_users_leave_the_limit_of_blas_as_it_was():
    np.ones((8, 8)) @ np.ones((8, 8))
    before = blas_threads()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with worker_threads():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with worker_threads():
        thread.start()
        assert entered.wait(30)
    assert set(blas_threads()) == {1}, "the other one is still inside"
    leave.set()
    thread.join()
    assert blas_threads() == before


def test_an_exception_gives_up_what_waits_and_restores_the_limit():
    before, done = blas_threads(), []
    gate = threading.Event()

    def interrupted():
        with worker_threads() as (pool, threads):
            for _ in range(threads):
                pool.submit(gate.wait, 30)
            pool.submit(done.append, 1)
            threading.Timer(0.1, gate.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not done
    assert blas_threads() == before
