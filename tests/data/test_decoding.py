import signal
from time import sleep

import pytest

from xmr.core.errors import DataError
from xmr.data.decoding import inspect_images


def look(key: str) -> int:
    if key == "3":
        raise DataError("3 is cut off")
    return int(key) * 10


@pytest.mark.parametrize("workers", [1, 4])
def test_results_and_errors_come_in_the_order_of_the_keys(workers: int) -> None:
    done: list[None] = []
    keys = [str(n) for n in range(50)]
    found = inspect_images(look, keys, workers=workers, on_done=lambda: done.append(None))
    assert found[:3] + found[4:] == [10 * n for n in range(50) if n != 3]
    assert isinstance(found[3], DataError)
    assert len(done) == 50


def test_an_interrupt_ends_the_work() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored
    looked = []

    def slow(key: str) -> None:
        looked.append(key)
        sleep(0.005)

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            inspect_images(slow, [str(n) for n in range(1000)], workers=2, on_done=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(looked) < 20


def test_no_images() -> None:
    assert inspect_images(look, [], workers=2, on_done=lambda: None) == []
