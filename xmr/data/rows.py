"""Reads CSV, JSONL and Parquet tables into numbered rows, and lists what in them can't be read."""

import csv
import io
import json
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow
import pyarrow.parquet

from xmr.core.errors import ConfigError, DataError, MissingFilesError, did_you_mean

Format = Literal["auto", "csv", "jsonl", "parquet"]
FORMAT_OF_SUFFIX = {
    ".csv": "csv",
    ".txt": "csv",  # Flickr8k's captions.txt is a CSV file
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


@dataclass
class Table:
    """The rows of a file: each with its place ("line 7"), and its cells by column name.

    `columns` names all columns of the file; the rows hold those that were wanted. `problems` says which
    rows could not be read, and why.
    """

    path: Path
    columns: list[str]
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_table(path: Path | str, *, format: Format = "auto", wanted: Set[str]) -> Table:
    """The table in `path`, which is UTF-8 (CSV with a header row, or JSONL) or Parquet.

    Cells are strings in CSV, and what JSON or Arrow makes of them otherwise; blank lines are no rows.
    Raises `MissingFilesError` or `DataError` when there is no file, or nothing in it that can be read.
    """
    path = Path(path)
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in FORMAT_OF_SUFFIX)
        raise DataError(
            f"table {path} is a folder; name a file in it ({', '.join(inside) or 'it has no table'})"
        )
    if not path.is_file():
        raise MissingFilesError(f"table {path} does not exist; set path to a CSV, JSONL or Parquet file")
    if path.stat().st_size == 0:
        raise DataError(f"table {path} is empty; it needs a row for each image and caption")
    readers = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}
    table = readers[_format_of(path, format)](path, wanted)
    if not table.rows and not table.problems:
        raise DataError(f"table {path} has no row; it needs one for each image and caption")
    return table


def _format_of(path: Path, format: str) -> str:
    known = ["auto", *sorted(set(FORMAT_OF_SUFFIX.values()))]
    if format not in known:
        raise ConfigError(f"format='{format}' is unknown; {did_you_mean(format, known)}")
    if format != "auto":
        return format
    if path.suffix.lower() not in FORMAT_OF_SUFFIX:
        raise ConfigError(
            f"format=auto can't tell what {path.name} is; set format to csv, jsonl or parquet "
            f"(it knows {', '.join(FORMAT_OF_SUFFIX)})"
        )
    return FORMAT_OF_SUFFIX[path.suffix.lower()]


def read_utf8(path: Path) -> str:
    """Read a UTF-8 file, line ends as they are; raises `DataError` naming the line that is not UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8: byte {data[error.start]:#04x} in line {line}; save it as UTF-8"
        ) from error


def _read_csv(path: Path, wanted: Set[str]) -> Table:
    # strict: an unclosed quote is an error here, and not a cell that swallows the rest of the file
    reader = csv.reader(io.StringIO(read_utf8(path), newline=""), strict=True)
    table = Table(path, columns=[])
    line = 1
    try:
        for cells in reader:
            here, line = f"line {line}", reader.line_num + 1
            if not cells:
                continue
            if not table.columns:
                table.columns = [cell.strip() for cell in cells]
            elif len(cells) != len(table.columns):
                table.problems.append(
                    f"{here}: {len(cells)} cells, but the header has {len(table.columns)}; "
                    "put quotes around a caption that holds a comma"
                )
            else:
                row = zip(table.columns, cells, strict=True)
                table.rows.append((here, {name: cell for name, cell in row if name in wanted}))
    except csv.Error as error:
        table.problems.append(f"line {line}: {error}; what follows was not read")
    twice = sorted({name for name in table.columns if table.columns.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the header names '{twice[0]}' more than once; rename one of them")
    return table


def _read_jsonl(path: Path, wanted: Set[str]) -> Table:
    table = Table(path, columns=[])
    columns: dict[str, None] = {}
    for number, line in enumerate(read_utf8(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            table.problems.append(f"line {number}: not JSON: {error.msg} at column {error.colno}")
            continue
        if not isinstance(row, dict):
            table.problems.append(f"line {number}: a {type(row).__name__}, not an object {{...}}")
            continue
        columns.update(dict.fromkeys(row))
        table.rows.append((f"line {number}", {name: cell for name, cell in row.items() if name in wanted}))
    table.columns = list(columns)
    return table


def _read_parquet(path: Path, wanted: Set[str]) -> Table:
    try:
        columns = pyarrow.parquet.read_schema(path).names
        rows = pyarrow.parquet.read_table(path, columns=[c for c in columns if c in wanted]).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} can't be read as Parquet ({error}); write it again") from error
    return Table(path, columns, [(f"row {number}", row) for number, row in enumerate(rows, start=1)])
