"""Training: from a config to a run folder with checkpoints, metrics, results and panels."""

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.run_state import RunningMark
from xmr.evaluation.evaluator import flat_metrics
from xmr.losses.k_class import KClassLoss
from xmr.pipelines.build import Components, build
from xmr.pipelines.check_settings import check_settings
from xmr.pipelines.clusters import clusters_of_items
from xmr.pipelines.document_figures import document_figures
from xmr.pipelines.evaluation_files import embedding_cost, write_evaluation, write_protocol
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.panels import PanelWriter
from xmr.pipelines.report import draw_projections, draw_run_curves, print_report
from xmr.pipelines.run_folder import RunFolder, resumed_config
from xmr.pipelines.scoring import about_run, index_of, metric_prefix, plan_of, score
from xmr.reporting.tracking import run as wandb_run
from xmr.reporting.tracking.settings import wandb_mode
from xmr.training.checkpoints import AtomicCheckpointIO, BestAndLast, RandomState, load_checkpoint
from xmr.training.evaluation import Evaluation, RetrievalEvaluation
from xmr.training.interrupt import SaveOnInterrupt, TrainingInterrupted
from xmr.training.loggers import build_loggers
from xmr.training.progress import RunProgress, Stopwatch

VALIDATION = "val"
LOG_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"

log = logging.getLogger(__name__)


def train(config: DictConfig) -> None:
    """Run the training that `config` describes in Hydra's output folder."""
    folder = RunFolder(os.path.relpath(HydraConfig.get().runtime.output_dir))
    run_training(config, folder, resumes=False)


def resume(where: str, overrides: Sequence[str]) -> None:
    """Go on with the run in the folder `where`, with `overrides` of what a resumed run may change."""
    folder = RunFolder(where)
    config = resumed_config(folder, overrides)
    epoch = load_checkpoint(folder.last_checkpoint())["epoch"] + 1
    if not config.stages and config.trainer.max_epochs < epoch:
        raise ConfigError(
            f"trainer.max_epochs={config.trainer.max_epochs}, but the run has had {epoch} epochs; use more"
        )
    logging.basicConfig(filename=folder.path / "run.log", level=logging.INFO, format=LOG_FORMAT)
    run_training(config, folder, resumes=True)


def run_training(config: DictConfig, folder: RunFolder, *, resumes: bool) -> None:
    """Train and say where the results are; a run that fails before it begins leaves no folder behind."""
    console = Console(stderr=True)
    try:
        check_settings(config)
        components = build(config)
        run = TrainingRun(components, folder, console=console, resumes=resumes)
        run.prepare()
    except BaseException:
        if not resumes:
            folder.discard()
        raise
    try:
        run.fit()
        run.finish()
    except TrainingInterrupted as interrupted:
        print_line = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        print_line(f"{interrupted}; saved. Go on with: python train.py resume={folder.path}")
        run.close(exit_code=interrupted.exit_code)
        sys.exit(interrupted.exit_code)
    except BaseException:
        run.close(exit_code=1)
        raise


