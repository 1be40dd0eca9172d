"""Reads lists of JSON records, checks their cells, and tells all bad ones at once."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from xmr.core.errors import DataError, problems_message

T = TypeVar("T")


def read_json(path: Path, kind: type[T]) -> T:
    """The JSON in `path`, a list or an object as `kind` says; raises `DataError` for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); get it again") from error
    if not isinstance(content, kind):
        raise DataError(f"{path} holds a {type(content).__name__}, not a {kind.__name__}; get it again")
    return content


def read_records(path: Path, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """What `make` makes of each record of the list in `path`, in its order.

    `make` raises KeyError, TypeError or ValueError for a record that can't be used. Raises one `DataError`
    that lists all of these.
    """
    made, problems = [], []
    for number, record in enumerate(read_json(path, list)):
        try:
            made.append(make(record))
        except KeyError as error:
            problems.append(f"[{number}]: no {error.args[0]}")
        except (TypeError, ValueError) as error:
            problems.append(f"[{number}]: {error}")
    if problems:
        raise DataError(problems_message(str(path), problems, "Get the file again, or mend these records."))
    return made


def text_of(cell: object, name: str) -> str:
    """`cell` without spaces around it; raises `ValueError` when it is no text, or an empty one."""
    if not isinstance(cell, str) or not cell.strip():
        raise ValueError(f"{name} is {cell!r}, not a text")
    return cell.strip()
