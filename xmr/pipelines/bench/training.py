"""What a training step costs: bare PyTorch, bare Lightning and xmr on the same batches, in turn."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from xmr.core.errors import check_at_least
from xmr.core.files import write_json
from xmr.core.types import Modality
from xmr.data.datamodule import RetrievalDataModule
from xmr.data.dataset import Split
from xmr.data.samplers import OneTextPerImage, PairBatches
from xmr.data.sources import CachedFeatures, PairBatch, PairDataset, batch_loader
from xmr.losses.info_nce import InfoNCE
from xmr.models.dual_encoder import DualEncoder
from xmr.models.heads import LinearHead
from xmr.pipelines.run_folder import environment
from xmr.reporting.tracking.run import Mode
from xmr.training.checkpoints import AtomicCheckpointIO, BestAndLast, RandomState
from xmr.training.interrupt import SaveOnInterrupt
from xmr.training.loggers import build_loggers
from xmr.training.module import RetrievalModule
from xmr.training.optimizers import adamw
from xmr.training.progress import RunProgress
from xmr.training.schedulers import Constant

# a small step, so that what is around it stands out of the noise: it does not depend on the model's size
BATCH = 16
FEATURE_DIM, DIM = 64, 32
WARMUP_STEPS = 50
READ_ITEMS, READ_DIM, READ_BATCH = 20_000, 1280, 128

Fit = Callable[[int], None]


def bench_training(*, steps: int, rounds: int, json_file: Path | None) -> list[dict[str, Any]]:
    """Print (and write) milliseconds a step of each way to train, and items a second of reading features.

    Each way runs once a round, in turn; a step's cost is the slope between a short and a long run, which
    leaves out what a fit costs once, and the median over rounds.
    """
    check_at_least(1, steps=steps, rounds=rounds)
    split, features = _data(BATCH * (steps + WARMUP_STEPS))
    ways: dict[str, Fit] = {
        "bare PyTorch": lambda n: _pytorch(split, features, n),
        "bare Lightning": lambda n: _lightning(split, features, n),
        "xmr": lambda n: _xmr(split, features, n, wandb="disabled"),
        "xmr with W&B (offline)": lambda n: _xmr(split, features, n, wandb="offline"),
    }
    costs: dict[str, list[float]] = {name: [] for name in ways}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("training steps", total=rounds * len(ways))
        for _ in range(rounds):
            for name, fit in ways.items():
                long, short = _seconds(fit, WARMUP_STEPS + steps), _seconds(fit, WARMUP_STEPS)
                costs[name].append(1000 * (long - short) / steps)
                progress.advance(task)
    lightning = costs["bare Lightning"]
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "ms_per_step": median(cost),
            "ms_over_lightning": median(a - b for a, b in zip(cost, lightning, strict=True)),
        }
        for name, cost in costs.items()
    ]
    rows += _reading()
    _print(rows)
    if json_file is not None:
        write_json(json_file, {"rows": rows, "steps": steps, "rounds": rounds, "environment": environment()})
        Console().print(f"rows written to {json_file}")
    return rows


def _data(n: int) -> tuple[Split, dict[Modality, np.ndarray]]:
    rng = np.random.default_rng(0)
    ids = np.arange(n).astype(str)
    split = Split("train", ids, ids, ids, ids, ids, tuple(ids), ids)
    modalities = (Modality.IMAGE, Modality.TEXT)
    return split, {m: rng.standard_normal((n, FEATURE_DIM), dtype=np.float32) for m in modalities}


def _seconds(fit: Fit, steps: int) -> float:
    started = time.perf_counter()
    fit(steps)
    return time.perf_counter() - started


def _first(split: Split, steps: int) -> Split:
    n = BATCH * steps
    ids = split.image_ids[:n]
    return Split("train", ids, ids, ids, ids, ids, tuple(ids), ids)


def _loader(split: Split, features: dict[Modality, np.ndarray], steps: int) -> DataLoader[Any]:
    split = _first(split, steps)
    image, text = CachedFeatures(features[Modality.IMAGE]), CachedFeatures(features[Modality.TEXT])
    batches = PairBatches(split, OneTextPerImage(), BATCH, seed=0)
    return batch_loader(PairDataset(image, text, split.image_item_index), batches, workers=0)


class _Bare(pl.LightningModule):
    """The same heads and loss in the shortest LightningModule; also what bare PyTorch trains."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = (
            LinearHead(in_dim=FEATURE_DIM, dim=DIM),
            LinearHead(in_dim=FEATURE_DIM, dim=DIM),
        )
        self.loss = InfoNCE()

    def training_step(self, batch: PairBatch) -> Tensor:
        """The loss of a batch."""
        image = nn.functional.normalize(self.image(batch.image), dim=1)
        text = nn.functional.normalize(self.text(batch.text), dim=1)
        return self.loss(image, text, batch.item_id)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over all."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def _pytorch(split: Split, features: dict[Modality, np.ndarray], steps: int) -> None:
    module = _Bare()
    optimizer = module.configure_optimizers()
    for batch in _loader(split, features, steps):
        loss = module.training_step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _lightning(split: Split, features: dict[Modality, np.ndarray], steps: int) -> None:
    pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(_Bare(), _loader(split, features, steps))


