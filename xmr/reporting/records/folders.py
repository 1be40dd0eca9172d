"""One run folder as records: its result, its evaluations, or what it has reached so far."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xmr.core.errors import DataError, XmrError
from xmr.core.files import fingerprint
from xmr.core.run_state import State, run_state
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import read_results
from xmr.reporting.records.config import read_config
from xmr.reporting.records.progress import Reached, reached, stored_protocol
from xmr.reporting.records.runs import MARKS, LeftOut, RunRecord
from xmr.reporting.records.settings import (
    all_epochs,
    flat_settings,
    model_key,
    places_of_data,
    protocol_key,
)

GROUPS = frozenset(("data", "model", "loss", "trainer"))
"""What the settings of every run have."""

BEST = "checkpoints/best.ckpt"
TOUCHES = "test_touches.jsonl"


@dataclass(eq=False)
class FolderRuns:
    """What a folder holds: the records of one run, or of one result, and what of it can't be shown.

    `names` are those of what lies in it, asked for once: a look at the disk for each is slow on many.
    `identity` is equal for copies of one run.
    """

    folder: Path
    path: str
    names: frozenset[str]
    run_id: str
    identity: str = ""
    finished: bool = False
    records: list[RunRecord] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def read_folder(folder: Path, root: Path) -> FolderRuns:
    """The run in `folder`, which lies below `root`."""
    path = os.path.relpath(folder, root)
    names = frozenset(inside.name for inside in folder.iterdir())
    found = FolderRuns(folder, path, names, folder.name if "config.yaml" in names else path)
    try:
        config = read_config(folder / "config.yaml")
    except DataError as error:
        found.left_out.append(LeftOut(f"{path}/config.yaml", str(error)))
        return found
    if names & MARKS == {"config.yaml"} and not config.keys() >= GROUPS:
        return found  # some other program's
    own = None
    state = run_state(folder)
    if state == "finished":
        own = _collect(found, folder, config)
    elif "protocol.json" in names:
        _collect_unfinished(found, config, state)
    elif state == "running":
        found.left_out.append(LeftOut(path, "is starting: it is shown once training begins"))
    else:
        found.left_out.append(LeftOut(path, _why_nothing(folder)))
    so_far = found.records[-1].progress if state != "finished" and found.records else ""
    for evaluation in _evaluations(folder) if "evaluations" in names else ():
        _collect(found, evaluation, config, own=own)
    if state != "finished":
        # an evaluation of a run that goes on, or was killed, is of a model that is not done
        found.records = [replace(record, state=state, progress=so_far) for record in found.records]
    found.records = _newest(found.records)
    found.run_id = next((record.run_id for record in found.records), found.run_id)
    found.identity = fingerprint(found.run_id, model_key(flat_settings(config)), str(config.get("seed")))
    found.finished = any(record.state == "finished" for record in found.records)
    return found


def _why_nothing(folder: Path) -> str:
    if (folder / "checkpoints/last.ckpt").exists():
        return f"stopped, and has no protocol.json: python train.py resume={os.path.relpath(folder)}"
    return "stopped before training began: it has no results"


def _evaluations(folder: Path) -> list[Path]:
    """The folders of evaluations that were begun, links aside."""
    try:
        inside = sorted((folder / "evaluations").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = ("results.json", "queries.parquet")
    return [
        each for each in inside if not each.is_symlink() and any((each / name).exists() for name in files)
    ]


def _collect(
    found: FolderRuns, folder: Path, config: Mapping[str, Any], *, own: RunRecord | None = None
) -> RunRecord | None:
    """Add the result in `folder`, or why it can't be shown; `own` is the result of the run itself."""
    path = str(Path(found.path) / folder.relative_to(found.folder))
    file = folder / "results.json"
    try:
        content = read_results(file)
        record = _finished(content, found, config, file=file, path=path)
    except XmrError as error:
        reason = str(error).removeprefix(str(file)).lstrip(": ")
        found.left_out.append(LeftOut(f"{path}/results.json", reason))
        return None
    if own is not None and own.settings == record.settings:
        record = replace(record, cost={**own.cost, **record.cost})
    found.records.append(record)
    return record


