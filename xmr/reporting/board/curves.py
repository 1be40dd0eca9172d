"""Training curves for the board's page: the metrics.csv of each run, thinned, within a stated total size."""

import csv
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xmr.core.errors import DataError

POINTS = 200
"""Most points of a curve; a screen shows no more."""
CURVE_BYTES = 6_000_000
"""What the curves of a page may take in all: it is sent as one file, and opened as one."""
# val/<data set>/<direction>/<metric>: the data set is the board's, and not said again
LOGGED = re.compile(r"(?P<part>[^/]+)/(?P<data>[^/]+/)?(?P<metric>(?:\w+_to_\w+/)?[^/]+)")


@dataclass(eq=False)
class Curves:
    """The curves of a page by their file, how many runs have some, and for unreadable files the reason."""

    of: dict[Path, dict[str, Any]] = field(default_factory=dict)
    wanted: int = 0
    unreadable: dict[Path, str] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What the page says when some were left away, else ""."""
        if len(self.of) == self.wanted:
            return ""
        return (
            f"The page holds the training curves of {len(self.of):,} of {self.wanted:,} runs, those of the "
            "best models: more would make it too large to share"
        )


def collect_curves(files: Iterable[Path], metrics: Collection[str], *, limit: int = CURVE_BYTES) -> Curves:
    """The curves of `files` in this order, as many as fit into `limit` bytes; see `read_curves`."""
    found = Curves()
    for file in dict.fromkeys(files):
        try:
            curves = read_curves(file, metrics)
        except DataError as error:
            found.unreadable[file] = str(error)
            continue
        if curves:
            found.wanted += 1
            limit -= len(json.dumps(curves, separators=(",", ":")))
            if limit >= 0:
                found.of[file] = curves
    return found


def read_curves(file: Path, metrics: Collection[str]) -> dict[str, Any]:
    """`{"x": [[...], ...], "y": {"val mean_recall": [0, [...]], ...}}`: the curves of a metrics.csv.

    A curve is the place of its x (in epochs) and its values, None for those that are not finite. Kept are
    what training logs, losses, and the `metrics` (short names: `text_to_image/recall@1`) of the others, each
    thinned to at most `POINTS` values, the first and the last among them. {} for a file without rows.
    Raises `DataError` for a file that can't be read, a row of other length and a cell that is no number.
    """
    header, rows = _read(file)
    if not rows:
        return {}
    table = _Table(header, rows)
    epochs = table.epochs()
    places: dict[tuple[float, ...], int] = {}
    curves: dict[str, list[Any]] = {}
    for column, name in _names(header, metrics).items():
        logged, values = table.column(column)
        if not len(logged):
            continue
        kept = _thinned(len(logged))
        x = tuple(np.round(epochs[logged[kept]], 3).tolist())
        curves[name] = [places.setdefault(x, len(places)), [_short(value) for value in values[kept].tolist()]]
    return {"x": [list(x) for x in places], "y": curves} if curves else {}


def _read(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"can't be read ({error.__class__.__name__})") from error
    whole = text[: text.rfind("\n") + 1]  # a kill may have cut the last row short
    header, *rows = list(csv.reader(io.StringIO(whole, newline=""))) or [[]]
    return header, rows


def _names(header: Sequence[str], metrics: Collection[str]) -> Mapping[str, str]:
    """The columns to draw, and what they are called: `val text_to_image/recall@1`."""
    names, full = {}, {}
    for column in header:
        match = LOGGED.fullmatch(column)
        if match and (
            match["part"] == "train" or match["metric"] in metrics or match["metric"].startswith("loss")
        ):
            names[column] = f"{match['part']} {match['metric']}"
            full[column] = f"{match['part']} {match['data'] or ''}{match['metric']}"
    called = list(names.values())
    # two data sets in one file: their full names tell them apart
    return {column: name if called.count(name) == 1 else full[column] for column, name in names.items()}


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows of a metrics.csv; "" is what a row lacks."""

    header: list[str]
    rows: list[list[str]]

    def __post_init__(self) -> None:
        for line, row in enumerate(self.rows, start=2):
            if len(row) != len(self.header):
                raise DataError(f"row {line} has {len(row)} cells, its header {len(self.header)}")

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows that have a value of `name`, (N,) of them, and the values (N,)."""
        if name not in self.header:
            raise DataError(f"has no column '{name}'")
        at = self.header.index(name)
        logged = [line for line, row in enumerate(self.rows) if row[at]]
        try:
            values = [float(self.rows[line][at]) for line in logged]
        except ValueError as error:
            raise DataError(f"column '{name}': {error}") from error
        return np.array(logged, dtype=np.int64), np.array(values)

    def epochs(self) -> np.ndarray:
        """(rows,) epochs that had passed at each row: whole at an epoch's last row, in steps within it."""
        steps, (logged, epochs) = self.column("step")[1], self.column("epoch")
        if len(steps) != len(self.rows):
            raise DataError("a row has no step")
        ends = {0.0: 0.0}
        for line, epoch in zip(logged, epochs.tolist(), strict=True):
            ends[epoch] = max(ends.get(epoch, 0.0), steps[line])
        known = sorted(ends)
        return np.interp(steps, [ends[epoch] for epoch in known], known)


def _thinned(count: int) -> np.ndarray:
    """At most `POINTS` of `count` places, evenly spread, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64))


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
