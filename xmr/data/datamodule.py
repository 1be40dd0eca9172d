"""The LightningDataModule: training pairs and what to embed for an evaluation, as loaders."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from xmr.core.distributed import rank_and_world_size
from xmr.core.errors import check_at_least, check_positive
from xmr.core.types import Modality
from xmr.data.samplers import PairBatches, PairSampler
from xmr.data.sources import EmbedDataset, PairDataset, Source, batch_loader


class RetrievalDataModule(pl.LightningDataModule):
    """Training pairs, and all that an evaluation embeds: one source (a loader) after the other.

    `train` is what the sampler pairs up, with the pairs; None for an evaluation alone.
    """

    def __init__(
        self,
        *,
        train: tuple[Any, PairDataset] | None,
        evaluation: Sequence[tuple[Modality, Source]],
        sampler: PairSampler,
        batch_size: int,
        eval_batch_size: int = 256,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_positive(batch_size=batch_size, eval_batch_size=eval_batch_size)
        check_at_least(0, workers=workers)
        self.train = train
        self.evaluation = evaluation
        self.sampler = sampler
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.workers = workers
        self.seed = seed
        self.batches: PairBatches | None = None
        self._position = (0, 0)

    def train_dataloader(self) -> DataLoader[Any]:
        """Pairs of the training split, from where a resumed run stood."""
        if self.train is None:
            raise RuntimeError("this data module was built for evaluation alone")
        split, pairs = self.train
        rank, world_size = rank_and_world_size()
        self.batches = PairBatches(
            split, self.sampler, self.batch_size, self.seed, rank=rank, world_size=world_size
        )
        self.batches.set_position(*self._position)
        return batch_loader(pairs, self.batches, workers=self.workers)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """A loader for each source; in a distributed run, of this process's share."""
        rank, world_size = rank_and_world_size()
        loaders = []
        for modality, source in self.evaluation:
            share = np.arange(rank, len(source), world_size)
            chunks = np.split(share, range(self.eval_batch_size, len(share), self.eval_batch_size))
            loaders.append(batch_loader(EmbedDataset(source, modality), chunks, workers=self.workers))
        return loaders

    def state_dict(self) -> dict[str, Any]:
        """The position of the next batch in the stream of all epochs."""
        trainer = self.trainer
        if trainer is None or self.batches is None:
            return {}
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        epoch = self.batches.epoch
        whole = done >= trainer.num_training_batches
        return {"epoch": epoch + 1, "batch": 0} if whole else {"epoch": epoch, "batch": done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at the stored position."""
        if state_dict:
            self._position = (state_dict["epoch"], state_dict["batch"])
