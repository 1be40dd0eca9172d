"""The collapse sentinel: warns when a model embeds everything at one point, and says what to try."""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from xmr.core.errors import XmrError, check_at_least, check_positive, check_whole
from xmr.data.sources import PairBatch
from xmr.evaluation.spread import spread

SIDES = ("image", "text")
ITEMS = 128
"""Distinct items of a batch that a look takes: enough to tell, in about 5 ms of a CPU."""
RANK_SHARE = 0.2
LINE = 1.5
"""One point: an effective rank below a fifth of what is possible, or this, where that is little."""
LEARNT = 0.95
"""A loss below this share of a collapsed model's tells items apart, however narrow the embeddings."""
LEAVING = 1.5
"""The growth of the distances within a window by which a healthy run leaves a narrow beginning."""
SAME_POINT = 1e-4
"""A mean similarity this close to 1 is one point, and what it grows by is noise."""
REMEDIES = (
    "Usual causes: the learning rate is too high (it is {lr:.1e}); the hardest negatives at once; "
    "inputs that look all the same to the encoder (pixels of a wrong range or colour order, empty texts); "
    "units that give zero for every input.\n"
    "Try optimizer.lr={lower:.1e}, a longer scheduler.warmup, miner=semi_hard or miner=random, or "
    "loss=info_nce; and check the inputs: python scripts/doctor.py data data=..."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What one step shows: the loss, that of a collapsed model (None: it says nothing), the narrower side."""

    step: int
    loss: float
    collapsed_loss: float | None
    side: str
    similarity: float
    rank: float
    full_rank: int


class CollapseSentinel(pl.Callback):
    """Warns once when a whole window of steps looks collapsed; with `stop` it raises `XmrError` instead.

    Every `every` steps it looks at the last batch, one row for each distinct item. A look is collapsed when
    - either side is nearly one point: mean similarity above `similarity`, effective rank below a fifth of
      min(items, D) (below 1.5 where that is less), and the loss is not below that of a collapsed model; or
    - the loss is that of a collapsed model, to the share `tolerance` (outputs that shrink to zero, where
      directions still differ).
    All looks of `window` steps must be, as random networks begin narrow and healthy runs leave; one that is
    leaving, its distances growing over the window, is let go on. Looks with fewer than two distinct items or
    a loss that is not finite tell nothing. Weights are on disk up to the last checkpoint when it raises.

    The module's `last_batch` holds the embeddings (image, text) of the last step, without a gradient: those
    of all processes, in the order of their ranks. Each process looks at its own.
    """

    def __init__(
        self,
        *,
        every: int = 5,
        window: int = 100,
        similarity: float = 0.98,
        tolerance: float = 1e-3,
        stop: bool = False,
    ) -> None:
        check_whole(1, every=every)
        check_whole(2 * every, window=window)
        check_at_least(0.5, similarity=similarity)
        check_positive(tolerance=tolerance, room_above_similarity=1 - similarity)
        self.every, self.window = every, window
        self.similarity, self.tolerance = similarity, tolerance
        self.stop = stop
        self.warned = False
        self._looks: deque[Look] = deque(maxlen=window // every)
        self._last_step = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: PairBatch,
        batch_idx: int,
    ) -> None:
        """Look, every so many steps, and warn or stop when the window is full of collapsed looks."""
        step = trainer.global_step
        # where gradients are accumulated, a step has several batches: the one that ends it is looked at
        if self.warned or step == self._last_step or step % self.every:
            return
        self._last_step = step
        look = self._look(trainer, pl_module, outputs, batch)
        if look is not None:
            self._judge(look)
        if _any_process(trainer, self._collapsed()):
            self._report(trainer)

    def _look(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Mapping[str, Any], batch: PairBatch
    ) -> Look | None:
        """What the step shows; None when it can't tell."""
        # Lightning divides the loss by the number of batches whose gradients are accumulated
        loss = outputs["loss"].item() * trainer.accumulate_grad_batches
        items = np.unique(batch.item_id.cpu().numpy(), return_index=True)[1]
        last_batch = pl_module.last_batch
        if last_batch is None or len(items) < 2 or not np.isfinite(loss):
            return None
        own = trainer.global_rank * len(batch.item_id)
        rows = own + torch.from_numpy(np.sort(items)[:ITEMS])
        sides = {name: _rows(side, rows) for name, side in zip(SIDES, last_batch, strict=True)}
        if not all(vectors.isfinite().all() for vectors in sides.values()):
            return None
        spreads = {name: spread(vectors) for name, vectors in sides.items()}
        side = max(spreads, key=lambda name: spreads[name].mean_similarity)
        return Look(
            step=trainer.global_step,
            loss=loss,
            collapsed_loss=pl_module.loss.collapsed_value(len(last_batch[0])),
            side=side,
            similarity=spreads[side].mean_similarity,
            rank=spreads[side].effective_rank,
            full_rank=min(sides[side].shape),
        )

    def _judge(self, look: Look) -> None:
        """Count a collapsed look; begin anew after any other."""
        if self._is_one_point(look) or self._has_collapsed_loss(look):
            self._looks.append(look)
        else:
            self._looks.clear()

    def _is_one_point(self, look: Look) -> bool:
        narrow = look.similarity > self.similarity and look.rank < max(LINE, RANK_SHARE * look.full_rank)
        return narrow and (look.collapsed_loss is None or look.loss >= LEARNT * look.collapsed_loss)

    def _has_collapsed_loss(self, look: Look) -> bool:
        collapsed = look.collapsed_loss
        if not collapsed:  # a loss that is lowest for a collapsed model says nothing
            return False
        return abs(look.loss - collapsed) <= self.tolerance * abs(collapsed)

    def _collapsed(self) -> bool:
        """Whether the window is full of collapsed looks, and the run is not on its way out."""
        if len(self._looks) < self._looks.maxlen:  # type: ignore[operator]  # it has one
            return False
        if all(self._has_collapsed_loss(look) for look in self._looks):
            return True
        distances = [max(1 - look.similarity, SAME_POINT) for look in self._looks]
        half = len(distances) // 2
        return median(distances[half:]) <= LEAVING * median(distances[:half])

    def _report(self, trainer: pl.Trainer) -> None:
        self.warned = True
        group = trainer.optimizers[0].param_groups[0]
        lr = group.get("initial_lr", group["lr"])  # a schedule keeps the one that was set
        message = f"{self._seen()}\n{REMEDIES.format(lr=lr, lower=lr / 10)}"
        if self.stop:
            raise XmrError(f"{message}\nTraining was stopped; checkpoints and metrics so far are kept.")
        if trainer.is_global_zero:
            log.warning("%s", message)

    def _seen(self) -> str:
        """What was seen, in numbers."""
        if not self._collapsed():
            return "the model has collapsed, as another process found on its share of the batches"
        first, last = self._looks[0], self._looks[-1]
        loss = f"The loss is {last.loss:.4g}"
        if last.collapsed_loss is not None:
            loss += f" (of a model that can't tell items apart: {last.collapsed_loss:.4g})"
        return (
            f"the model has collapsed: from step {first.step} to {last.step} it told items apart hardly or "
            f"not at all. {loss}; the {last.side} embeddings of a batch have mean similarity "
            f"{last.similarity:.4f} and effective rank {last.rank:.1f} (of at most {last.full_rank})"
        )


def _rows(vectors: Tensor, rows: Tensor) -> Tensor:
    return vectors[rows.to(vectors.device)].float().cpu()


def _any_process(trainer: pl.Trainer, found: bool) -> bool:
    """Whether any process has found it: all must stop after the same step."""
    if trainer.world_size == 1:
        return found
    return bool(trainer.strategy.reduce_boolean_decision(found, all=False))
