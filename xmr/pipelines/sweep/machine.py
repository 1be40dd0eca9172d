"""What of this machine each of several runs side by side may use: its share of the cores, and a GPU."""

import os
import shutil
import subprocess
from collections.abc import Sequence

THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs that runs may use, as CUDA_VISIBLE_DEVICES names them: those that it names now, or all."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    gpus = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(gpus))]


def shares(slot: int, slots: int, gpus: Sequence[str]) -> dict[str, str]:
    """The environment of the run in `slot`, counted from 0, of `slots` side by side.

    Each gets cores / `slots` threads, unless the user has set how many, and the GPUs in turn.
    """
    environment = {name: str(max(1, cores() // slots)) for name in THREADS if name not in os.environ}
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
    return environment