class TrainingRun:
    """One run: the trainer with its callbacks and loggers, and the report at its end."""

    def __init__(
        self,
        components: Components,
        folder: RunFolder,
        *,
        console: Console,
        resumes: bool,
    ) -> None:
        config = components.config
        self.components, self.folder = components, folder
        self.plan = plan_of(components, VALIDATION)
        self.console = console
        self.resumes_from = folder.last_checkpoint() if resumes else None
        self.prefix = metric_prefix(components, VALIDATION)
        monitor = f"{VALIDATION}/{config.evaluation.monitor}"
        panels = config.evaluation.panels
        self.panels = PanelWriter(
            components.task,
            VALIDATION,
            index_of(config, self.plan),
            folder.panels,
            queries=panels.queries,
            k=panels.k,
        )
        self.loggers: list[Logger] = []
        self.running: RunningMark | None = None
        self.stopwatch = Stopwatch()
        self.checkpoint = BestAndLast(folder.checkpoints, monitor=monitor)
        self.trainer = self._trainer(monitor)

    def _trainer(self, monitor: str) -> pl.Trainer:
        config = self.components.config
        callbacks = [
            RetrievalEvaluation(
                self.plan,
                prefix=self.prefix,
                index=index_of(config, self.plan),
                report=self._report_epoch,
            ),
            self.components.stages,
            *(instantiate(callback) for callback in config.callbacks.values()),
            RunProgress(monitor=monitor, console=self.console),
            RandomState(),
            self.stopwatch,
            SaveOnInterrupt(self.folder.checkpoints),
            self.checkpoint,
        ]
        try:
            settings: Any = OmegaConf.to_container(config.trainer, resolve=True)
            settings["max_epochs"] = self.components.stages.epochs
            weighs = hasattr(self.components.module.loss, "set_weights")
            several = settings.get("devices", 1) not in (1, "1") or settings.get("num_nodes", 1) > 1
            if (config.stages or weighs) and several and settings.get("strategy", "auto") in ("auto", "ddp"):
                # what rests in a stage, or has weight 0, gets no gradient: DDP would wait for it
                settings["strategy"] = "ddp_find_unused_parameters_true"
            return pl.Trainer(
                **settings,
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
        self.datamodule = self.components.datamodule(VALIDATION, train=bool(self.components.stages.epochs))
        self._find_clusters()
        self.untrained = flat_metrics(score(self.components, self.plan).results)
        monitor = self.components.config.evaluation.monitor
        if monitor not in self.untrained:
            raise ConfigError(f"evaluation.monitor={monitor}; {did_you_mean(monitor, self.untrained)}")
        if self.components.stages.epochs:
            self.components.module.build_optimizer()  # one that can't be built says so now

    def fit(self) -> None:
        """Train to the end."""
        # in a distributed run the first process alone writes; all of them embed
        if self.trainer.is_global_zero:
            record = self.folder.describe if self.resumes_from is None else self.folder.note_resume
            record(self.components.config)
            self.running = RunningMark(self.folder.path)
            write_protocol(self.folder.path, self.plan.protocol)
            self._open_loggers()
        if not self.components.stages.epochs:
            self._save_untrained()
            return
        log.info("training starts: %s", self.folder.path)
        self.trainer.fit(
            self.components.module,
            datamodule=self.datamodule,
            ckpt_path=self.resumes_from,
            weights_only=True,
        )

    def _find_clusters(self) -> None:
        """Give a loss of pseudo-classes its k-means clusters of the training images' features."""
        if self.resumes_from is not None or self.datamodule.train is None:
            return
        _, pairs = self.datamodule.train
        seed = self.components.config.seed
        # also those that are terms of a weighted sum
        whole: Any = self.components.module.loss
        for loss in whole.modules():
            if isinstance(loss, KClassLoss):
                loss.set_clusters(
                    clusters_of_items(pairs.images, pairs.item_index, clusters=loss.clusters, seed=seed)
                )

    def _save_untrained(self) -> None:
        """Write the checkpoint of a run without training, as trained ones are."""
        module = self.components.module
        checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "epoch": -1, "global_step": 0}
        module.on_save_checkpoint(checkpoint)
        AtomicCheckpointIO().save_checkpoint(checkpoint, self.folder.checkpoints / "best.ckpt")

    def _open_loggers(self) -> None:
        wandb = self.components.config.logger.wandb
        names = [f"{self.prefix}/{name}" for name in self.untrained]
        resume_step = None
        if self.resumes_from is not None:
            resume_step = load_checkpoint(self.resumes_from)["global_step"]
        self.loggers = build_loggers(
            self.folder.path,
            mode=wandb_mode() if wandb.mode == "auto" else wandb.mode,
            project=wandb.project,
            name=wandb.name,
            group=wandb.group,
            config=self.components.module.provenance["config"],
            resume_step=resume_step,
        )
        self.trainer.loggers = self.loggers
        if (run := self._wandb_run) is not None:
            wandb_run.define_metrics(run, ["train/loss", *names])
            wandb_run.log_protocol(run, self.plan.protocol.to_json())
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
        if every and epoch % every == 0 and epoch < self.components.stages.epochs:
            self._publish(self.panels.write(evaluation, note=f"-epoch{epoch:03d}"), evaluation.step)

    def _publish(self, panels: dict[str, Path], step: int) -> None:
        if (run := self._wandb_run) is not None:
            wandb_run.log_panels(run, {f"panels/{name}": path for name, path in panels.items()}, step)

    def finish(self) -> None:
        """Score the best checkpoint, write results and panels, and say where all lies."""
        best = load_checkpoint(self.folder.checkpoints / "best.ckpt")
        self.components.module.restore(best)
        evaluation = score(self.components, self.plan)
        if not self.trainer.is_global_zero:
            return
        document = document_figures(self.components, evaluation)
        content = about_run(self.components, self.folder) | {
            "document": document.to_json(),
            "untrained": self.untrained,
            "checkpoint": "checkpoints/best.ckpt",
            "epoch": best["epoch"] + 1,
            "cost": {
                "train_seconds": round(self.stopwatch.seconds, 3),
                "epochs": self.trainer.current_epoch,
                **embedding_cost(self.components, evaluation),
            },
        }
        results = write_evaluation(self.folder.path, evaluation, self.components.task, content)
        step = self.trainer.global_step
        for kind in ("random", "hardest"):
            self._publish(self.panels.write(evaluation, kind=kind), step)
        self._publish_projections(evaluation, step)
        for logger in self.loggers:
            logger.finalize("success")
        draw_run_curves(self.folder, self.components.dataset.name)
        sync = self._finish_wandb(evaluation, results, step)
        print_report(self.folder, results, split=VALIDATION, sync=sync)
        log.info("finished: %s", results["metrics"])
        self.close(exit_code=0)

    def _publish_projections(self, evaluation: Evaluation, step: int) -> None:
        methods = self.components.config.evaluation.projections
        paths = draw_projections(self.components, evaluation, self.folder, VALIDATION, list(methods))
        page = paths.pop("page", None)
        self._publish({f"projection-{name}": path for name, path in paths.items()}, step)
        if page is not None and (run := self._wandb_run) is not None:
            wandb_run.log_html(run, f"{self.prefix}/projections", page, step)

    def _finish_wandb(self, evaluation: Evaluation, results: dict[str, Any], step: int) -> str | None:
        run = self._wandb_run
        if run is None:
            return None
        for direction in evaluation.results:
            ranked = self.panels.ranked(evaluation, direction, "random")
            wandb_run.log_rankings_table(run, f"rankings/{direction}", ranked, step)
        wandb_run.log_evaluation(run, self.folder.path, results)
        return wandb_run.sync_command(run)

    def close(self, *, exit_code: int) -> None:
        """End what writes to files of the run, and what says that it goes on."""
        if self.running is not None:
            self.running.release()
        wandb_run.finish(exit_code)
