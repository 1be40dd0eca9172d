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
from xmr.core.types import Embeddings, Modality
from xmr.data.datamodule import EMBED_ORDER
from xmr.data.dataset import Split
from xmr.data.sources import EmbedBatch
from xmr.evaluation.evaluator import STANDARD, EvaluationResult, evaluate_both_directions, flat_metrics
from xmr.evaluation.index_quality import index_quality
from xmr.evaluation.protocol import Protocol


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: the embeddings of a split, the results by direction, and when it was made.

    `index` tells what an approximate index finds of what there is to find; it is empty for an exact one.
    """

    image: Embeddings
    text: Embeddings
    results: dict[str, EvaluationResult]
    index: dict[str, float]
    epoch: int
    step: int


class RetrievalEvaluation(pl.Callback):
    """Evaluates both directions on `split` by `protocol` after each validation pass.

    The ranks of the metrics are exact whatever the index. An approximate `index` is built anew each time,
    and what it misses is logged beside them. In a distributed run each process ranks its share.
    Loggers get `<prefix>/<metric>`; callbacks monitor `<split>/<metric>`. `latest` holds the last
    evaluation; `report` is called with each one, on the first process.
    """

    def __init__(
        self,
        split: Split,
        *,
        prefix: str,
        protocol: Protocol = STANDARD,
        index: Index | None = None,
        report: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self.split = split
        self.prefix = prefix
        self.protocol = protocol
        self.index = index
        self.report = report
        self.latest: Evaluation | None = None
        self._collected: dict[Modality, list[tuple[Tensor, Tensor]]] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the pass before."""
        self._collected = {modality: [] for modality in EMBED_ORDER}

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
        self._collected[EMBED_ORDER[dataloader_idx]].append((outputs.float(), batch.position))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate, log, report."""
        image = self._gathered(Modality.IMAGE, pl_module)
        text = self._gathered(Modality.TEXT, pl_module)
        results = evaluate_both_directions(image, text, self.protocol, distributed=trainer.world_size > 1)
        index = {}
        if self.index is not None and not self.index.exact:
            index = index_quality(self.index, image, text, k=max(self.protocol.ks))
        self.latest = Evaluation(image, text, results, index, trainer.current_epoch, trainer.global_step)
        flat = flat_metrics(results) | index
        metrics = {f"{self.prefix}/{name}": value for name, value in flat.items()}
        # what callbacks monitor has no data set in its name; the loggers get it unrounded, below
        pl_module.log_dict({f"{self.split.name}/{name}": value for name, value in flat.items()}, logger=False)
        for logger in trainer.loggers:
            logger.log_metrics({**metrics, "epoch": trainer.current_epoch + 1}, step=trainer.global_step)
        if self.report is not None and trainer.is_global_zero:
            self.report(self.latest)

    def _gathered(self, modality: Modality, pl_module: pl.LightningModule) -> Embeddings:
        collected = self._collected[modality]
        vectors = [vectors for vectors, _ in collected] or [torch.empty(0, 0, device=pl_module.device)]
        positions = [positions for _, positions in collected] or [torch.empty(0, dtype=torch.int64)]
        rows, order = gather_rows(torch.cat(vectors), torch.cat(positions))
        if modality is Modality.IMAGE:
            ids, item_ids = self.split.image_ids, self.split.image_item_ids
        else:
            ids, item_ids = self.split.text_ids, self.split.text_item_ids
        if len(order) != len(ids):
            raise DataError(
                f"only {len(order)} of the {len(ids)} {modality} entries of the split were embedded, "
                f"which is no evaluation of it; leave trainer.limit_val_batches and trainer.fast_dev_run out"
            )
        return Embeddings(rows, ids[order.numpy()], item_ids[order.numpy()], modality)
