"""Publishing: boards become the saved views and the Report of a W&B project, made once and then updated."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xmr.core.errors import ConfigError, XmrError
from xmr.evaluation.protocol import Protocol
from xmr.reporting.board.board import Board
from xmr.reporting.records.settings import protocol_key
from xmr.reporting.tracking.api import STATES, connected, runs_of
from xmr.reporting.tracking.files import sync_command
from xmr.reporting.tracking.records import BOARD, MODEL, PROTOCOL
from xmr.reporting.tracking.report import report_of, report_title, workspace_of
from xmr.reporting.tracking.settings import has_key, wandb_mode

if TYPE_CHECKING:
    import wandb
    from wandb.apis.public import Run

Labelled = tuple["Run", str]
"""A run on the server and the label of its row."""


def publish(
    boards: Sequence[Board],
    *,
    entity: str | None,
    project: str,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Save a view for each of `boards` and one Report of them all in a project; the addresses of both.

    Those that an earlier call saved are updated. Runs on the server get their board and the label of their
    row into their config, by which W&B filters and groups them; runs of no row lose them. Boards without a
    run there are left out; `say` hears which results are missing. `entity` None is the user's own. Raises
    `XmrError`, in one line, where the server can't be asked, fails or has none of the runs, and
    `ConfigError` where wandb-workspaces is not installed.
    """
    try:
        import wandb_workspaces  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "publishing a board needs wandb-workspaces; run pip install wandb-workspaces"
        ) from error
    with connected() as api:
        entity = entity or api.default_entity
        if entity is None:
            raise XmrError("W&B tells no entity for this key; name the project as ENTITY/PROJECT")
        runs = list(runs_of(api, entity, project, STATES))
        members = [_members(board, runs, say) for board in boards]
        shown = [board for board, found in zip(boards, members, strict=True) if found]
        if not shown:
            raise XmrError(f"none of these runs is in {entity}/{project}; upload them first, with wandb sync")
        for board, found in zip(boards, members, strict=True):
            _label(board, found, runs)
        urls = [_save_view(board, api, entity, project) for board in shown]
        about = _commits(run for found in members for run, _ in found)
        return [*urls, _save_report(shown, about, api, entity, project)]


def publish_later(root: Path, command: Sequence[str]) -> str:
    """One shell line that goes online, uploads the offline runs below `root` and runs `command`."""
    steps = [*_going_online(), sync_command(root), shlex.join(command)]
    return " && ".join(step for step in steps if step)


def _going_online() -> list[str]:
    steps = []
    if (os.environ.get("WANDB_MODE") or "online") not in ("online", "run"):
        steps.append("export WANDB_MODE=online")
    elif has_key() and wandb_mode() != "online":
        steps.append("wandb online")  # after a `wandb offline`
    return steps if has_key() else [*steps, "wandb login"]


def _members(board: Board, runs: Sequence[Run], say: Callable[[str], None]) -> list[Labelled]:
    """The finished runs of `board` that the server has, with the labels of their rows."""
    key = protocol_key(board.protocol)
    labels = {record.run_id: row.label for row in board.rows for record in row.finished}
    # a run's evaluations by other protocols are on other boards: W&B knows of one alone
    found = [(run, labels[run.id]) for run in runs if run.id in labels and _board_of(run) == key]
    if missing := len(labels) - len(found):
        say(f"{board.title}: W&B has not {missing} of {len(labels)} results; wandb sync uploads runs")
    return found


def _board_of(run: Run) -> str | None:
    stored = run.config.get(PROTOCOL)
    return protocol_key(Protocol.from_json(stored).to_json()) if isinstance(stored, dict) else None


def _label(board: Board, members: Sequence[Labelled], runs: Iterable[Run]) -> None:
    """Have the config of each run tell its board and row, by which W&B filters and groups, or no longer."""
    key = protocol_key(board.protocol)
    for run, label in members:
        labels = {BOARD: key, MODEL: label}
        if not labels.items() <= run.config.items():
            run.config.update(labels)
            run.update()
    here = {run.id for run, _ in members}
    for run in runs:
        if run.config.get(BOARD) == key and run.id not in here:
            del run.config[BOARD]
            run.update()


def _save_view(board: Board, api: wandb.Api, entity: str, project: str) -> str:
    import wandb_workspaces.workspaces as ws

    view = workspace_of(board, entity=entity, project=project)
    name = protocol_key(board.protocol)
    # the library takes no name for a view, but a fixed one is how it is found again, whatever its title
    view._internal_name = f"nw-{name}-v"
    with suppress(ValueError):  # there is none yet
        view._internal_id = ws.Workspace.from_url(f"{_server(api)}/{entity}/{project}?nw={name}")._internal_id
    return view.save().url


def _save_report(
    boards: Sequence[Board], about: Iterable[str], api: wandb.Api, entity: str, project: str
) -> str:
    report = report_of(boards, entity=entity, project=project, about=about)
    title = report_title(project)
    saved = next((each for each in api.reports(f"{entity}/{project}") if each.display_name == title), None)
    if saved is not None:
        report.id = saved.id
    return report.save().url


def _server(api: wandb.Api) -> str:
    return api.settings["base_url"]


def _commits(runs: Iterable[Run]) -> list[str]:
    """The commits that W&B noted of the code, as a sentence."""
    commits = sorted({run.commit[:8] for run in runs if run.commit})
    return [f"Code at {', '.join(commits)}."] if commits else []
