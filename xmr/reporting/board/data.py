"""What the board's page knows: its boards, models and runs as JSON-able data, and the curves of the runs."""

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xmr.core.files import fingerprint
from xmr.reporting.board.board import Board, Row
from xmr.reporting.board.curves import Curves
from xmr.reporting.protocol_words import protocol_facts, set_apart
from xmr.reporting.records.runs import RunRecord
from xmr.reporting.records.settings import protocol_key

RECALL = re.compile(r"(?:(?P<direction>.*)/)?recall@\d+")
RECALLS = 3
SHOWN = 7
"""How many metric columns are shown at first where a board has no recall."""
COSTS = (
    ("parameters", "parameters", "count"),
    ("trained_parameters", "trained parameters", "count"),
    ("train_seconds", "training time", "seconds"),
    ("embed_image", "time to embed an image", "seconds"),
    ("embed_text", "time to embed a text", "seconds"),
    ("index_bytes", "size of the index", "bytes"),
)


def shown_at_first(board: Board) -> list[str]:
    """The metric the board is sorted by, mean_recall, and the first three recalls of each direction."""
    by_direction: dict[str, list[str]] = {}
    for name in board.metrics:
        if match := RECALL.fullmatch(name):
            by_direction.setdefault(match["direction"] or "", []).append(name)
    recalls = [name for names in by_direction.values() for name in names[:RECALLS]]
    chosen = dict.fromkeys([board.sorted_by, "mean_recall", *(recalls or board.metrics[:SHOWN])])
    return [name for name in chosen if name in board.metrics]


def page_data(boards: Sequence[Board], curves: Curves, *, relative_to: Path) -> dict[str, Any]:
    """All that the page's script draws; links are relative to the folder `relative_to`."""
    places = {file: at for at, file in enumerate(curves.of)}
    apart = set_apart([board.protocol for board in boards])
    return {
        "costs": [{"id": key, "name": name, "unit": unit} for key, name, unit in COSTS],
        "boards": [
            {
                "key": board_key(board),
                "title": board.title,
                "facts": protocol_facts(board.protocol),
                "apart": apart[at],
                "notes": list(board.notes),
                "metrics": list(board.metrics),
                "shown": shown_at_first(board),
                "sorted_by": board.sorted_by,
                "rows": _rows(board, places, relative_to),
            }
            for at, board in enumerate(boards)
        ],
        "curves": list(curves.of.values()),
    }


def board_key(board: Board) -> str:
    """Names a board in a link: equal for equal protocols."""
    return protocol_key(board.protocol)[:8]


def _rows(board: Board, places: Mapping[Path, int], relative_to: Path) -> list[dict[str, Any]]:
    config = _differing([row.runs[0].settings for row in board.rows if row.runs[0].settings])
    keys: dict[str, int] = {}
    rows = []
    for row in board.rows:
        first = row.runs[0]
        key = fingerprint(first.name, first.source, {k: text_of(v) for k, v in first.settings.items()})[:8]
        keys[key] = keys.get(key, 0) + 1
        rows.append({
            "key": key if keys[key] == 1 else f"{key}-{keys[key]}",
            "label": row.label,
            "settings": row.settings,
            "config": _config(first.settings, config) if first.settings else None,
            "mean": _numbers(row.mean, board.metrics),
            "deviation": _numbers(row.deviation, board.metrics),
            "interval": [_interval(row, name) for name in board.metrics],
            "letters": row.letters,
            "finished": bool(row.finished),
            "cost": _costs(row.finished or row.runs),
            "runs": [_run(run, board, places, relative_to) for run in row.runs],
        })  # fmt: skip
    return rows


def _config(settings: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """The settings to compare, a component (`loss._target_`) as `loss` by the name of its class."""
    found = {}
    for key in keys:
        if key in settings:
            text = text_of(settings[key])
            is_component = key.endswith("._target_")
            found[key.removesuffix("._target_")] = text.rpartition(".")[2] if is_component else text
    return found


def _run(run: RunRecord, board: Board, places: Mapping[Path, int], relative_to: Path) -> dict[str, Any]:
    return {
        "path": run.path,
        "href": _href(run.folder, relative_to) + "/" if run.folder else None,
        # as a command names it, from where this one was called
        "folder": os.path.relpath(run.folder) if run.folder else None,
        "id": run.run_id,
        "seed": run.seed,
        "state": run.state,
        "progress": run.progress,
        "source": run.source,
        "created": run.created,
        "touches": run.test_touches,
        "metrics": _numbers(run.metrics, board.metrics),
        "panels": [{"name": panel.stem, "href": _href(panel, relative_to)} for panel in run.panels],
        "curves": places.get(run.metrics_file) if run.metrics_file else None,
    }


def _href(path: Path, relative_to: Path) -> str:
    return quote(Path(os.path.relpath(path, relative_to)).as_posix())


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all `settings`."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [
        key for key in keys if len({text_of(each[key]) if key in each else None for each in settings}) > 1
    ]


def text_of(value: Any) -> str:
    """A setting as it would be typed: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _interval(row: Row, metric: str) -> list[float] | None:
    """The mean of the seeds' intervals, when each seed has one."""
    found = [run.intervals.get(metric) for run in row.finished or row.runs]
    ends = [interval for interval in found if interval is not None]
    if not ends or len(ends) < len(found):
        return None
    low, high = (_number(sum(side) / len(ends)) for side in zip(*ends, strict=True))
    return None if low is None or high is None else [low, high]


def _costs(runs: Iterable[RunRecord]) -> dict[str, float]:
    """What a run of these took, on average over those that say."""
    found: dict[str, list[float]] = {}
    for run in runs:
        embed = run.cost.get("embed_seconds_per_item") or {}
        given = {**run.model, **run.cost, "embed_image": embed.get("image"), "embed_text": embed.get("text")}
        for key, *_ in COSTS:
            value = given.get(key)
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(key, []).append(value)
    return {key: float(f"{sum(values) / len(values):.5g}") for key, values in found.items()}


def _numbers(values: Mapping[str, float], names: Sequence[str]) -> list[float | None]:
    return [_number(values.get(name)) for name in names]


def _number(value: float | None) -> float | None:
    """`value` in as many digits as a page shows; None for what is missing or not finite."""
    return round(float(value), 5) if value is not None and math.isfinite(value) else None