def _finished(
    content: Mapping[str, Any], found: FolderRuns, config: Mapping[str, Any], *, file: Path, path: str
) -> RunRecord:
    metrics = {name: float(value) for name, value in content["metrics"].items()}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise DataError(f"{name} is {value}; evaluate again")
    run, submitted = content.get("run", {}), "submission" in content
    about = _about(found, config)
    checkpoint = content.get("checkpoint", BEST)
    queries = file.with_name("queries.parquet")
    return replace(
        about,
        path=path,
        folder=file.parent,
        source="submission" if submitted else "folder",
        run_id=run.get("id", found.run_id),
        name=str(config.get("name", run.get("name", Path(path).name))),
        seed=_whole(content.get("seed", config.get("seed"))),
        protocol=Protocol.from_json(content["protocol"]).to_json(),
        metrics=metrics,
        intervals={name: (low, high) for name, (low, high) in content.get("intervals", {}).items()},
        settings=about.settings | ({} if checkpoint == BEST else {"checkpoint": checkpoint}),
        model=content.get("model", {}),
        cost=content.get("cost", {}),
        created=content.get("created") or _modified(file),
        # each submission has a folder of its own: uses of the test split are noted beside them
        test_touches=_lines(found.folder.parent / TOUCHES) if submitted else about.test_touches,
        queries_file=queries if queries.is_file() else None,
        panels=about.panels if file.parent == found.folder else _panels(file.parent),
    )


def _about(found: FolderRuns, config: Mapping[str, Any]) -> RunRecord:
    """What is known of a run without its results."""
    names = found.names
    return RunRecord(
        path=found.path,
        folder=found.folder,
        source="folder",
        run_id=found.run_id,
        name=str(config.get("name", found.folder.name)),
        seed=_whole(config.get("seed")),
        state="finished",
        progress="",
        protocol={},
        metrics={},
        intervals={},
        settings=flat_settings(config),
        model={},
        cost={},
        created="",
        test_touches=_lines(found.folder / TOUCHES) if TOUCHES in names else 0,
        queries_file=None,
        metrics_file=found.folder / "metrics.csv" if "metrics.csv" in names else None,
        panels=_panels(found.folder) if "panels" in names else (),
        places=places_of_data(config),
    )


def _whole(seed: Any) -> int | None:
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None


def _collect_unfinished(found: FolderRuns, config: Mapping[str, Any], state: State) -> None:
    """Add what a run has reached; figures that can't be read are left out by themselves."""
    file = found.folder / "protocol.json"
    record = _about(found, config)
    try:
        protocol = stored_protocol(file)
    except XmrError as error:
        found.left_out.append(LeftOut(f"{found.path}/protocol.json", str(error)))
        return
    so_far = Reached()
    if record.metrics_file is not None:
        try:
            so_far = reached(record.metrics_file, f"{protocol['split']}/{protocol['data']}/")
        except DataError as error:
            found.left_out.append(LeftOut(f"{found.path}/metrics.csv", str(error)))
    found.left_out += [LeftOut(f"{found.path}/metrics.csv", problem) for problem in so_far.problems]
    epochs = all_epochs(config)
    record = replace(
        record,
        state=state,
        progress=f"epoch {so_far.epoch}" + (f" of {epochs}" if epochs else ""),
        protocol=protocol,
        metrics=so_far.metrics,
        created=_modified(record.metrics_file or file),
    )
    found.records.append(record)


def _newest(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Of the results of one checkpoint by one protocol the newest."""
    newest: dict[tuple[str, Any], RunRecord] = {}
    for record in records:
        key = (protocol_key(record.protocol), record.settings.get("checkpoint"))
        if key not in newest or record.created >= newest[key].created:
            newest[key] = record
    return list(newest.values())


def _panels(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted((folder / "panels").glob("*.png")))


def _modified(file: Path) -> str:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _lines(file: Path) -> int:
    """How many lines of text `file` has; 0 where there is none."""
    try:
        return sum(bool(line.strip()) for line in file.read_bytes().splitlines())
    except FileNotFoundError:
        return 0
