"""How far a run without results is: the last evaluation in its metrics.csv, by its protocol.json."""

import csv
import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xmr.core.errors import DataError
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import RESULTS_SCHEMA

TAIL_BYTES = 65_536
"""What is read first of a long metrics.csv, from its end."""


@dataclass
class Reached:
    """The epochs that a run has had, the metrics of its last evaluation, and those that are no numbers."""

    epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def stored_protocol(file: Path) -> dict[str, Any]:
    """The protocol in a protocol.json; raises `XmrError`, in one line, for a file that holds none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version, stored = content["schema_version"], content["protocol"]
    except OSError as error:
        raise DataError(f"can't be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("is half-written or holds no protocol") from error
    if version != RESULTS_SCHEMA:
        raise DataError(f"has schema version {version}, but this xmr reads {RESULTS_SCHEMA}")
    if not isinstance(stored, dict):
        raise DataError("holds no protocol")
    try:
        return Protocol.from_json(stored).to_json()
    except TypeError as error:
        raise DataError(f"holds no protocol ({error})") from error


def reached(file: Path, prefix: str) -> Reached:
    """The last epoch and the last evaluation of a metrics.csv, whose columns begin with `prefix`.

    Reads the file's end alone where that holds an evaluation. Raises `DataError`, in one line, for a file
    that can't be read.
    """
    try:
        with file.open("rb") as opened:
            header = opened.readline()
            size = file.stat().st_size
            opened.seek(max(opened.tell(), size - TAIL_BYTES))
            cut = opened.tell() > len(header)
            tail = opened.read()
            found = _last(header, tail.partition(b"\n")[2] if cut else tail, prefix)
            if cut and not found.metrics:
                opened.seek(len(header))
                found = _last(header, opened.read(), prefix)
    except OSError as error:
        raise DataError(f"can't be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"is damaged ({error})") from error
    return found


def _last(header: bytes, rows: bytes, prefix: str) -> Reached:
    whole = rows[: rows.rfind(b"\n") + 1]  # the last row may be half-written
    names = next(csv.reader([header.decode()]), [])
    found = Reached()
    lines = list(csv.reader(io.StringIO(whole.decode(), newline="")))
    for line in reversed(lines):
        row = dict(zip(names, line, strict=True))
        found.epoch = max(found.epoch, int(float(row.get("epoch") or 0)))
        values = {
            name.removeprefix(prefix): float(text)
            for name, text in row.items()
            if text and name.startswith(prefix)
        }
        if values:
            found.metrics = {name: value for name, value in values.items() if math.isfinite(value)}
            found.problems = [
                f"{name} is {value} after epoch {found.epoch}"
                for name, value in values.items()
                if not math.isfinite(value)
            ]
            break
    return found
