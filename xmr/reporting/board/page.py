"""The leaderboard as one HTML file: it needs no server and asks no network, and its table no script."""

import html
import itertools
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from xmr.reporting.board.board import Board
from xmr.reporting.board.curves import CURVE_BYTES, Curves, collect_curves
from xmr.reporting.board.data import page_data, shown_at_first
from xmr.reporting.board.html_tables import board_section, left_out_section
from xmr.reporting.records.runs import LeftOut

SCRIPTS = (
    "data.js", "columns.js", "state.js", "filters.js", "axes.js", "lines.js", "scatter.js",
    "details.js", "compare.js", "table.js", "page.js",
)  # fmt: skip


def board_page(
    boards: Sequence[Board],
    left_out: Sequence[LeftOut],
    *,
    relative_to: Path,
    curve_bytes: int = CURVE_BYTES,
) -> str:
    """The page of `boards`, one tab a protocol, and of what was left out of them, with the reasons.

    `relative_to` is the folder that the page will lie in: run folders and panels are links relative to it,
    and are no part of the page. Training curves are, the best models' first, up to `curve_bytes`.
    A metrics.csv that can't be read is listed with what was left out.
    """
    curves, unreadable = _curves(boards, curve_bytes)
    content = page_data(boards, curves, relative_to=relative_to)
    assets = files("xmr.reporting") / "assets" / "board"

    def asset(name: str) -> str:
        return (assets / name).read_text(encoding="utf-8")

    return Template(asset("page.html")).substitute(
        note=html.escape(_note(boards, curves.note)),
        boards="\n".join(map(board_section, boards)) or '<p class="empty">No run has a result yet.</p>',
        left_out=left_out_section([*left_out, *unreadable]),
        style=asset("page.css"),
        script="\n".join(map(asset, SCRIPTS)),
        # a "</script>" within a label must not end the data
        data=json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
            "<", "\\u003c"
        ),
    )


def _curves(boards: Sequence[Board], limit: int) -> tuple[Curves, list[LeftOut]]:
    """The curves of the runs, those of each board's best models first, and the files that can't be read."""
    by_place = itertools.zip_longest(*(board.rows for board in boards))
    rows = [row for rows in by_place for row in rows if row is not None]
    paths = {run.metrics_file: run.path for row in rows for run in row.runs if run.metrics_file}
    curves = collect_curves(paths, {name for board in boards for name in shown_at_first(board)}, limit=limit)
    unreadable = [
        LeftOut(f"{paths[file]}/{file.name}", f"no curves: {reason}")
        for file, reason in curves.unreadable.items()
    ]
    return curves, unreadable


def _note(boards: Sequence[Board], curves: str) -> str:
    """What the page holds, in a line: a run on two boards counts once."""
    runs = {run.run_id for board in boards for row in board.rows for run in row.runs}
    newest = max((run.created for board in boards for row in board.rows for run in row.runs), default="")
    parts = [
        _count(len(runs), "run"),
        _count(len(boards), "protocol") + (", never mixed" if len(boards) > 1 else ""),
        f"newest result {newest[:16].replace('T', ' ')} UTC" if newest else "",
        curves,
    ]
    return " · ".join(part for part in parts if part)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
