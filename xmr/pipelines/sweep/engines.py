"""Where the runs of a sweep are started: as processes of this machine, or as tasks of Ray."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from xmr.pipelines.cli import CONF
from xmr.pipelines.ray_cluster import start_ray
from xmr.pipelines.sweep.locks import TrialLock
from xmr.pipelines.sweep.machine import shares, visible_gpus

LOG = "output.log"
STOP = ".stop"
POLL_SECONDS = 0.5


class Process(Protocol):
    """A command that runs somewhere."""

    def poll(self) -> int | None:
        """Its exit code, negative when a signal killed it, or None while it runs."""

    def stop(self) -> None:
        """Ask it to save and stop (SIGTERM), without waiting; again, or when it has ended: nothing."""


class Engine(Protocol):
    """Starts commands, `slots` at a time, of which each has its share of the machine."""

    slots: int

    def start(self, words: Sequence[str], folder: Path, slot: int) -> Process:
        """Start a script of the repository with its arguments; its output is added to `folder`/output.log."""

    def close(self) -> None:
        """Let go of what the engine holds."""


class LocalEngine:
    """Processes of this machine, which share its cores and its GPUs when there are several slots."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._gpus = visible_gpus()

    def start(self, words: Sequence[str], folder: Path, slot: int) -> Process:
        """Start it with the threads and the GPU of the slot."""
        environment = shares(slot, self.slots, self._gpus) if self.slots > 1 else {}
        return LocalProcess(_command(words), folder, environment)

    def close(self) -> None:
        """Do nothing: it holds nothing."""


class LocalProcess:
    """A process of this machine, in a session of its own: a terminal's Ctrl-C reaches the sweep alone."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self._stopped = False
        held = TrialLock(folder).share()
        try:
            with (folder / LOG).open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, *command],
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    start_new_session=True,
                    # as long as it runs, with this sweep or without, nobody else takes the trial
                    pass_fds=[held],
                )
        finally:
            os.close(held)

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Send SIGTERM, once: a second one would stop it before it has saved."""
        if not self._stopped and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._stopped = True


class RayEngine:
    """Tasks of Ray: of the cluster at RAY_ADDRESS, or of one that is started on this machine.

    A run has the share of `start_ray`. All machines must see the folders of the runs and the working folder
    under the same paths.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._ray, share = start_ray(slots)
        self._task = self._ray.remote(max_retries=0, **share)(run_to_end)

    def start(self, words: Sequence[str], folder: Path, slot: int) -> Process:  # noqa: ARG002  # Ray shares
        """Hand it to Ray, which starts it when there is room."""
        (folder / STOP).unlink(missing_ok=True)
        reference = self._task.remote(_command(words), str(folder.resolve()), str(Path.cwd()))
        return RayProcess(self._ray, reference, folder)

    def close(self) -> None:
        """Leave the cluster, or end the one that was started here."""
        self._ray.shutdown()


class RayProcess:
    """A task of Ray that runs a command."""

    def __init__(self, ray: Any, reference: Any, folder: Path) -> None:
        self._ray, self._reference, self._folder = ray, reference, folder

    def poll(self) -> int | None:
        """The command's exit code, or None while it waits or runs; of SIGKILL when its machine is gone."""
        done, _ = self._ray.wait([self._reference], timeout=0)
        if not done:
            return None
        try:
            return self._ray.get(self._reference)
        except self._ray.exceptions.RayError:
            return -signal.SIGKILL

    def stop(self) -> None:
        """Leave a note that the task looks for: a signal does not reach another machine."""
        (self._folder / STOP).touch()


def _command(words: Sequence[str]) -> list[str]:
    """A script of the repository with its arguments, wherever it is called from."""
    return [str(CONF.parent / words[0]), *words[1:]]


def run_to_end(command: Sequence[str], folder: str, cwd: str) -> int:
    """Run it on the machine where this is called, until it ends or is asked to stop: its exit code."""
    process = LocalProcess(command, Path(folder), {}, Path(cwd))
    while (code := process.poll()) is None:
        if (Path(folder) / STOP).exists():
            process.stop()
        time.sleep(POLL_SECONDS)
    return code
