"""W&B projects on a server as records of a leaderboard."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from ssl import SSLError
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from xmr.core.errors import ConfigError, XmrError
from xmr.core.run_state import State
from xmr.reporting.records.runs import LeftOut, RunRecord
from xmr.reporting.tracking.records import ARTIFACT_TYPE, KeptRun, artifact_name, record_of
from xmr.reporting.tracking.settings import has_key, server_url, wandb_mode

if TYPE_CHECKING:
    import wandb
    from wandb.apis.public import Run, Runs

STATES: dict[State, tuple[str, ...]] = {
    "finished": ("finished",),
    "running": ("running", "pending", "preempting"),
    "stopped": ("crashed", "failed", "killed", "preempted"),
}
"""What W&B calls the states of a run."""

PAGE = 100
"""How many runs are asked for at once."""

TIMEOUT, REACH_TIMEOUT = 30, 10
"""Seconds that a server has to answer a question, and to answer at all."""


def why_offline() -> str | None:
    """Why W&B's server can't be asked, in a few words; None where it can be tried."""
    if wandb_mode() != "online":
        mode = os.environ.get("WANDB_MODE")
        return f"WANDB_MODE={mode}" if mode else "wandb has no API key, or is set offline"
    return None if has_key() else "wandb has no API key"


@contextmanager
def connected() -> Iterator[wandb.Api]:
    """The server, within a block; raises `XmrError`, in one line, where it can't be asked or fails."""
    if (why := why_offline()) is not None:
        raise XmrError(f"W&B can't be asked: {why}; set WANDB_MODE=online and run wandb login")
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    _check_reachable(server_url())
    try:
        yield wandb.Api(timeout=TIMEOUT)
    except (wandb.errors.CommError, wandb.errors.UsageError, WandbApiFailedError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or "no answer in time"
        raise XmrError(f"the W&B server {server_url()} fails: {reason}") from error


def _check_reachable(url: str) -> None:
    """Raise `XmrError` where no server answers: wandb itself would try for long."""
    try:
        urlopen(Request(url, method="HEAD"), timeout=REACH_TIMEOUT).close()
    except HTTPError:
        pass  # an answer
    except OSError as error:
        reason = getattr(error, "reason", error)
        # wandb brings certificates of its own
        if not isinstance(reason, SSLError):
            raise XmrError(f"can't reach the W&B server {url} ({reason}); check the network") from error


def read_project(
    path: str,
    *,
    states: Collection[State] = tuple(STATES),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[RunRecord], list[LeftOut]]:
    """The runs of the project `path` ("entity/project") in one of `states`, and what can't be shown.

    They are fetched in pages; `progress` hears how many are read, of how many. Per-query results stay on
    the server, see `fetch_queries`. Raises `ConfigError` for a path of another form and `XmrError` where
    the server can't be asked, fails, or has no such project.
    """
    entity, project = split_path(path)
    records: list[RunRecord] = []
    left_out: list[LeftOut] = []
    with connected() as api:
        runs = runs_of(api, entity, project, states)
        for done, run in enumerate(runs, start=1):
            shown = f"wandb/{project}/{run.id}"
            try:
                record = record_of(_kept(run, project), path=shown, source="wandb", state=_state(run))
                records.append(record)
            except XmrError as error:
                left_out.append(LeftOut(shown, str(error)))
            if progress is not None:
                progress(done, len(runs))
    return records, left_out


def split_path(path: str) -> tuple[str, str]:
    """Entity and project of "entity/project"; raises `ConfigError` for another form."""
    entity, slash, project = path.partition("/")
    if not (entity and slash and project) or "/" in project:
        raise ConfigError(f"'{path}' is no project of W&B; write it as ENTITY/PROJECT")
    return entity, project


def runs_of(api: wandb.Api, entity: str, project: str, states: Collection[State]) -> Runs:
    """The runs of a project with their config and summary; raises `XmrError` for an unknown project."""
    named = [name for state in states for name in STATES[state]]
    filters = {} if set(states) == set(STATES) else {"state": {"$in": named}}
    runs = api.runs(f"{entity}/{project}", filters=filters, per_page=PAGE, lazy=False)
    try:
        len(runs)  # asks for the first page
    except ValueError as error:
        raise XmrError(
            f"{api.settings['base_url']} has no project {entity}/{project}, or not for this key; "
            "check the name, or upload runs first, with wandb sync"
        ) from error
    return runs


def fetch_queries(records: Sequence[RunRecord], path: str, *, into: Path) -> list[RunRecord]:
    """`records` with the queries.parquet of each that is of the project `path` and has one, kept in `into`.

    Fetched once for each version of a run's results; raises as `read_project` does.
    """
    from requests import RequestException

    split_path(path)
    with connected() as api:
        try:
            return [
                replace(record, queries_file=_fetch(api, path, record.run_id, into))
                if record.source == "wandb" and record.queries_file is None
                else record
                for record in records
            ]
        except RequestException as error:
            raise XmrError(f"results of {path} can't be fetched from W&B ({error}); try again") from error


def _fetch(api: wandb.Api, path: str, run_id: str, into: Path) -> Path | None:
    """The queries.parquet of a run, newest version; None for a run that has logged none."""
    name = f"{path}/{artifact_name(run_id)}:latest"
    if not api.artifact_exists(name, type=ARTIFACT_TYPE):
        return None
    artifact = api.artifact(name, type=ARTIFACT_TYPE)
    folder = into / path / run_id / artifact.digest
    file = folder / "queries.parquet"
    if not file.is_file():
        artifact.get_entry(file.name).download(root=str(folder))
    return file


def _kept(run: Run, project: str) -> KeptRun:
    return KeptRun(run.id, project, run.created_at, run.config, dict(run.summary_metrics))


def _state(run: Run) -> State:
    return next((state for state, names in STATES.items() if run.state in names), "stopped")
