"""The runs below a folder as records: finished, running and stopped ones, and why others can't be shown."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from xmr.core.errors import MissingFilesError
from xmr.core.run_state import State

Source = Literal["folder", "wandb-offline", "wandb", "submission"]

MARKS = frozenset(("config.yaml", "protocol.json", "results.json", "running.json", "metrics.csv"))
"""A folder with any of them is that of a run, or of a result."""

OF_A_RUN = frozenset(("checkpoints", "panels", "wandb", "projections", "evaluations"))
"""Folders of a run that hold no run of their own."""

OUTPUT = frozenset(("run.log", "output.log"))
"""What a run leaves that failed before it began."""

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One result under one protocol, or what a run that is not finished has reached so far.

    `path` names the folder of the result relative to the root that was read ("wandb/<project>/<id>" for
    those of W&B), `folder` is the same on this disk (None where it is not). `progress` is "" or
    "epoch 3 of 30". `metrics` bear their short names (`text_to_image/recall@1`), fractions in [0, 1] or
    ranks; `intervals` are 95 % ones. `settings` is the flat dotted config without what can't change a
    result (seed, name, paths, workers...), and the checkpoint where it is not the best one. `test_touches`
    is how often the run used its test split, `places` say where its data lay (`data.image_root`).
    """

    path: str
    folder: Path | None
    source: Source
    run_id: str
    name: str
    seed: int | None
    state: State
    progress: str
    protocol: dict[str, Any]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    settings: dict[str, Any]
    model: dict[str, Any]
    cost: dict[str, Any]
    created: str
    test_touches: int
    queries_file: Path | None
    metrics_file: Path | None
    panels: tuple[Path, ...]
    places: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """What could not be shown, by its path below the root, and the reason in one line."""

    path: str
    reason: str


def read_runs(root: Path) -> tuple[list[RunRecord], list[LeftOut]]:
    """Every result below `root`, what unfinished runs have reached, and what can't be shown, each by path.

    A run's own result and its evaluations by the same protocol, of the same checkpoint, are one result, the
    newest. Links are not followed; of copies (one run id, seed and settings) one is shown. Raises
    `MissingFilesError` when `root` is no folder.
    """
    from xmr.reporting.records.folders import FolderRuns, read_folder

    if not root.is_dir():
        raise MissingFilesError(f"{root} is no folder; give the one that holds the runs, as runs/")
    root = root.resolve()
    left_out: list[LeftOut] = []
    copies_of: dict[str, list[FolderRuns]] = {}
    for folder in _run_folders(root, left_out):
        try:
            found = read_folder(folder, root)
        except OSError as error:
            left_out.append(_unreadable(error, folder, root))
            continue
        copies_of.setdefault(found.identity or found.path, []).append(found)
    records: list[RunRecord] = []
    for copies in copies_of.values():
        shown, *others = sorted(copies, key=lambda copy: (not copy.finished, copy.folder.name != copy.run_id))
        records += shown.records
        left_out += shown.left_out
        reason = f"has the run id of {shown.path}, whose copy it is: a run is shown once"
        left_out += [LeftOut(other.path, reason) for other in others]
    return sorted(records, key=lambda record: record.path), sorted(left_out, key=lambda each: each.path)


def _run_folders(root: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    """The folders of runs and results below `root`, in order; what can't be entered goes to `left_out`."""

    def note(error: OSError) -> None:
        left_out.append(_unreadable(error, root, root))

    for name, folders, files in os.walk(root, onerror=note):
        folder = Path(name)
        folders.sort()
        if MARKS.intersection(files):
            folders[:] = [inner for inner in folders if inner not in OF_A_RUN]
            yield folder
        elif RUN_ID.fullmatch(folder.name) or (OUTPUT.intersection(files) and not folders):
            reason = "holds no config.yaml, protocol.json or results.json: the run never began"
            left_out.append(LeftOut(os.path.relpath(folder, root), reason))


def _unreadable(error: OSError, folder: Path, root: Path) -> LeftOut:
    path = os.path.relpath(error.filename or folder, root)
    return LeftOut(path, f"can't be read ({error.strerror or error})")
