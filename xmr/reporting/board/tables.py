"""Boards as text: tables for the terminal, and Markdown."""

import os
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from xmr.reporting.board.board import Board, Row
from xmr.reporting.records.runs import RunRecord

ABSENT = "–"
MODEL_WIDTH, MARKS_WIDTH = 24, 16
"""Letters that these columns have at least where they need them; metrics that leave less are not shown."""
RESUMED = 5


def board_table(board: Board, *, width: int = 120) -> Table:
    """The board as a table of at most `width` letters; `board_legend` tells what its marks mean.

    Models without a finished run stand dim, with what they reached last. Metrics that do not fit are left
    out, the last ones first; the metric that the board is sorted by never is.
    """
    metrics = _fitting(board, width)
    table = Table(
        title=_escape(board.title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=min(MODEL_WIDTH, _widest(board)))
    table.add_column("seeds", justify="right", no_wrap=True)
    for metric in metrics:
        table.add_column(heading(metric), justify="right", no_wrap=True)
    lettered = any(row.letters for row in board.rows)
    if lettered:
        table.add_column("same", no_wrap=True)
    marked = any(map(marks, board.rows))
    if marked:
        table.add_column("", overflow="fold", min_width=MARKS_WIDTH // 2)
    for row, place in zip(board.rows, places(board), strict=True):
        cells = [place, _escape(row.label), seeds(row), *(figure(row, metric) for metric in metrics)]
        cells += [row.letters.get(board.sorted_by, "")] if lettered else []
        cells += [_escape(", ".join(marks(row)))] if marked else []
        table.add_row(*cells, style=None if row.finished else "dim italic")
    return table


def board_legend(board: Board, *, width: int = 120) -> list[str]:
    """What the marks of the table mean, what to know of the board, and whether metrics did not fit."""
    lines = [*_legend(board), *board.notes]
    if any(not row.finished for row in board.rows):
        lines.insert(0, "dim: not finished, figures of the last evaluation so far")
    if len(_fitting(board, width)) < len(shown_metrics(board)):
        lines.append("more metrics: on a wider terminal, or with --html, --markdown, --csv")
    return lines


def boards_markdown(boards: Sequence[Board]) -> str:
    """The boards as Markdown: a heading, a table and a list of notes each."""
    return "\n".join(map(_markdown, boards))


def shown_metrics(board: Board) -> list[str]:
    """The metric that the board is sorted by, the mean recall, and each direction's first and last recall."""
    recalls: dict[str, list[str]] = {}
    for name in board.metrics:
        direction, _, metric = name.rpartition("/")
        if metric.startswith("recall@"):
            recalls.setdefault(direction, []).append(name)
    wanted = [of[at] for of in reversed(recalls.values()) for at in (0, -1)]
    if not wanted:
        wanted = list(board.metrics[:4])
    chosen = dict.fromkeys([board.sorted_by, "mean_recall", *wanted])
    return [name for name in chosen if name in board.metrics or name == board.sorted_by]


def places(board: Board) -> list[str]:
    """The place of each finished row, equal for equal figures; a dash for the others."""
    metric = board.sorted_by
    ranked = [row.mean[metric] for row in board.rows if row.finished and metric in row.mean]
    first = {value: place for place, value in reversed(list(enumerate(ranked, start=1)))}
    return [
        str(first[row.mean[metric]]) if row.finished and metric in row.mean else ABSENT for row in board.rows
    ]


def seeds(row: Row) -> str:
    """How many finished runs the row's figures are of."""
    return str(len(row.finished))


def figure(row: Row, metric: str) -> str:
    """`27.1 ± 0.4`: a fraction in percent or a rank, with its deviation over seeds where there are some."""
    if metric not in row.mean:
        return ABSENT
    scale = 1 if metric.endswith("_rank") else 100
    shown = f"{scale * row.mean[metric]:.1f}"
    return f"{shown} ± {scale * row.deviation[metric]:.1f}" if metric in row.deviation else shown


def marks(row: Row) -> list[str]:
    """What to know of a row: unfinished runs, a test split used again, where its runs are from."""
    unfinished = [f"{run.state}, {run.progress}".rstrip(", ") for run in row.runs if run.state != "finished"]
    counted = [
        text if unfinished.count(text) == 1 else f"{unfinished.count(text)} {text}"
        for text in dict.fromkeys(unfinished)
    ]
    touches = max(run.test_touches for run in row.runs)
    tested = [f"test x{touches}"] if touches > 1 else []
    sources = {run.source for run in row.runs} - {"folder"}
    return [*counted, *tested, *(source.replace("wandb", "W&B") for source in sorted(sources))]


def resumable(boards: Sequence[Board]) -> list[str]:
    """How to go on with the stopped runs of the boards, one line each; of many the first."""
    stopped = {
        run.run_id: run
        for board in boards
        for row in board.rows
        for run in row.runs
        if run.state == "stopped" and _has_checkpoint(run)
    }
    lines = [f"go on     python train.py resume={_here(run)}" for run in list(stopped.values())[:RESUMED]]
    rest = len(stopped) - RESUMED
    return [*lines, f"          ... and {rest:,} more stopped runs"] if rest > 0 else lines


def heading(metric: str) -> str:
    """`text_to_image/recall@1` as two short lines: `t → i` over `R@1`."""
    direction, _, name = metric.rpartition("/")
    initials = " → ".join(part[0] for part in direction.split("_to_")) if direction else ""
    return f"{initials}\n{name.replace('recall@', 'R@').replace('_', ' ')}"


def _has_checkpoint(run: RunRecord) -> bool:
    return run.folder is not None and (run.folder / "checkpoints/last.ckpt").exists()


def _here(run: RunRecord) -> str:
    return os.path.relpath(run.folder or "")


def _fitting(board: Board, width: int) -> list[str]:
    """The metrics that leave the models' column its width."""
    metrics = shown_metrics(board)
    beside = [min(MARKS_WIDTH, max((len(", ".join(marks(row))) for row in board.rows), default=0))]
    letters = max((len(row.letters.get(board.sorted_by, "")) for row in board.rows), default=0)
    beside += [max(letters, len("same")) if letters else 0, len(str(len(board.rows))), len("seeds")]
    model = min(MODEL_WIDTH, _widest(board))

    def needed() -> int:
        figures = [
            max([*map(len, heading(metric).split("\n")), *(len(figure(row, metric)) for row in board.rows)])
            for metric in metrics
        ]
        return sum(cells + 3 for cells in [model, *beside, *figures])

    while len(metrics) > 1 and needed() > width:
        metrics.pop()
    return metrics


def _widest(board: Board) -> int:
    return max((len(row.label) for row in board.rows), default=0)


def _legend(board: Board) -> list[str]:
    lines = []
    if any(row.deviation for row in board.rows):
        lines.append("± is the deviation over seeds")
    if any(run.test_touches > 1 for row in board.rows for run in row.runs):
        lines.append("test x2: the run has used its test split twice, and may have been chosen by it")
    return lines


def _escape(text: str) -> str:
    """`text` with brackets that rich would take for styles."""
    return text.replace("[", "\\[")


def _markdown(board: Board) -> str:
    metrics = shown_metrics(board)
    lettered = any(row.letters for row in board.rows)
    heads = ["#", "model", "seeds", *(heading(metric).replace("\n", " ").strip() for metric in metrics)]
    heads += ["same"] if lettered else []
    aligned = [":--" if head in ("model", "same", "") else "--:" for head in heads]
    rows = [heads, aligned]
    for row, place in zip(board.rows, places(board), strict=True):
        model = ", ".join([row.label, *(f"*{mark}*" for mark in marks(row))])
        cells = [place, model, seeds(row), *(figure(row, metric) for metric in metrics)]
        rows.append(cells + ([row.letters.get(board.sorted_by, "")] if lettered else []))
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in rows)
    notes = "".join(f"- {line}\n" for line in [*_legend(board), *board.notes])
    return f"## {board.title}\n\n{table}\n" + (f"\n{notes}" if notes else "")
