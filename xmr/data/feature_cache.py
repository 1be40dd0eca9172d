"""Features of frozen encoders, computed once and kept on disk under the fingerprint of all they rest on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock

from xmr.core.errors import DataError
from xmr.core.files import write_json


class FeatureCache:
    """A folder of feature arrays, one sub-folder a key.

    An array grows in `partial.npy` with the count of finished rows beside it, so that an interrupted
    computation goes on where it stopped, and is renamed to `features.npy` when it is whole.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def get(self, key: str) -> np.ndarray | None:
        """The features (N, D) stored under `key`, memory-mapped; None when there are none yet."""
        path = self.root / key / "features.npy"
        return np.load(path, mmap_mode="r") if path.exists() else None

    def compute(
        self, key: str, *, shape: tuple[int, int], batches: Callable[[int], Iterator[np.ndarray]]
    ) -> np.ndarray:
        """The features (N, D) under `key`, computed where they are missing and stored.

        `batches(start)` yields the rows from `start` on, in order, float32. Several processes may ask for
        one key: the first computes, the others wait. Raises `DataError` for a non-finite row.
        """
        if (stored := self.get(key)) is not None:
            return stored
        folder = self.root / key
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if (stored := self.get(key)) is not None:
                return stored
            self._fill(folder, shape, batches)
            (folder / "partial.npy").replace(folder / "features.npy")
            (folder / "progress.json").unlink(missing_ok=True)
        features = self.get(key)
        if features is None:
            raise DataError(f"{folder / 'features.npy'} vanished while it was being written; run again")
        return features

    @staticmethod
    def _fill(folder: Path, shape: tuple[int, int], batches: Callable[[int], Iterator[np.ndarray]]) -> None:
        partial, progress = folder / "partial.npy", folder / "progress.json"
        done = json.loads(progress.read_text())["rows"] if progress.exists() and partial.exists() else 0
        mode = "r+" if done else "w+"
        features = np.lib.format.open_memmap(partial, mode=mode, dtype=np.float32, shape=shape)
        for rows in batches(done):
            _check(rows, done, shape)
            features[done : done + len(rows)] = rows
            done += len(rows)
            features.flush()
            write_json(progress, {"rows": done})
        if done < len(features):
            raise DataError(f"the encoder gave {done} rows of features for {len(features)} inputs")


def _check(rows: np.ndarray, done: int, shape: tuple[int, int]) -> None:
    if rows.shape[1:] != shape[1:] or done + len(rows) > shape[0]:
        raise DataError(
            f"the encoder gave features {rows.shape} after row {done} where {shape} in all were expected; "
            f"check its `dim`"
        )
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        bad = done + int(np.flatnonzero(~finite)[0])
        raise DataError(f"the encoder gave a non-finite feature for row {bad}; check its input and weights")
