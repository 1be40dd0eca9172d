"""The memory that a piece of work takes: the highest resident set size over that before it."""

import ctypes
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def peak_megabytes(work: Callable[[], Any]) -> float | None:
    """Megabytes (10^6 bytes) by which `work` raises this process's memory at its highest; None outside Linux
    (with glibc, as PyTorch's wheels have it).

    The kernel keeps the mark, so that no peak is missed between two samples.
    """
    if sys.platform != "linux":
        return None
    # memory that was freed but kept by the allocator would be used again, uncounted
    ctypes.CDLL(None).malloc_trim(0)
    # 5: the mark falls to what is resident now
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmHWM")
    work()
    return (_kilobytes("VmHWM") - before) * 1024 / 1e6


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function(*arguments)` returns when a fresh Python process calls it; all must pickle."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        return process.submit(function, *arguments).result()


def _kilobytes(field: str) -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
