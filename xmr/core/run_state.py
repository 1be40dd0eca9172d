"""Whether a run has finished, is running or has stopped, by what lies in its folder."""

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from xmr.core.files import write_json

State = Literal["finished", "running", "stopped"]

RUNNING = "running.json"
"""Lies in a run's folder while it trains: {"host", "pid", "started"}, the last in ISO 8601."""

RESULTS = "results.json"

SILENT_SECONDS = 3600
"""A run of another machine, whose processes can't be seen, has stopped once it is silent for so long."""

CLOCK_SECONDS = 60
"""By how much a process may seem to have begun after it noted so."""


class RunningMark:
    """Says in `folder` that this process trains there, until `release` (or until the process is gone)."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / RUNNING
        started = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self._file, {"host": socket.gethostname(), "pid": os.getpid(), "started": started})

    def release(self) -> None:
        """Say that it trains no more; again: nothing."""
        self._file.unlink(missing_ok=True)


def run_state(folder: Path) -> State:
    """A run is "running" while the process that trains lives, else "finished" where there are results.

    The process is looked for by its id on the machine that `running.json` names, where one that began later
    has merely inherited the id; a run of another machine counts as running while its metrics.csv grows.
    """
    if _is_running(folder):
        return "running"
    return "finished" if (folder / RESULTS).is_file() else "stopped"


def _is_running(folder: Path) -> bool:
    try:
        note = json.loads((folder / RUNNING).read_text(encoding="utf-8"))
        host, pid, started = note["host"], int(note["pid"]), datetime.fromisoformat(note["started"])
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        return False  # files are written whole: this one is not of a run
    if host != socket.gethostname():
        return _seconds_silent(folder) < SILENT_SECONDS
    began = _process_began(pid)
    return began is not None and began < started.timestamp() + CLOCK_SECONDS


def _seconds_silent(folder: Path) -> float:
    """Seconds since the run last logged, or else since it began."""
    files = [folder / name for name in ("metrics.csv", RUNNING)]
    return time.time() - max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def _process_began(pid: int) -> float | None:
    """When a process began, in seconds since 1970 (0 where the system does not tell); None if it is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # another user's, but alive
    try:
        # the name of the program, in brackets, may hold spaces
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = next(
            float(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime")
        )
    except FileNotFoundError:
        return 0.0
    state, ticks = fields[0], int(fields[19])
    return None if state == "Z" else boot + ticks / os.sysconf("SC_CLK_TCK")
