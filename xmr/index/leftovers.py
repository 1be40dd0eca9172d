"""What interrupted writers leave in a store, and its removal: segment files and builds of indexes."""

import json
import re
import shutil
from pathlib import Path

from xmr.core.errors import DataError
from xmr.index.checked_files import exclusive
from xmr.index.manifest import Manifest
from xmr.index.segments import FOLDER

INDEXES = "indexes"
RECORD = "index.json"
BUILD = re.compile("[0-9a-f]{16}")
"""The name of the folder of one build, in that of its index."""


def remove_unnamed_segments(folder: Path, manifest: Manifest) -> None:
    """Remove segment files that `manifest` does not name: of an interrupted append, or compacted ones."""
    named = {record.file for record in manifest.files}
    for pattern in ("*.vectors", "*.parquet"):
        for path in (folder / FOLDER).glob(pattern):
            if path.relative_to(folder).as_posix() not in named:
                path.unlink()


def build_lock(index: Path) -> Path:
    """The file that a process locks while it builds the index of that folder."""
    return index.parent / f".{index.name}.lock"


def remove_unfinished_builds(folder: Path) -> None:
    """Remove what interrupted builds left in the store `folder`: not what is being built just now.

    An index whose record is damaged is left as it is.
    """
    for index in (folder / INDEXES).glob("*/"):
        try:
            with exclusive(build_lock(index), str(index)):
                remove_other_builds(index, _recorded_build(index))
                if not any(index.iterdir()):
                    index.rmdir()
        except (DataError, ValueError, KeyError, TypeError):
            continue  # its builder has the lock and clears away itself, or its record is damaged


def remove_other_builds(index: Path, build: str | None) -> None:
    """Remove all builds in the folder of an index but `build`."""
    for path in list(index.iterdir()):
        if path.is_dir() and BUILD.fullmatch(path.name) and path.name != build:
            shutil.rmtree(path)


def _recorded_build(index: Path) -> str | None:
    """The build that the record of the index names; None where there is no record."""
    record = index / RECORD
    return str(json.loads(record.read_bytes())["build"]) if record.is_file() else None
