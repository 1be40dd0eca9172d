"""Loggers of a run: metrics.csv always, W&B as far as it can be reached."""

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger

from xmr.reporting import wandb_run
from xmr.training.csv_logger import CsvLogger


def build_loggers(
    folder: Path,
    *,
    mode: str,
    project: str,
    name: str,
    group: str | None = None,
    tags: list[str] | None = None,
    config: dict[str, Any] | None = None,
    resume_step: int | None = None,
) -> list[Logger]:
    """A CSV logger and, unless `mode` is "disabled", a W&B logger ("online" or "offline") below `folder`.

    The W&B run has the folder's id, so that a resumed run goes on in the same W&B run.
    """
    loggers: list[Logger] = [CsvLogger(folder / "metrics.csv", resume_step=resume_step)]
    if mode != "disabled":
        wandb = WandbLogger(
            save_dir=folder,
            project=project,
            name=name,
            id=name,
            group=group,
            tags=tags,
            mode=mode,
            settings=wandb_run.patient_settings(),
            resume="allow",
            log_model=False,
        )
        with wandb_run.reachable():
            wandb.experiment.config.update(config or {}, allow_val_change=True)
        loggers.append(wandb)
    return loggers
