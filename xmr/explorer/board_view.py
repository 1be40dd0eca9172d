"""The leaderboard of the runs that are open: their results as they were written, grouped by protocol."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xmr.explorer.sources import Source
from xmr.reporting.board.board import Board, Row, boards
from xmr.reporting.board.letters import with_letters
from xmr.reporting.records.runs import RunRecord, read_runs


def board_json(sources: Mapping[str, Source], *, metric: str | None = None) -> dict[str, Any]:
    """Boards with the source ids of each row; stores, and runs without results, are left out and named."""
    folders: dict[Path, list[str]] = {}
    left_out = []
    for id_, source in sources.items():
        if source.about.run is None:
            reason = (
                "an embedding store: its vectors were never evaluated; scripts/evaluate.py scores its run"
            )
            left_out.append({"path": source.about.where, "reason": reason})
        else:
            folders.setdefault(source.about.run.resolve(), []).append(id_)
    records: list[RunRecord] = []
    for folder, ids in folders.items():
        found, not_shown = read_runs(folder)
        records += found
        where = sources[ids[0]].about.where
        left_out += [{"path": f"{where}/{each.path}", "reason": each.reason} for each in not_shown]
    known = {name for record in records for name in record.metrics}
    chosen = metric or ("mean_recall" if "mean_recall" in known or not known else min(known))
    return {
        "boards": [
            _board_json(with_letters(board), folders)
            for board in (boards(records, metric=chosen) if records else [])
        ],
        "left_out": left_out,
    }


def _board_json(board: Board, folders: Mapping[Path, list[str]]) -> dict[str, Any]:
    return {
        "title": board.title,
        "protocol": board.protocol,
        "metrics": list(board.metrics),
        "sorted_by": board.sorted_by,
        "notes": list(board.notes),
        "rows": [_row_json(row, board.metrics, folders) for row in board.rows],
    }


def _row_json(row: Row, metrics: tuple[str, ...], folders: Mapping[Path, list[str]]) -> dict[str, Any]:
    ids = [
        id_
        for run in row.runs
        for folder, of_run in folders.items()
        if run.folder is not None and run.folder.resolve().is_relative_to(folder)
        for id_ in of_run
    ]
    return {
        "label": row.label,
        "sources": list(dict.fromkeys(ids)),
        "settings": row.settings,
        "seeds": len(row.finished),
        "state": row.runs[0].state,
        "mean": row.mean,
        "deviation": row.deviation,
        "letters": row.letters,
        "intervals": {name: interval for name in metrics if (interval := _interval(row, name))},
    }


def _interval(row: Row, metric: str) -> list[float] | None:
    """The mean of the runs' intervals, when each has one."""
    found = [run.intervals.get(metric) for run in row.finished or row.runs]
    ends = [interval for interval in found if interval is not None]
    if not ends or len(ends) < len(found):
        return None
    return [sum(side) / len(ends) for side in zip(*ends, strict=True)]
