"""Runs as W&B keeps them, on this disk or on a server, turned into records of a leaderboard."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xmr.core.errors import DataError
from xmr.core.run_state import State
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import RESULTS_SCHEMA
from xmr.reporting.records.runs import RunRecord, Source
from xmr.reporting.records.settings import all_epochs, flat_settings

PROTOCOL = "xmr_protocol"
"""The key of the protocol's fields in a run's config."""

BOARD, MODEL = "xmr_board", "xmr_model"
"""The keys in a run's config of the board that it is on and of its row there, once that is published."""

RESULTS = "results"
"""The key in a run's summary of what results.json holds besides protocol and metrics."""

ARTIFACT_TYPE = "evaluation"
RESULT_FILES = ("results.json", "queries.parquet")
KEPT_RESULTS = "evaluation"
"""The folder, in wandb's own of a run, of the files that the artifact is made of."""


@dataclass
class KeptRun:
    """A run as W&B keeps it: config and summary as they were last; `started` is ISO 8601 in UTC."""

    run_id: str = ""
    project: str = ""
    started: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


def artifact_name(run_id: str) -> str:
    """The name of the artifact that holds a run's results.json and queries.parquet."""
    return f"results-{run_id}"


def record_of(
    run: KeptRun, *, path: str, source: Source, state: State, folder: Path | None = None
) -> RunRecord:
    """The record of `run`, at `path` of its board; `folder` is where its results.json lies, if on this disk.

    A run that has ended without results is "stopped". Raises `DataError`, in one line, for a run without a
    protocol and for one whose results are no numbers.
    """
    protocol, results = _protocol(run.config), _results(run.summary)
    if not results and state == "finished":
        state = "stopped"
    seed = run.config.get("seed")
    queries = folder / "queries.parquet" if folder else None
    return RunRecord(
        path=path,
        folder=folder,
        source=source,
        run_id=run.run_id,
        name=str(run.config.get("name", run.run_id)),
        seed=seed if isinstance(seed, int) else None,
        state=state,
        progress="" if state == "finished" else _progress(run),
        protocol=protocol,
        metrics=_metrics(run.summary, f"{protocol['split']}/{protocol['data']}/", final=state == "finished"),
        intervals={name: (low, high) for name, (low, high) in results.get("intervals", {}).items()},
        settings=flat_settings(run.config),
        model=results.get("model", {}),
        cost=results.get("cost", {}),
        created=results.get("created", run.started),
        test_touches=0,
        queries_file=queries if queries and queries.is_file() else None,
        metrics_file=None,
        panels=(),
    )


def _protocol(config: Mapping[str, Any]) -> dict[str, Any]:
    stored = config.get(PROTOCOL)
    if not isinstance(stored, dict):
        raise DataError(f"has no {PROTOCOL} in its config: no run of xmr, or stopped before training began")
    try:
        return Protocol.from_json(stored).to_json()
    except (TypeError, ValueError) as error:
        raise DataError(f"{PROTOCOL} in its config is no protocol ({error})") from error


def _results(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a finished run tells besides its metrics; {} for another."""
    results = summary.get(RESULTS)
    if not isinstance(results, dict):
        return {}
    version = results.get("schema_version")
    if version != RESULTS_SCHEMA:
        raise DataError(f"has schema version {version}, but this xmr reads {RESULTS_SCHEMA}; evaluate again")
    groups = [results.get(name, {}) for name in ("intervals", "model", "cost")]
    pairs = groups[0].values() if isinstance(groups[0], dict) else ()
    if not all(isinstance(of, dict) for of in groups) or any(not _is_pair(pair) for pair in pairs):
        raise DataError(f"'{RESULTS}' in its summary is not what xmr wrote; evaluate again")
    return results


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(math.isfinite(_figure(each)) for each in value)


def _progress(run: KeptRun) -> str:
    epoch, epochs = _figure(run.summary.get("epoch")), all_epochs(run.config)
    had = int(epoch) if math.isfinite(epoch) else 0
    return f"epoch {had}" + (f" of {epochs}" if epochs else "")


def _metrics(summary: Mapping[str, Any], prefix: str, *, final: bool) -> dict[str, float]:
    """The metrics whose names begin with `prefix`, without it; of a run that goes on the last values."""
    metrics = {}
    for key, value in summary.items():
        name = key.removeprefix(prefix)
        if name == key or ("_to_" not in name and name != "mean_recall"):
            continue
        figure = _figure(value["last"] if isinstance(value, dict) and "last" in value else value)
        if math.isfinite(figure):
            metrics[name] = figure
        elif final:
            raise DataError(f"{name} is {value}; evaluate again")
    return metrics


def _figure(value: Any) -> float:
    """The number that `value` is, NaN for what is none: W&B keeps "NaN" and "Infinity" as texts."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
