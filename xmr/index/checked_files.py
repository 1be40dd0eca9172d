"""Files with a hash each, JSON that notices any change of itself, and the lock of the one who writes."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from xmr.core.errors import DataError, MissingFilesError, problems_message
from xmr.core.files import sha256_file, write_text

SEAL = "sha256_of_the_rest"


@dataclass(frozen=True)
class FileRecord:
    """A file by its name below a folder, with its size and the SHA-256 of its bytes."""

    file: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, *, folder: Path) -> "FileRecord":
        """Flush `path`, which lies below `folder`, to the disk and record it."""
        sync(path)
        return cls(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_file(path))

    def problem(self, folder: Path, *, content: bool) -> str | None:
        """What is wrong with the file below `folder`, also of its `content` if asked for; None when whole."""
        path = folder / self.file
        if not path.is_file():
            return f"{self.file} is missing"
        if (size := path.stat().st_size) != self.bytes:
            return f"{self.file} has {size:,} bytes, not {self.bytes:,}"
        if content and sha256_file(path) != self.sha256:
            return f"{self.file} has changed: its SHA-256 is not the recorded one"
        return None


def check_files(what: str, records: list[FileRecord], folder: Path, *, content: bool, remedy: str) -> None:
    """Raise `DataError` that lists the files of `records` which are not as they were written."""
    problems = [problem for record in records if (problem := record.problem(folder, content=content))]
    if problems:
        raise DataError(problems_message(what, problems, remedy))


def write_sealed(path: Path, value: dict[str, Any], *, schema_version: int) -> None:
    """Write `value` as JSON with the SHA-256 of its own content, atomically; once back, it is on the disk."""
    write_text(path, _sealed_text({"schema_version": schema_version, **value}))
    sync(path.parent)


def read_sealed(path: Path, *, schema_version: int, missing: str, remedy: str) -> dict[str, Any]:
    """The value that `write_sealed` wrote.

    Raises `MissingFilesError` saying `missing` when there is no file, and `DataError` with the `remedy`
    when it is half-written, was changed in any byte, or has another `schema_version`.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        value = json.loads(text, parse_constant=_refuse)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFilesError(missing) from None
    except OSError as error:
        raise DataError(f"{path} can't be read ({error}); check its permissions") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged or half-written ({error}); {remedy}") from error
    sealed = isinstance(value, dict) and value.pop(SEAL, None) is not None and _sealed_text(value) == text
    if isinstance(value, dict) and value.get("schema_version", schema_version) != schema_version:
        found = value["schema_version"]
        raise DataError(f"{path} has schema version {found}, this xmr reads {schema_version}; {remedy}")
    if not sealed:
        raise DataError(f"{path} has changed since it was written: its SHA-256 does not match; {remedy}")
    del value["schema_version"]
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _sealed_text(value: dict[str, Any]) -> str:
    content = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    seal = hashlib.sha256(content.encode("utf-8")).hexdigest()
    return json.dumps({**value, SEAL: seal}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


@contextmanager
def exclusive(lock: Path | FileLock, what: str) -> Iterator[None]:
    """Hold the lock file `lock`; raises `DataError` at once when another process holds it, or none can.

    Given as a `FileLock`, the one who holds it may take it again.
    """
    file_lock = lock if isinstance(lock, FileLock) else FileLock(lock)
    try:
        Path(file_lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        file_lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"another process is writing {what}; wait until it has finished") from None
    except OSError as error:
        raise DataError(f"{what} can't be written to ({error}); name another folder") from error
    try:
        yield
    finally:
        file_lock.release()


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
