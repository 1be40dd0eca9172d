"""Boards as files for other tools: JSON with all there is, CSV by model, Parquet by run."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xmr.core.files import atomic_path, write_json, write_text
from xmr.reporting.board.board import Board, Row
from xmr.reporting.board.tables import marks, places
from xmr.reporting.records.runs import LeftOut, RunRecord

BOARD_SCHEMA = 1
"""Version of what the JSON of boards holds."""


def write_boards_json(file: Path, boards: Sequence[Board], left_out: Sequence[LeftOut]) -> None:
    """Write everything that the boards hold, and what was left out of them.

    {"schema_version": 1, "boards": [...], "left_out": [{"path", "reason"}]}; a board has the fields of
    `Board`, its rows those of `Row`, their runs those of `RunRecord` but the files of this machine.
    """
    content = {
        "schema_version": BOARD_SCHEMA,
        "boards": [_board(board) for board in boards],
        "left_out": [{"path": each.path, "reason": each.reason} for each in left_out],
    }
    write_json(file, content)


def write_boards_csv(file: Path, boards: Sequence[Board]) -> None:
    """Write one row a model: its board and place, its settings, each metric with its deviation over seeds."""
    settings = dict.fromkeys(key for board in boards for row in board.rows for key in row.settings)
    metrics = dict.fromkeys(name for board in boards for name in board.metrics)
    figures = [column for name in metrics for column in (name, f"{name} deviation")]
    columns = ["board", "place", "model", "seeds", *settings, *figures, "same", "marks", "runs"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for board in boards:
        for row, place in zip(board.rows, places(board), strict=True):
            about = {
                "board": board.title,
                "place": place if place.isdigit() else "",
                "model": row.label,
                "seeds": len(row.finished),
                "same": row.letters.get(board.sorted_by, ""),
                "marks": ", ".join(marks(row)),
                "runs": " ".join(run.path for run in row.runs),
            }
            deviations = {f"{name} deviation": value for name, value in row.deviation.items()}
            writer.writerow(row.settings | row.mean | deviations | about)
    write_text(file, text.getvalue())


def write_runs_parquet(file: Path, boards: Sequence[Board]) -> None:
    """Write one row a run: its board, model, seed and state, its settings, metrics and cost as columns.

    Columns of settings begin with `settings.`, those of metrics with `metrics.`, of cost with `cost.`;
    a setting of one type keeps it, of several types it is text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_flat(board, row, run) for board in boards for row in board.rows for run in row.runs]
    columns = dict.fromkeys(key for row in rows for key in row)
    table = pa.table({name: _column([row.get(name) for row in rows]) for name in columns})
    with atomic_path(file) as path:
        pq.write_table(table, path, compression="zstd")


def _board(board: Board) -> dict[str, Any]:
    return {
        "title": board.title,
        "protocol": board.protocol,
        "metrics": list(board.metrics),
        "sorted_by": board.sorted_by,
        "notes": list(board.notes),
        "rows": [_row(row, place) for row, place in zip(board.rows, places(board), strict=True)],
    }


def _row(row: Row, place: str) -> dict[str, Any]:
    return {
        "place": int(place) if place.isdigit() else None,
        "label": row.label,
        "settings": row.settings,
        "mean": row.mean,
        "deviation": row.deviation,
        "letters": row.letters,
        "finished": len(row.finished),
        "runs": [_run(run) for run in row.runs],
    }


def _run(run: RunRecord) -> dict[str, Any]:
    return {
        "path": run.path,
        "source": run.source,
        "run_id": run.run_id,
        "name": run.name,
        "seed": run.seed,
        "state": run.state,
        "progress": run.progress,
        "metrics": run.metrics,
        "intervals": {name: list(interval) for name, interval in run.intervals.items()},
        "settings": run.settings,
        "model": run.model,
        "cost": run.cost,
        "created": run.created,
        "test_touches": run.test_touches,
    }


def _flat(board: Board, row: Row, run: RunRecord) -> dict[str, Any]:
    about = _run(run)
    groups = {key: about.pop(key) for key in ("metrics", "settings", "cost")}
    parameters = {key: about["model"].get(key) for key in ("parameters", "trained_parameters")}
    del about["intervals"], about["model"]
    flat = {f"{group}.{key}": value for group, of in groups.items() for key, value in of.items()}
    return {"board": board.title, "model": row.label, **about, **parameters, **flat}


def _column(values: Sequence[Any]) -> Any:
    """An Arrow array of the values' own type, or of text where they have several."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return pa.array(values)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array(texts, pa.string())
