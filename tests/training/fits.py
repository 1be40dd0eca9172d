"""Small real runs of RetrievalModule on features with a relation to learn, that can be killed and resumed."""

import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import nn

from tests.processes import join, start
from xmr.core.types import Modality
from xmr.data.datamodule import RetrievalDataModule
from xmr.data.dataset import Item, RetrievalDataset, Split
from xmr.data.images import FolderImages
from xmr.data.samplers import OneTextPerImage
from xmr.data.sources import CachedFeatures, PairDataset
from xmr.evaluation.plans import image_text_plan
from xmr.evaluation.protocol import Protocol
from xmr.losses.info_nce import InfoNCE
from xmr.losses.instance import InstanceLoss
from xmr.models.dual_encoder import DualEncoder
from xmr.models.heads import LinearHead, MLPHead
from xmr.training.checkpoints import AtomicCheckpointIO, BestAndLast, RandomState, load_checkpoint
from xmr.training.csv_logger import CsvLogger
from xmr.training.evaluation import RetrievalEvaluation
from xmr.training.interrupt import SaveOnInterrupt, TrainingInterrupted
from xmr.training.module import RetrievalModule
from xmr.training.optimizers import adamw
from xmr.training.progress import RunProgress
from xmr.training.schedulers import WarmupCosine
from xmr.training.stages import Stage, Stages

MONITOR = "val/mean_recall"
LATENT, TEXTS = 6, 2
DIMS = {Modality.IMAGE: 16, Modality.TEXT: 12}
Sources = dict[Modality, CachedFeatures]


