"""What takes long is made once, and who asks for something else does not wait for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from xmr.explorer.once import Once


def test_a_value_is_made_once_by_whoever_asks_first():
    once, made = Once(), []
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: once(n % 2, lambda: made.append(n) or [n]), range(40)))
    assert len(made) == 2
    assert all(found[n] is found[n % 2] for n in range(40))


def test_another_key_does_not_wait():
    once, go = Once(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(once, "slow", lambda: go.wait(30))
        assert once("quick", lambda: 5) == 5
        assert not slow.done()
        go.set()
        assert slow.result()


def test_a_failure_is_not_kept():
    once = Once()
    with pytest.raises(ZeroDivisionError):
        once("a", lambda: 1 / 0)
    assert once("a", lambda: 2) == 2
