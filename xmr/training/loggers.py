"""Loggers of a run: metrics.csv always, W&B as far as it can be reached."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger

from xmr.reporting.tracking.run import Mode, start_run
from xmr.training.csv_logger import CsvLogger


def build_loggers(
    folder: Path,
    *,
    mode: Mode,
    project: str,
    name: str | None = None,
    group: str | None = None,
    config: Mapping[str, Any] | None = None,
    resume_step: int | None = None,
) -> list[Logger]:
    """A CSV logger and, unless `mode` is "disabled", a W&B logger ("online" or "offline") below `folder`.

    The W&B run has the folder's name as its id, so that a resumed run goes on in the same W&B run, and as
    its `name` unless there is another.
    """
    loggers: list[Logger] = [CsvLogger(folder / "metrics.csv", resume_step=resume_step)]
    if mode != "disabled":
        run_id = folder.resolve().name
        run = start_run(
            folder,
            mode=mode,
            project=project,
            name=name or run_id,
            run_id=run_id,
            group=group,
            config=config or {},
        )
        loggers.append(WandbLogger(experiment=run, save_dir=folder, log_model=False))
    return loggers
