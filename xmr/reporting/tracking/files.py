"""W&B runs on this disk (finished, killed, live) as records, and the one command that uploads them."""

import os
import shlex
from collections.abc import Container, Iterator
from pathlib import Path

from xmr.core.errors import XmrError
from xmr.core.run_state import State, run_state
from xmr.reporting.records.runs import LeftOut, RunRecord
from xmr.reporting.tracking.log import LoggedRun, read_log
from xmr.reporting.tracking.records import KEPT_RESULTS, record_of

OFFLINE = "offline-run-"
NO_RUNS = frozenset(("checkpoints", "panels", "projections", "evaluations", "__pycache__"))
"""Folders that hold no run of W&B."""


def read_wandb_runs(root: Path, *, known: Container[str] = ()) -> tuple[list[RunRecord], list[LeftOut]]:
    """Every run below `root` that wandb wrote, and what can't be shown, each by path.

    The parts of a run that was resumed are one. Runs whose id is in `known` (those of run folders that a
    board has already) are passed over unread. Links are not followed.
    """
    records: list[RunRecord] = []
    left_out: list[LeftOut] = []
    parts: dict[tuple[Path, str], list[Path]] = {}
    for folder in _folders(root):
        # wandb's name: offline-run-<day>_<time>-<run id>, so that the parts of a run are in order
        run_id = folder.name.removeprefix(OFFLINE).removeprefix("run-").partition("-")[2]
        if run_id not in known:
            parts.setdefault((folder.parent, run_id), []).append(folder)
    for (_, run_id), folders in parts.items():
        path = os.path.relpath(folders[-1], root)
        try:
            records.append(_read(run_id, folders, path))
        except XmrError as error:
            left_out.append(LeftOut(path, str(error)))
    return records, left_out


def sync_command(root: Path) -> str | None:
    """The shell command that uploads every ended offline run below `root`; None where all are uploaded.

    Runs at one depth are named by one pattern (`runs/*/*/wandb/offline-run-*`): `wandb sync` passes over
    those that it has uploaded. Where one still runs the others are listed, as it would be uploaded in part.
    """
    by_depth: dict[int, list[Path]] = {}
    for folder in _folders(root):
        if folder.name.startswith(OFFLINE) and not any(folder.glob("*.synced")):
            by_depth.setdefault(len(folder.relative_to(root).parts), []).append(folder)
    words: list[str] = []
    for depth, folders in by_depth.items():
        ended = [folder for folder in folders if run_state(folder.parent.parent) != "running"]
        if len(ended) == len(folders) > 1:
            words.append("/".join([shlex.quote(str(root)), *["*"] * (depth - 2), "wandb", f"{OFFLINE}*"]))
        else:
            words += [shlex.quote(str(folder)) for folder in ended]
    return " ".join(["wandb sync", *words]) if words else None


def _folders(root: Path) -> Iterator[Path]:
    """The folders of single runs of wandb below `root`, in order."""
    for name, inside, _ in os.walk(root):
        folder = Path(name)
        inside[:] = sorted(set(inside) - NO_RUNS)
        if folder.name.startswith((OFFLINE, "run-")) and folder.parent.name == "wandb":
            inside.clear()
            yield folder


def _read(run_id: str, folders: list[Path], path: str) -> RunRecord:
    run = read_log([folder / f"run-{run_id}.wandb" for folder in folders])
    results = folders[-1] / KEPT_RESULTS
    return record_of(
        run,
        path=path,
        source="wandb-offline",
        state=_state(run, folders[-1]),
        folder=results if results.is_dir() else None,
    )


def _state(run: LoggedRun, folder: Path) -> State:
    if run.exit_code is not None:
        return "stopped" if run.exit_code else "finished"
    return "running" if run_state(folder.parent.parent) == "running" else "stopped"
