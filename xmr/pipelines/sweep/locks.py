"""Who works on a trial: locks that the system lets go when a process ends, however it ends."""

import fcntl
import os
from pathlib import Path


class TrialLock:
    """The lock of a trial's folder, held by the sweep that watches over it and by the run itself.

    Both hold it shared; who can lock it alone knows that no process works on the trial. `claim` must not be
    called by two processes at once.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".lock"
        self._file: int | None = None

    def claim(self) -> bool:
        """Hold it from now on; False when another process does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        fcntl.flock(file, fcntl.LOCK_SH)
        self._file = file
        return True

    def share(self) -> int:
        """A file descriptor that holds it, too, to be handed to the run and closed here."""
        file = os.open(self.path, os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    def release(self) -> None:
        """Hold it no longer."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
