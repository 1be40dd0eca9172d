"""Checks that a data set's files are there, and says how to get those that are not."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from xmr.core.errors import SHOWN_PROBLEMS, MissingFilesError


def require_files(root: Path, names: Sequence[str], *, name: str, remedy: str) -> None:
    """Raise `MissingFilesError` for the files and folders of data set `name` that `root` lacks.

    `remedy` says where to get them and what the folder looks like then.
    """
    missing = [required for required in names if not (root / required).exists()]
    if missing:
        where = f"{root} has no {', no '.join(missing)}" if root.is_dir() else f"folder {root} does not exist"
        raise MissingFilesError(f"{name}: {where}\n{remedy}")


def require_images(root: Path, keys: Iterable[str], *, name: str, remedy: str) -> None:
    """Raise `MissingFilesError` for the images that `root` lacks: the first 20, and the count."""
    keys = list(keys)
    # one listing of each folder: much faster than asking for each of 123,287 files
    split_keys = [(key, *key.rpartition("/")[::2]) for key in keys]
    present = {folder: _names_in(root / folder) for folder in {folder for _, folder, _ in split_keys}}
    missing = [key for key, folder, file in split_keys if file not in present[folder]]
    if missing:
        shown = "\n".join(f"  - {key}" for key in missing[:SHOWN_PROBLEMS])
        more = f"\n  ... and {len(missing) - SHOWN_PROBLEMS} more" if len(missing) > SHOWN_PROBLEMS else ""
        raise MissingFilesError(
            f"{name}: {root} lacks {len(missing)} of {len(keys)} images\n{shown}{more}\n{remedy}"
        )


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