def _xmr(split: Split, features: dict[Modality, np.ndarray], steps: int, *, wandb: Mode) -> None:
    """A run with all that train.py adds to a step; the evaluation, once an epoch, is not part of it."""
    sources = {modality: CachedFeatures(values) for modality, values in features.items()}
    model = DualEncoder(
        image_encoder=nn.Identity(),
        text_encoder=nn.Identity(),
        image_head=LinearHead(in_dim=FEATURE_DIM, dim=DIM),
        text_head=LinearHead(in_dim=FEATURE_DIM, dim=DIM),
        freeze=["image_encoder", "text_encoder"],
    )
    module = RetrievalModule(
        model=model,
        loss=InfoNCE(),
        optimizer=adamw(lr=1e-3),
        scheduler=Constant(),
        cached=frozenset(sources),
        log_every_n_steps=50,
    )
    first = _first(split, steps)
    pairs = PairDataset(sources[Modality.IMAGE], sources[Modality.TEXT], first.image_item_index)
    data = RetrievalDataModule(
        train=(first, pairs),
        evaluation=list(sources.items()),
        sampler=OneTextPerImage(),
        batch_size=BATCH,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoint = BestAndLast(folder / "checkpoints", monitor="none")
        pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=build_loggers(folder, mode=wandb, project="bench"),
            callbacks=[
                RunProgress(monitor="none", console=Console(stderr=True, quiet=True)),
                RandomState(),
                SaveOnInterrupt(folder),
                checkpoint,
            ],
            plugins=[AtomicCheckpointIO()],
            log_every_n_steps=50,
            limit_val_batches=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        ).fit(module, datamodule=data)


def _reading() -> list[dict[str, Any]]:
    """Items a second of reading memory-mapped features by batch, and item by item with torch's collate."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "features.npy"
        np.save(path, np.ones((READ_ITEMS, READ_DIM), dtype=np.float32))
        mapped = np.load(path, mmap_mode="r")
        order = np.random.default_rng(1).permutation(len(mapped))
        batches = [order[begin : begin + READ_BATCH] for begin in range(0, len(order), READ_BATCH)]
        source = CachedFeatures(mapped)
        started = time.perf_counter()
        for rows in batches:
            source.fetch(rows)
        by_batch = time.perf_counter() - started
        for rows in batches:
            default_collate([np.array(mapped[row]) for row in rows])
        by_item = time.perf_counter() - started - by_batch
    return [
        {"name": "features by batch", "items_per_second": len(order) / by_batch},
        {"name": "features item by item", "items_per_second": len(order) / by_item},
    ]


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table("way", "ms a step", "over Lightning", "items/s")
    for row in rows:
        cells = (
            [f"{row['ms_per_step']:.2f}", f"{row['ms_over_lightning']:+.2f}", ""]
            if "ms_per_step" in row
            else ["", "", f"{row['items_per_second']:,.0f}"]
        )
        table.add_row(row["name"], *cells)
    Console().print(table)
