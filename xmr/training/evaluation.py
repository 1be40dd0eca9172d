"""The evaluation callback: hands the embeddings of a validation pass to `xmr.evaluation`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from xmr.core.distributed import gather_rows
from xmr.core.errors import DataError
from xmr.core.protocols import Index
from xmr.core.types import Embeddings
from xmr.data.sources import EmbedBatch
from xmr.evaluation.evaluator import EvaluationResult, flat_metrics
from xmr.evaluation.index_quality import index_quality
from xmr.evaluation.plans import Plan, Sides


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: queries, gallery and results by direction, and when it was made.

    `index` tells what an approximate index finds of what there is to find; it is empty for an exact one.
    """

    sides: Sides
    results: dict[str, EvaluationResult]
    index: dict[str, float]
    epoch: int
    step: int


class RetrievalEvaluation(pl.Callback):
    """Evaluates by `plan` after each validation pass, whose loaders give the plan's entries in order.

    The ranks of the metrics are exact whatever the index. An approximate `index` is built anew each time,
    and what it misses is logged beside them. In a distributed run each process ranks its share.
    Loggers get `<prefix>/<metric>`; callbacks monitor `<split>/<metric>`. `latest` holds the last
    evaluation; `report` is called with each one, on the first process.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        prefix: str,
        index: Index | None = None,
        report: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self.plan = plan
        self.prefix = prefix
        self.index = index
        self.report = report
        self.latest: Evaluation | None = None
        self._collected: list[list[tuple[Tensor, Tensor]]] = []

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the pass before."""
        self._collected = [[] for _ in self.plan.entries]

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: EmbedBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the embeddings of one batch."""
        self._collected[dataloader_idx].append((outputs.float(), batch.position))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate, log, report."""
        embedded = [self._gathered(number, pl_module) for number in range(len(self.plan.entries))]
        results = self.plan.rank(embedded, trainer.world_size > 1)
        sides = self.plan.sides(embedded)
        index = {}
        if self.index is not None and not self.index.exact:
            index = index_quality(self.index, sides, k=max(self.plan.protocol.ks))
        self.latest = Evaluation(sides, results, index, trainer.current_epoch, trainer.global_step)
        flat = flat_metrics(results) | index
        metrics = {f"{self.prefix}/{name}": value for name, value in flat.items()}
        # what callbacks monitor has no data set in its name; the loggers get it unrounded, below
        pl_module.log_dict({f"{self.plan.split}/{name}": value for name, value in flat.items()}, logger=False)
        for logger in trainer.loggers:
            logger.log_metrics({**metrics, "epoch": trainer.current_epoch + 1}, step=trainer.global_step)
        if self.report is not None and trainer.is_global_zero:
            self.report(self.latest)

    def _gathered(self, number: int, pl_module: pl.LightningModule) -> Embeddings:
        collected, entries = self._collected[number], self.plan.entries[number]
        vectors = [vectors for vectors, _ in collected] or [torch.empty(0, 0, device=pl_module.device)]
        positions = [positions for _, positions in collected] or [torch.empty(0, dtype=torch.int64)]
        rows, order = gather_rows(torch.cat(vectors), torch.cat(positions))
        if len(order) != len(entries.ids):
            raise DataError(
                f"only {len(order)} of the {len(entries.ids)} {entries.modality} entries of the split were "
                f"embedded, which is no evaluation of it; leave trainer.limit_val_batches and "
                f"trainer.fast_dev_run out"
            )
        return entries.embeddings(rows, order.numpy())
