"""Training: from a config to a run folder with checkpoints, metrics, results and panels."""

import csv
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from xmr.core.errors import ConfigError, check_whole, did_you_mean
from xmr.core.files import write_json
from xmr.data.dataset import Split
from xmr.evaluation.evaluator import flat_metrics
from xmr.pipelines.build import Components, build
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.panels import PanelWriter
from xmr.pipelines.run_folder import RunFolder, resumed_config
from xmr.pipelines.scoring import metric_prefix, protocol_of, results_json, score
from xmr.reporting import wandb_run
from xmr.reporting.curves import draw_curves
from xmr.reporting.panels import save_png
from xmr.reporting.summary import metrics_table
from xmr.training.checkpoints import AtomicCheckpointIO, BestAndLast, RandomState, load_checkpoint
from xmr.training.evaluation import Evaluation, RetrievalEvaluation
from xmr.training.interrupt import SaveOnInterrupt, TrainingInterrupted
from xmr.training.loggers import build_loggers
from xmr.training.progress import RunProgress, Stopwatch

WANDB_MODES = ("auto", "online", "offline", "disabled")
LOG_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"

log = logging.getLogger(__name__)


def train(config: DictConfig) -> None:
    """Run the training that `config` describes in Hydra's output folder."""
    folder = RunFolder(os.path.relpath(HydraConfig.get().runtime.output_dir))
    _run(config, folder, resumes=False)


def resume(where: str, overrides: Sequence[str]) -> None:
    """Go on with the run in the folder `where`, with `overrides` of what a resumed run may change."""
    folder = RunFolder(where)
    config = resumed_config(folder, overrides)
    epoch = load_checkpoint(folder.last_checkpoint())["epoch"] + 1
    if config.trainer.max_epochs < epoch:
        raise ConfigError(
            f"trainer.max_epochs={config.trainer.max_epochs}, but the run has had {epoch} epochs; use more"
        )
    logging.basicConfig(filename=folder.path / "run.log", level=logging.INFO, format=LOG_FORMAT)
    _run(config, folder, resumes=True)


def _run(config: DictConfig, folder: RunFolder, *, resumes: bool) -> None:
    """Train and say where the results are; a run that fails before it begins leaves no folder behind."""
    console = Console(stderr=True)
    try:
        _check(config)
        components = build(config)
        train_split, val_split = components.dataset.split("train"), components.dataset.split("val")
        run = TrainingRun(components, folder, train_split, val_split, console=console, resumes=resumes)
        run.prepare()
    except BaseException:
        if not resumes:
            folder.discard()
        raise
    try:
        run.fit()
    except TrainingInterrupted as interrupted:
        print_line = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        print_line(f"{interrupted}; saved. Go on with: python train.py resume={folder.path}")
        run.close(exit_code=interrupted.exit_code)
        sys.exit(interrupted.exit_code)
    except BaseException:
        run.close(exit_code=1)
        raise
    run.finish()


def _check(config: DictConfig) -> None:
    """Raise `ConfigError` for a setting that no component checks, before any work is done."""
    trainer, evaluation = config.trainer, config.evaluation
    check_whole(0, seed=config.seed, workers=config.workers)
    check_whole(1, batch_size=config.batch_size, eval_batch_size=config.eval_batch_size)
    for name in ("max_epochs", "check_val_every_n_epoch", "log_every_n_steps"):
        check_whole(1, **{f"trainer.{name}": trainer[name]})
    if not isinstance(evaluation.ks, ListConfig) or not evaluation.ks:
        raise ConfigError(
            f"evaluation.ks={evaluation.ks}; give a list of numbers, as in evaluation.ks=[1,5,10]"
        )
    for k in evaluation.ks:
        check_whole(1, **{"evaluation.ks": k})
    if trainer.get("max_steps", -1) != -1:
        raise ConfigError(
            f"trainer.max_steps={trainer.max_steps} can't be resumed from; use trainer.max_epochs"
        )
    check_whole(
        1,
        **{
            "evaluation.panels.queries": evaluation.panels.queries,
            "evaluation.panels.k": evaluation.panels.k,
        },
    )
    if trainer.check_val_every_n_epoch > trainer.max_epochs:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={trainer.check_val_every_n_epoch} > max_epochs="
            f"{trainer.max_epochs}: the run would never be evaluated; use a smaller number"
        )
    if config.logger.wandb.mode not in WANDB_MODES:
        raise ConfigError(
            f"logger.wandb.mode={config.logger.wandb.mode}; use one of {', '.join(WANDB_MODES)}"
        )


