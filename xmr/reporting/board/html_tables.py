"""Boards as plain HTML tables: what the page shows where no script runs, and what is printed."""

import math
from collections.abc import Iterable, Sequence
from html import escape

from xmr.reporting.board.board import Board, Row, lower_is_better
from xmr.reporting.board.data import board_key, shown_at_first
from xmr.reporting.protocol_words import protocol_facts
from xmr.reporting.records.runs import LeftOut

MISSING = "–"
OPEN_AT_MOST = 5
"""A longer list of what was left out is folded."""


def board_section(board: Board) -> str:
    """A board with its facts and notes, and the metrics that are shown at first."""
    metrics = shown_at_first(board)
    rows = [_row(row, place, metrics) for row, place in zip(board.rows, _places(board), strict=True)]
    facts = " · ".join(protocol_facts(board.protocol))
    return "\n".join([
        f'<section class="board" data-key="{board_key(board)}">',
        f"<h2>{escape(board.title)}</h2>",
        f'<p class="facts">{escape(facts)}</p>',
        *(f'<p class="hint">{escape(note)}</p>' for note in board.notes),
        _table(["#", "model", "seeds", *metrics], rows, numbers=True),
        "</section>",
    ])  # fmt: skip


def left_out_section(left_out: Sequence[LeftOut]) -> str:
    """What could not be shown, each with its reason; "" for nothing."""
    if not left_out:
        return ""
    rows = [f'<th scope="row">{escape(each.path)}</th><td>{escape(each.reason)}</td>' for each in left_out]
    return "\n".join([
        f'<details id="left-out"{" open" if len(left_out) <= OPEN_AT_MOST else ""}>',
        f"<summary>Left out: {len(left_out):,}</summary>",
        _table(["path", "reason"], rows),
        "</details>",
    ])  # fmt: skip


def _table(heads: Sequence[str], rows: Iterable[str], *, numbers: bool = False) -> str:
    """A table; with `numbers` all columns but that of the models are."""
    of_class = {name: ' class="number"' for name in heads if numbers and name != "model"}
    head = "".join(f'<th scope="col"{of_class.get(name, "")}>{_head(name)}</th>' for name in heads)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    return f'<div class="scroller">{table}</div>'


def _head(name: str) -> str:
    """`text_to_image/recall@1` in two lines: its direction, its name."""
    direction, _, metric = name.rpartition("/")
    lines = [" → ".join(direction.split("_to_")), metric.replace("recall@", "R@")]
    return "<br>".join(escape(line.replace("_", " ")) for line in lines if line)


def _row(row: Row, place: int | None, metrics: Sequence[str]) -> str:
    unfinished = [run for run in row.runs if run.state != "finished"]
    said = [" · ".join(filter(None, (run.state, run.progress))) for run in unfinished]
    touches = max(run.test_touches for run in row.runs)
    if touches > 1:
        said.append(f"test ×{touches}")
    marks = "".join(f' <span class="mark">{escape(mark)}</span>' for mark in said)
    figures = [str(place or MISSING), str(len(row.finished)), *(_figure(row, name) for name in metrics)]
    first, *others = (f'<td class="number">{figure}</td>' for figure in figures)
    return f'{first}<th scope="row">{escape(row.label)}{marks}</th>{"".join(others)}'


def _figure(row: Row, metric: str) -> str:
    deviation = _shown(metric, row.deviation.get(metric))
    small = f" <small>± {deviation}</small>" if deviation != MISSING else ""
    return _shown(metric, row.mean.get(metric)) + small


def _shown(metric: str, value: float | None) -> str:
    """A fraction in percent, a rank as it is; one decimal."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value if lower_is_better(metric) else 100 * value:.1f}"


def _places(board: Board) -> list[int | None]:
    """The place of each row among the finished ones: equal for equal values, None without a value."""
    metric, sign = board.sorted_by, -1 if lower_is_better(board.sorted_by) else 1
    values = [row.mean.get(metric, math.nan) if row.finished else math.nan for row in board.rows]
    return [
        None if math.isnan(value) else 1 + sum(sign * other > sign * value for other in values)
        for value in values
    ]
