"""The leaderboard command: runs of a folder and of W&B as boards, on the terminal and in files."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.core.files import write_text
from xmr.reporting.board.board import Board, boards
from xmr.reporting.board.files import write_boards_csv, write_boards_json, write_runs_parquet
from xmr.reporting.board.letters import with_letters
from xmr.reporting.board.tables import board_legend, board_table, boards_markdown, resumable
from xmr.reporting.records.runs import LeftOut, RunRecord, read_runs
from xmr.reporting.tracking.files import read_wandb_runs

LISTED = 20
"""How many of what was left out is printed; the files hold all."""

PROJECT = "xmr"
"""The W&B project of runs that name no other, as in conf/logger."""

FETCHED = Path("cache/wandb")
"""Where results of single queries are kept that W&B had."""

Found = tuple[list[RunRecord], list[LeftOut]]


def leaderboard(
    root: Path | None,
    *,
    metric: str = "mean_recall",
    files: Mapping[str, Path] | None = None,
    wandb: str | None = None,
    to_wandb: bool = False,
) -> None:
    """Print the boards of the runs below `root` and of the W&B project `wandb` (entity/project).

    `files` are written as well: "html", "json", "csv", "markdown" and "parquet" by path; `to_wandb` makes
    the boards the views and the Report of a W&B project, `wandb` or the user's own "xmr". Raises `XmrError`
    for an unknown metric, a folder without runs, and for files that can't be written.
    """
    files = files or {}
    _check(root, files, wandb)
    console = Console(stderr=True)
    with console.status("reading runs"):
        records, left_out = _read(root, wandb)
    if not records and not left_out:
        raise MissingFilesError(f"no run below {root or wandb}; python train.py makes one in runs/")
    found = boards(records, metric=metric)
    with console.status("testing differences"):
        found = [with_letters(board) for board in found]
    out = Console()
    say = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    for board in found:
        out.print(board_table(board, width=out.width))
        for line in board_legend(board, width=out.width):
            say(line, style="dim")
        out.print()
    for each in left_out[:LISTED]:
        say(f"left out  {each.path}: {each.reason}")
    if len(left_out) > LISTED:
        say(f"left out  ... and {len(left_out) - LISTED:,} more; --json FILE lists all")
    for line in resumable(found):
        say(line)
    _write(files, found, left_out, say)
    if to_wandb:
        _publish(found, root, wandb, say)


def _check(root: Path | None, files: Mapping[str, Path], wandb: str | None) -> None:
    """Raise `XmrError` for arguments that the command can't work with."""
    if root is None and wandb is None:
        raise ConfigError("name a folder of runs, as runs/, or a project, as --wandb ENTITY/PROJECT")
    if root is not None and not root.is_dir():
        raise MissingFilesError(f"{root} is no folder; give the one that holds the runs, as runs/")
    for name, path in files.items():
        if path.is_dir():
            raise ConfigError(f"--{name} {path} is a folder; name a file")
    if wandb is not None and wandb.count("/") != 1:
        raise ConfigError(f"--wandb {wandb} is no project; write ENTITY/PROJECT")


def _read(root: Path | None, wandb: str | None) -> Found:
    """What the folder and the project hold; a run that is in several places is shown from the nearest."""
    records: list[RunRecord] = []
    left_out: list[LeftOut] = []
    if root is not None:
        records, left_out = read_runs(root)
        found, not_shown = read_wandb_runs(root, known={record.run_id for record in records})
        records, left_out = [*records, *found], [*left_out, *not_shown]
    if wandb is not None:
        from xmr.reporting.tracking.api import fetch_queries, read_project

        online, not_shown = read_project(wandb)
        known = {record.run_id for record in records}
        further = [record for record in online if record.run_id not in known]
        records, left_out = [*records, *fetch_queries(further, wandb, into=FETCHED)], [*left_out, *not_shown]
    return records, left_out


def _write(
    files: Mapping[str, Path], found: Sequence[Board], left_out: Sequence[LeftOut], say: Callable[[str], None]
) -> None:
    from xmr.reporting.board.page import board_page

    for name, path in files.items():
        if name == "html":
            write_text(path, board_page(found, left_out, relative_to=path.resolve().parent))
        elif name == "json":
            write_boards_json(path, found, left_out)
        elif name == "csv":
            write_boards_csv(path, found)
        elif name == "markdown":
            write_text(path, boards_markdown(found))
        else:
            write_runs_parquet(path, found)
        say(f"{name:<9} {path}")


def _publish(
    found: Sequence[Board], root: Path | None, wandb: str | None, say: Callable[[str], None]
) -> None:
    """Make the project's views and Report, or say by which command that is done where there is a network."""
    from xmr.reporting.tracking.api import why_offline
    from xmr.reporting.tracking.board import publish, publish_later

    reason = why_offline()
    if reason is not None:
        command = ["python", *sys.argv]
        say(f"W&B       not asked ({reason}); do so later, by this one command:")
        say(publish_later(root or Path("runs"), command))
        return
    entity, _, project = (wandb or f"/{PROJECT}").partition("/")
    for url in publish(found, entity=entity or None, project=project, say=say):
        say(f"W&B       {url}")