class TrainingRun:
    """One run: the trainer with its callbacks and loggers, and the report at its end."""

    def __init__(
        self,
        components: Components,
        folder: RunFolder,
        train_split: Split,
        val_split: Split,
        *,
        console: Console,
        resumes: bool,
    ) -> None:
        config = components.config
        self.components, self.folder, self.val_split = components, folder, val_split
        self.console = console
        self.resumes_from = folder.last_checkpoint() if resumes else None
        self.train_split = train_split
        self.prefix = metric_prefix(components, val_split)
        monitor = f"{val_split.name}/{config.evaluation.monitor}"
        panels = config.evaluation.panels
        self.panels = PanelWriter(
            components.dataset,
            val_split,
            instantiate(config.index),
            folder.panels,
            queries=panels.queries,
            k=panels.k,
        )
        self.loggers: list[Logger] = []
        self.stopwatch = Stopwatch()
        self.checkpoint = BestAndLast(folder.checkpoints, monitor=monitor)
        self.trainer = self._trainer(monitor)

    def _trainer(self, monitor: str) -> pl.Trainer:
        config = self.components.config
        callbacks = [
            RetrievalEvaluation(
                self.val_split,
                prefix=self.prefix,
                protocol=protocol_of(self.components, self.val_split),
                index=instantiate(config.index),
                report=self._report_epoch,
            ),
            *(instantiate(callback) for callback in config.callbacks.values()),
            RunProgress(monitor=monitor, console=self.console),
            RandomState(),
            self.stopwatch,
            SaveOnInterrupt(self.folder.checkpoints),
            self.checkpoint,
        ]
        try:
            return pl.Trainer(
                **OmegaConf.to_container(config.trainer, resolve=True),  # type: ignore[arg-type]
                default_root_dir=self.folder.path,
                callbacks=callbacks,
                plugins=[AtomicCheckpointIO()],
                logger=False,
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
            )
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise ConfigError(f"trainer settings: {error}") from error

    def prepare(self) -> None:
        """Compute the features that are missing, and score the untrained model."""
        self.datamodule = self.components.datamodule(self.train_split, self.val_split)
        self.untrained = flat_metrics(score(self.components, self.val_split).results)
        monitor = self.components.config.evaluation.monitor
        if monitor not in self.untrained:
            raise ConfigError(f"evaluation.monitor={monitor}; {did_you_mean(monitor, self.untrained)}")
        # an optimizer that can't be built says so now
        self.components.module.optimizer.build(self.components.module.named_parameters())

    def fit(self) -> None:
        """Train to the end."""
        # in a distributed run the first process alone writes; all of them embed
        if self.trainer.is_global_zero:
            record = self.folder.describe if self.resumes_from is None else self.folder.note_resume
            record(self.components.config)
            self._open_loggers()
        log.info("training starts: %s", self.folder.path)
        self.trainer.fit(
            self.components.module,
            datamodule=self.datamodule,
            ckpt_path=self.resumes_from,
            weights_only=True,
        )

    def _open_loggers(self) -> None:
        wandb = self.components.config.logger.wandb
        names = [f"{self.prefix}/{name}" for name in self.untrained]
        resume_step = None
        if self.resumes_from is not None:
            resume_step = load_checkpoint(self.resumes_from)["global_step"]
        self.loggers = build_loggers(
            self.folder.path,
            mode=wandb_run.wandb_mode() if wandb.mode == "auto" else wandb.mode,
            project=wandb.project,
            group=wandb.group,
            config=self.components.module.provenance["config"],
            resume_step=resume_step,
        )
        self.trainer.loggers = self.loggers
        if (run := self._wandb_run) is not None:
            wandb_run.define_metrics(run, ["train/loss", *names])
        if self.resumes_from is None:
            for logger in self.loggers:
                untrained = {f"{self.prefix}/{name}": value for name, value in self.untrained.items()}
                logger.log_metrics({**untrained, "epoch": 0}, step=0)

    @property
    def _wandb_run(self) -> Any:
        return next((logger.experiment for logger in self.loggers if isinstance(logger, WandbLogger)), None)

    def _report_epoch(self, evaluation: Evaluation) -> None:
        """Draw panels of every n-th epoch, while training goes on."""
        every = self.components.config.evaluation.panels.every_n_epochs
        epoch = evaluation.epoch + 1
        if every and epoch % every == 0 and epoch < self.components.config.trainer.max_epochs:
            self._publish(self.panels.write(evaluation, note=f"-epoch{epoch:03d}"), evaluation.step)

    def _publish(self, panels: dict[str, Path], step: int) -> None:
        if (run := self._wandb_run) is not None:
            wandb_run.log_panels(run, {f"panels/{name}": path for name, path in panels.items()}, step)

    def finish(self) -> None:
        """Score the best checkpoint, write results and panels, and say where all lies."""
        best = load_checkpoint(self.folder.checkpoints / "best.ckpt")
        self.components.module.restore(best)
        evaluation = score(self.components, self.val_split)
        if not self.trainer.is_global_zero:
            return
        results = results_json(
            self.components,
            evaluation,
            untrained=self.untrained,
            checkpoint="checkpoints/best.ckpt",
            epoch=best["epoch"] + 1,
            cost={"train_seconds": round(self.stopwatch.seconds, 3), "epochs": self.trainer.current_epoch},
        )
        write_json(self.folder.results_file, results)
        step = self.trainer.global_step
        for kind in ("random", "hardest"):
            self._publish(self.panels.write(evaluation, kind=kind), step)
        for logger in self.loggers:
            logger.finalize("success")
        with self.folder.metrics_file.open(newline="", encoding="utf-8") as file:
            title = f"{self.components.dataset.name} · {self.folder.run_id}"
            curves = draw_curves(list(csv.DictReader(file)), title=title)
        save_png(curves, self.folder.panels / "curves.png")
        sync = self._finish_wandb(evaluation, results["metrics"], step)
        self._print_report(results, sync)
        self.close(exit_code=0)

    def _finish_wandb(self, evaluation: Evaluation, metrics: dict[str, float], step: int) -> str | None:
        run = self._wandb_run
        if run is None:
            return None
        for direction in evaluation.results:
            ranked = self.panels.ranked(evaluation, direction, "random")
            wandb_run.log_rankings_table(run, f"rankings/{direction}", ranked, step)
        wandb_run.write_summary(run, {f"{self.prefix}/{name}": value for name, value in metrics.items()})
        return wandb_run.sync_command(run)

    def close(self, *, exit_code: int) -> None:
        """End what writes to files of the run."""
        wandb_run.finish(exit_code)

    def _index_lines(self, metrics: dict[str, float]) -> list[str]:
        """What an approximate index finds of what there is to find."""
        return [f"{name}  {100 * value:.1f} %" for name, value in metrics.items() if "/index_" in name]

    def _print_report(self, results: dict[str, Any], sync: str | None) -> None:
        path, dataset = self.folder.path, self.components.dataset.name
        out = Console()
        epochs = f"epoch {results['epoch']} of {results['cost']['epochs']}"
        title = f"{dataset}, {self.val_split.name} split, best checkpoint ({epochs})"
        out.print(
            metrics_table(results["metrics"], chance=results["chance"], untrained=self.untrained, title=title)
        )
        lines = [
            f"run folder  {path}",
            f"pictures    {path / 'panels'}",
            f"score test  python scripts/evaluate.py checkpoint={path / 'checkpoints/best.ckpt'}",
        ]
        lines.append("compare     python scripts/leaderboard.py runs/")
        if sync:
            lines.append(f"upload      {sync}")
        print_line = partial(out.print, markup=False, highlight=False, soft_wrap=True)
        for line in [*self._index_lines(results["metrics"]), *lines]:
            print_line(line)
        log.info("finished: %s", results["metrics"])
