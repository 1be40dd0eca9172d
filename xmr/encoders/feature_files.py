"""Where precomputed features lie: one .npz file with all of them, or a folder with a .npy file for each."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from xmr.core.errors import DataError, MissingFilesError, problems_message
from xmr.core.files import fingerprint, sha256_file

LAYOUT = "an .npz file with `ids` and `features`, or a folder of <id>.npy files"


class NpzFeatures:
    """`ids` (M,) and `features` (M, C) or (M, R, C) of an .npz file, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            loaded = np.load(path, allow_pickle=False)
            if not isinstance(loaded, NpzFile):
                raise ValueError("it holds one array")
            with loaded as arrays:
                ids, features = arrays["ids"], arrays["features"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"features {path} can't be read ({error}); write them with "
                f"np.savez(path, ids=np.array(ids, dtype=str), features=features)"
            ) from error
        if ids.ndim != 1 or features.ndim not in (2, 3) or len(ids) != len(features) or not features.size:
            raise DataError(
                f"features {path}: ids {ids.shape} and features {features.shape}; "
                f"expected (M,) with (M, C) or (M, R, C), none of them 0"
            )
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in ids.tolist()]
        self._rows = {name: row for row, name in enumerate(names)}
        if len(self._rows) < len(names):
            twice = sorted({name for row, name in enumerate(names) if self._rows[name] != row})
            problems = (f"id '{name}' appears more than once" for name in twice)
            raise DataError(problems_message(f"features {path}", problems, "Keep one of each."))
        # (M, R, C), R = 1 for single vectors
        self._features = features.reshape(len(ids), -1, features.shape[-1])
        self.shape: tuple[int, int] = self._features.shape[1:]

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, name: str) -> np.ndarray:
        """The vectors (R, C) of an id, float32."""
        return self._features[self._rows[name]].astype(np.float32)

    def fingerprint(self) -> str:
        """Changes with the content, wherever the file lies."""
        return sha256_file(self.path)[:16]


class FeatureFolder:
    """<id>.npy files below a folder, each (C,) or (R, C); an id may hold folders (`train/7`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = {
            file.relative_to(path).with_suffix("").as_posix(): file for file in sorted(path.rglob("*.npy"))
        }
        if not self._files:
            raise MissingFilesError(f"features {path}: the folder has no .npy file; expected {LAYOUT}")
        shapes = {name: self._open(name).shape for name in self._files}
        channels = {shape[-1] for shape in shapes.values() if shape}
        problems = [f"'{name}' is {shape}" for name, shape in shapes.items() if len(shape) not in (1, 2)]
        problems += [f"'{name}' is {shape}" for name, shape in shapes.items() if 0 in shape]
        if problems or len(channels) > 1:
            problems += [f"vectors of {width} values" for width in sorted(channels)] * (len(channels) > 1)
            raise DataError(
                problems_message(
                    f"features {path}",
                    problems,
                    "Expected (C,) or (R, C), none of them 0, C the same for all.",
                )
            )
        self.shape = (max(shape[0] if len(shape) == 2 else 1 for shape in shapes.values()), channels.pop())

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __len__(self) -> int:
        return len(self._files)

    def read(self, name: str) -> np.ndarray:
        """The vectors (R, C) of an id, float32."""
        return np.atleast_2d(self._open(name)).astype(np.float32)

    def fingerprint(self) -> str:
        """Changes with the names or the content, wherever the folder lies."""
        return fingerprint({name: sha256_file(file) for name, file in self._files.items()})

    def _open(self, name: str) -> np.ndarray:
        try:
            return np.load(self._files[name], mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"features {self._files[name]} can't be read ({error}); write it with np.save"
            ) from error


def open_features(path: Path) -> NpzFeatures | FeatureFolder:
    """The features at `path`; raises `MissingFilesError` or `DataError`."""
    if path.is_dir():
        return FeatureFolder(path)
    if not path.is_file():
        raise MissingFilesError(f"features '{path}' do not exist; expected {LAYOUT}")
    return NpzFeatures(path)
