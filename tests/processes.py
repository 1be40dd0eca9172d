"""Real processes for the tests, that may be killed; torch and Lightning are imported once for all of them."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

PRELOADED = ["xmr.training.module", "xmr.training.evaluation"]


def start(target: Callable[..., None], *arguments: Any, **environment: str) -> ForkServerProcess:
    """Call `target` in a new process, with `environment` on top of this one's."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run, args=(target, arguments, environment))
    process.start()
    return process


def join(process: ForkServerProcess, seconds: float = 120) -> int:
    """Wait for `process`; its exit code, negative when a signal killed it."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"process {process.pid} still ran after {seconds} s")
    return process.exitcode


def _run(target: Callable[..., None], arguments: tuple[Any, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment, CUDA_VISIBLE_DEVICES="")
    multiprocessing.set_start_method("fork", force=True)  # for the workers of data loaders
    target(*arguments)