class ToyEncoder(nn.Module):
    """Features of features, with batch norm and dropout: all that differs between training and evaluation."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.modality, self.dim, self.preprocessing = modality, DIMS[modality], {}
        self.layers = nn.Sequential(nn.Linear(self.dim, self.dim), nn.BatchNorm1d(self.dim), nn.Dropout(0.2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layers(inputs)


def toy_splits(*, train: int = 48, val: int = 24) -> tuple[Split, Split]:
    """Items with two texts each."""
    items = tuple(
        Item(f"{split}{i}", f"{split}{i}.png", tuple(f"{split} {i} {t}" for t in range(TEXTS)), split)
        for split, count in (("train", train), ("val", val))
        for i in range(count)
    )
    dataset = RetrievalDataset("toy", items, FolderImages(Path()))
    return dataset.split("train"), dataset.split("val")


def toy_sources(split: Split) -> Sources:
    """Image and text features that are linear functions of one hidden vector an item, plus noise."""
    relation = np.random.default_rng(0)
    maps = {modality: relation.normal(size=(LATENT, dim)) for modality, dim in DIMS.items()}
    rng = np.random.default_rng(len(split.image_ids))
    hidden = rng.normal(size=(len(split.image_ids), LATENT))
    rows = {Modality.IMAGE: hidden, Modality.TEXT: np.repeat(hidden, TEXTS, axis=0)}
    features = {modality: rows[modality] @ maps[modality] for modality in DIMS}
    return {
        modality: CachedFeatures((values + 0.1 * rng.normal(size=values.shape)).astype(np.float32))
        for modality, values in features.items()
    }


def toy_pairs(split: Split, sources: Sources | None = None) -> PairDataset:
    """The pairs of a split."""
    sources = sources or toy_sources(split)
    return PairDataset(sources[Modality.IMAGE], sources[Modality.TEXT], split.image_item_index)


def toy_model(*, freeze: tuple[str, ...] = ()) -> DualEncoder:
    """Toy encoders with an MLP head for images and a linear one for texts."""
    return DualEncoder(
        image_encoder=ToyEncoder(Modality.IMAGE),
        text_encoder=ToyEncoder(Modality.TEXT),
        image_head=MLPHead(in_dim=DIMS[Modality.IMAGE], dim=8, hidden=32, dropout=0.2),
        text_head=LinearHead(in_dim=DIMS[Modality.TEXT], dim=8),
        freeze=freeze,
    )


def toy_module(*, freeze: tuple[str, ...] = (), **settings: Any) -> RetrievalModule:
    """An InfoNCE run of the toy model, logged at every step."""
    defaults = {
        "model": toy_model(freeze=freeze),
        "loss": InfoNCE(),
        "optimizer": adamw(lr=0.02, weight_decay=0.01),
        "scheduler": WarmupCosine(warmup=0.2),
        "log_every_n_steps": 1,
    }
    return RetrievalModule(**(defaults | settings))


def sharded_loss() -> InstanceLoss:
    """A classifier over the 48 training items that processes share."""
    loss = InstanceLoss(sharded=True, dropout=0.0)
    loss.set_classes(classes=48, dim=8)
    return loss


def toy_data(train: Sources | None = None, **settings: Any) -> tuple[RetrievalDataModule, Split]:
    """48 training items in batches of 8, and the split of 24 to evaluate on."""
    train_split, val_split = toy_splits()
    module = RetrievalDataModule(
        train=(train_split, toy_pairs(train_split, train)),
        evaluation=list(toy_sources(val_split).items()),
        sampler=OneTextPerImage(),
        batch_size=8,
        seed=3,
        **settings,
    )
    return module, val_split


def toy_trainer(folder: Path, callbacks: list[pl.Callback], **settings: Any) -> pl.Trainer:
    """A trainer on one CPU, set up as in `xmr.pipelines.train`."""
    defaults = {
        "max_epochs": 3,
        "accelerator": "cpu",
        "devices": 1,
        "gradient_clip_val": 1.0,
        "logger": False,
        "plugins": [AtomicCheckpointIO()],
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }
    return pl.Trainer(default_root_dir=folder, callbacks=callbacks, **(defaults | settings))


class SignalAt(pl.Callback):
    """Sends this process signals: before the batch at (epoch, batch), before validation at (epoch, None)."""

    def __init__(self, signals: dict[tuple[int, int | None], int]) -> None:
        self.signals = signals

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, index: int) -> None:
        self._send(trainer.current_epoch, index)

    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._send(trainer.current_epoch, None)

    def _send(self, *place: int | None) -> None:
        if place in self.signals:
            os.kill(os.getpid(), self.signals[place])


@dataclass(frozen=True)
class Fit:
    """A run of 3 epochs of 6 batches, with all that resuming rests on; it is sent `signals` on its way."""

    folder: Path
    signals: dict[tuple[int, int | None], int] = field(default_factory=dict)
    resume: bool = False
    workers: int = 0
    freeze: tuple[str, ...] = ()
    monitor: str = MONITOR
    stages: tuple[Stage, ...] = ()
    sharded: bool = False
    trainer: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Train to the end and write the state to `final.pt`; exits as the signal says when interrupted."""
        torch.set_num_threads(1)
        pl.seed_everything(int(os.environ.get("LOCAL_RANK", "0")), verbose=False)  # each process its own
        data, val_split = toy_data(workers=self.workers)
        stages = Stages(self.stages, monitor=MONITOR) if self.stages else None
        module = toy_module(
            freeze=self.freeze,
            stages=stages,
            **({"loss": sharded_loss()} if self.sharded else {}),
            cached=frozenset(Modality(part.removesuffix("_encoder")) for part in self.freeze),
        )
        last = self.folder / "last.ckpt" if self.resume else None
        logger = CsvLogger(
            self.folder / "metrics.csv", resume_step=load_checkpoint(last)["global_step"] if last else None
        )
        if last is None:
            logger.log_metrics({"val/toy/mean_recall": 0.1, "epoch": 0}, step=0)
        callbacks = [
            RetrievalEvaluation(image_text_plan(val_split, Protocol(ks=(1, 5, 24))), prefix="val/toy"),
            *([stages] if stages else []),
            RunProgress(monitor=self.monitor),
            RandomState(),
            SaveOnInterrupt(self.folder),
            BestAndLast(self.folder, monitor=self.monitor),
            SignalAt(self.signals),
        ]
        epochs = {"max_epochs": stages.epochs} if stages else {}
        trainer = toy_trainer(self.folder, callbacks, **self.trainer, **epochs)
        trainer.loggers = [logger]
        try:
            trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
        except TrainingInterrupted as interrupted:
            sys.exit(interrupted.exit_code)
        weights = module.state_dict()  # of a sharded classifier every process gives its rows
        if trainer.is_global_zero:
            state = {"weights": weights, "optimizer": trainer.optimizers[0].state_dict()}
            torch.save({**state, "random": torch.rand(4)}, self.folder / "final.pt")


def run_in_process(fit: Fit) -> int:
    """Run `fit` in a process of its own; its exit code, negative when a signal killed it."""
    return join(start(_run, fit))


def run_in_two_processes(fit: Fit, *, signalled: int) -> list[int]:
    """Run `fit` distributed over two processes, of which `signalled` gets the signals; their exit codes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(2):
        own = Fit(**(vars(fit) | {"signals": fit.signals if rank == signalled else {}}))
        environment = {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        processes.append(start(_run, own, **environment))
    try:
        return [join(process, 60) for process in processes]
    finally:
        for process in processes:
            process.kill()  # one may wait for the other


def _run(fit: Fit) -> None:
    fit.folder.mkdir(parents=True, exist_ok=True)
    rank_zero_only.rank = int(os.environ.get("LOCAL_RANK", "0"))
    with (fit.folder / "output.txt").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    fit.run()
