"""What wandb wrote of a run on this disk: its `.wandb` file, LevelDB's log format around protobuf records."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xmr.core.errors import DataError
from xmr.reporting.tracking.records import KeptRun

MAGIC = b":W&B"
FILE_HEADER = 7
BLOCK = 32 * 1024
CHUNK_HEADER = struct.Struct("<IHB")
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class LoggedRun(KeptRun):
    """What the files of a run say of it; `exit_code` is None for a run that goes on or was killed."""

    exit_code: int | None = None


def read_log(files: Sequence[Path]) -> LoggedRun:
    """The run whose parts, one for each time that it was resumed, are `files`, the oldest first.

    Raises `DataError` for a file that is none of wandb's, is damaged before its end, or does not tell
    which run it is of. wandb writes 32 KiB at a time: what a killed run logged last is in no file.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    run = LoggedRun()
    for file in files:
        run.exit_code = None
        try:
            for content in _records(file.read_bytes()):
                _take(run, Record.FromString(content))
        except OSError as error:
            raise DataError(f"{file.name} can't be read ({error.strerror})") from error
        except (_DamagedError, DecodeError, json.JSONDecodeError) as error:
            raise DataError(f"{file.name} is damaged: {error}") from error
    if not run.run_id:
        raise DataError("wandb has written nothing of it yet; a killed run loses up to 32 KiB")
    return run


class _DamagedError(ValueError):
    """Bytes that wandb did not write so."""


def _records(data: bytes) -> Iterator[bytes]:
    """The records in the bytes of a file, up to one that a kill cut off."""
    if data[:4] != MAGIC[: len(data)]:
        raise _DamagedError("it does not begin as wandb's files do")
    at, parts = FILE_HEADER, b""
    while at + CHUNK_HEADER.size <= len(data):
        room = BLOCK - at % BLOCK
        if room < CHUNK_HEADER.size:
            at += room
            continue
        checksum, size, kind = CHUNK_HEADER.unpack_from(data, at)
        end = at + CHUNK_HEADER.size + size
        if end > len(data) and size <= room - CHUNK_HEADER.size:
            return
        wrong = zlib.crc32(data[at + CHUNK_HEADER.size - 1 : end]) != checksum
        if wrong or kind not in (WHOLE, FIRST, MIDDLE, LAST):
            # a machine that lost its power leaves zeros, or a last chunk that is not all there
            if end == len(data) or not any(data[at:]):
                return
            raise _DamagedError(f"the checksum at byte {at} of {len(data)} is wrong")
        content = data[at + CHUNK_HEADER.size : end]
        parts = content if kind in (WHOLE, FIRST) else parts + content
        if kind in (WHOLE, LAST):
            yield parts
        at = end


def _take(run: LoggedRun, record: Any) -> None:
    """Bring `run` to where `record`, the next of its file, leaves it."""
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run.run_id, run.project = record.run.run_id, record.run.project
        start = record.run.start_time
        run.started = run.started or datetime.fromtimestamp(start.seconds, UTC).isoformat()
        _update(run.config, record.run.config.update)
    elif kind == "config":
        _update(run.config, record.config.update)
        _remove(run.config, record.config.remove)
    elif kind == "summary":
        _update(run.summary, record.summary.update)
        _remove(run.summary, record.summary.remove)
    elif kind == "exit":
        run.exit_code = record.exit.exit_code


def _update(target: dict[str, Any], items: Iterable[Any]) -> None:
    for item in items:
        *path, last = item.nested_key or [item.key]
        inner = target
        for key in path:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = json.loads(item.value_json)


def _remove(target: dict[str, Any], items: Iterable[Any]) -> None:
    for item in items:
        *path, last = item.nested_key or [item.key]
        inner: Any = target
        for key in path:
            inner = inner.get(key, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            inner.pop(last, None)
