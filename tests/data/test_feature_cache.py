import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xmr.core.errors import DataError
from xmr.data.feature_cache import FeatureCache

ROWS = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)


class Encoder:
    """Gives `ROWS` in batches of 3 and notes where each one began; fails at those in `fail_at`."""

    def __init__(self, *, fail_at: tuple[int, ...] = ()) -> None:
        self.fail_at = fail_at
        self.starts: list[int] = []

    def batches(self, start: int) -> Iterator[np.ndarray]:
        for begin in range(start, len(ROWS), 3):
            if begin in self.fail_at:
                raise ConnectionError("the file server went away")
            self.starts.append(begin)
            yield ROWS[begin : begin + 3]


def test_computes_once_and_then_reads(tmp_path):
    encoder, cache = Encoder(), FeatureCache(tmp_path)
    assert cache.get("key") is None
    features = cache.compute("key", shape=(10, 3), batches=encoder.batches)
    assert np.array_equal(features, ROWS)
    assert features.dtype == np.float32
    again = FeatureCache(tmp_path).compute("key", shape=(10, 3), batches=Encoder(fail_at=(0,)).batches)
    assert np.array_equal(again, ROWS)
    assert encoder.starts == [0, 3, 6, 9]
    assert isinstance(again, np.memmap)
    assert sorted(path.name for path in (tmp_path / "key").iterdir()) == ["features.npy", "lock"]


def test_keys_do_not_mix(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.compute("one", shape=(10, 3), batches=Encoder().batches)
    assert cache.get("two") is None


def test_goes_on_where_an_interrupted_computation_stopped(tmp_path):
    cache, first, second = FeatureCache(tmp_path), Encoder(fail_at=(6,)), Encoder()
    with pytest.raises(ConnectionError):
        cache.compute("key", shape=(10, 3), batches=first.batches)
    assert cache.get("key") is None
    features = FeatureCache(tmp_path).compute("key", shape=(10, 3), batches=second.batches)
    assert np.array_equal(features, ROWS)
    assert (first.starts, second.starts) == ([0, 3], [6, 9])


def test_goes_on_when_all_rows_were_there_but_not_the_name(tmp_path):
    cache, encoder = FeatureCache(tmp_path), Encoder(fail_at=(9,))
    with pytest.raises(ConnectionError):
        cache.compute("key", shape=(9, 3), batches=encoder.batches)
    features = cache.compute("key", shape=(9, 3), batches=lambda start: iter(()))
    assert np.array_equal(features, ROWS[:9])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_non_finite_rows_and_names_the_first(tmp_path, value):
    rows = ROWS.copy()
    rows[[4, 7], 1] = value

    def batches(start: int) -> Iterator[np.ndarray]:
        return (rows[begin : begin + 3] for begin in range(start, 10, 3))

    cache = FeatureCache(tmp_path)
    with pytest.raises(DataError, match="non-finite feature for row 4"):
        cache.compute("key", shape=(10, 3), batches=batches)
    assert cache.get("key") is None
    mended = Encoder()
    assert np.array_equal(cache.compute("key", shape=(10, 3), batches=mended.batches), ROWS)
    assert mended.starts == [3, 6, 9]


@pytest.mark.parametrize(
    ("shape", "named"),
    [((11, 3), "10 rows of features for 11 inputs"), ((8, 3), r"after row 6"), ((10, 4), "check its `dim`")],
    ids=["too few", "too many", "too narrow"],
)
def test_refuses_features_of_another_shape(tmp_path, shape, named):
    cache = FeatureCache(tmp_path)
    with pytest.raises(DataError, match=named):
        cache.compute("key", shape=shape, batches=Encoder().batches)
    assert cache.get("key") is None


def test_one_column_is_not_spread_over_all(tmp_path):
    with pytest.raises(DataError, match=r"\(3, 1\) after row 0"):
        FeatureCache(tmp_path).compute("key", shape=(10, 3), batches=lambda start: iter([ROWS[:3, :1]]))


PROGRAM = """
import os, sys, time
import numpy as np
from pathlib import Path
from xmr.data.feature_cache import FeatureCache

def batches(start):
    for begin in range(start, 10, 2):
        if begin == 6 and len(sys.argv) > 2:
            os.kill(os.getpid(), 9)
        time.sleep(0.1)
        with open(Path(sys.argv[1]) / "calls", "a") as file:
            file.write(f"{begin}\\n")
        yield np.full((2, 3), begin, np.float32)

features = FeatureCache(sys.argv[1]).compute("key", shape=(10, 3), batches=batches)
assert features[:, 0].tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
"""


def run(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), *arguments], env=environment)


def test_processes_at_once_compute_once(tmp_path):
    processes = [run(tmp_path) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "calls").read_text().split() == ["0", "2", "4", "6", "8"]


def test_goes_on_after_a_kill(tmp_path):
    assert run(tmp_path, "die").wait(60) == -9
    assert run(tmp_path).wait(60) == 0
    assert (tmp_path / "calls").read_text().split() == ["0", "2", "4", "6", "8"]
