"""The local leaderboard: the runs below a folder, one table for each protocol, best first."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from xmr.core.errors import ConfigError, did_you_mean
from xmr.evaluation.protocol import RESULTS_SCHEMA

SHOWN = tuple(f"{direction}/recall@{k}" for direction in ("text_to_image", "image_to_text") for k in (1, 10))
# what may differ between results that still compare
NOT_COMPARED = ("xmr_version",)


@dataclass(frozen=True)
class Entry:
    """One result: where it lies, its path below the folder of runs, what it was measured on, its metrics."""

    path: Path
    name: str
    protocol: dict[str, Any]
    metrics: dict[str, float]
    seed: int | None

    @property
    def board(self) -> str:
        """Equal for results that compare."""
        compared = {name: value for name, value in self.protocol.items() if name not in NOT_COMPARED}
        return json.dumps(compared, sort_keys=True)


def read_runs(root: Path) -> tuple[list[Entry], dict[Path, str]]:
    """Every result below `root` (of runs, and of evaluations within them), and why others can't be shown."""
    entries, left_out = [], {}
    root = root.resolve()
    for file in sorted(root.rglob("results.json")):
        if _through_link(file, root):
            continue
        try:
            entries.append(_read(file, root))
        except (ValueError, KeyError, TypeError, OSError) as error:
            left_out[file] = f"{type(error).__name__}: {error}"
    finished = {entry.path for entry in entries} | {file.parent for file in left_out}
    for config in sorted(root.rglob("config.yaml")):
        run = config.parent
        if run not in finished and not _through_link(config, root):
            resumable = (run / "checkpoints/last.ckpt").exists()
            left_out[run] = (
                f"not finished: go on with python train.py resume={run}"
                if resumable
                else "stopped before its first checkpoint"
            )
    return entries, left_out


def _through_link(path: Path, root: Path) -> bool:
    """Whether a folder between `root` and `path` is a link, such as `latest`."""
    return any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(root))


def _read(file: Path, root: Path) -> Entry:
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["schema_version"] != RESULTS_SCHEMA:
        raise ValueError(f"schema version {content['schema_version']}, but this xmr reads {RESULTS_SCHEMA}")
    for name in ("name", "data", "split", "data_fingerprint"):
        content["protocol"][name]
    metrics = {name: float(value) for name, value in content["metrics"].items()}
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(f"{bad[0]} is not a number")
    name = str(file.parent.relative_to(root))
    return Entry(file.parent, name, content["protocol"], metrics, content.get("seed"))


def board_tables(entries: Sequence[Entry], *, metric: str = "mean_recall") -> list[Table]:
    """A table for each protocol among `entries`, best `metric` first; results of others never mix.

    Raises `ConfigError` for a metric that no result has.
    """
    known = {name for entry in entries for name in entry.metrics}
    if metric not in known:
        raise ConfigError(f"no result has the metric '{metric}'; {did_you_mean(metric, known)}")
    boards: dict[str, list[Entry]] = {}
    for entry in entries:
        boards.setdefault(entry.board, []).append(entry)
    return [_table(members, metric) for members in boards.values()]


def _table(entries: list[Entry], metric: str) -> Table:
    protocol = entries[0].protocol
    title = f"{protocol['data']}, {protocol['split']} split (data {protocol['data_fingerprint']})"
    if protocol["name"] != "standard":
        title = f"{protocol['name']}: {title}"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("run", overflow="fold")
    columns = [metric, *(name for name in SHOWN if name != metric)]
    for heading in ["seed", *map(_heading, columns)]:
        table.add_column(heading, justify="right", no_wrap=True)
    lower_is_better = metric.endswith("_rank")
    worst = math.inf if lower_is_better else -math.inf
    ordered = sorted(entries, key=lambda e: e.metrics.get(metric, worst), reverse=not lower_is_better)
    for place, entry in enumerate(ordered, start=1):
        values = [_show(name, entry.metrics.get(name)) for name in columns]
        table.add_row(str(place), entry.name, str(entry.seed), *values)
    return table


def _heading(metric: str) -> str:
    """`text_to_image/recall@1` as two short lines: `t → i` over `R@1`."""
    direction, _, name = metric.rpartition("/")
    initials = " → ".join(part[0] for part in direction.split("_to_")) if direction else ""
    return f"{initials}\n{name.replace('recall@', 'R@').replace('_', ' ')}"


def _show(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if name.endswith("_rank") else f"{100 * value:.1f}"
