"""Samplers: which images and texts meet in each batch of an epoch, as a function of (seed, epoch) alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from xmr.core.errors import ConfigError, check_at_least, check_positive
from xmr.data.dataset import Split


class PairSampler(Protocol):
    """Pairs up the images and texts of an epoch."""

    def pairs(self, split: Any, rng: np.random.Generator) -> np.ndarray:
        """(2, P): the position of each side of each pair of one epoch, in training order."""


class OneTextPerImage:
    """Each image once an epoch, with one of its texts drawn at random."""

    def pairs(self, split: Split, rng: np.random.Generator) -> np.ndarray:
        """(2, I): image and text position of each pair."""
        images = rng.permutation(len(split.image_ids))
        counts = split.text_counts[images]
        drawn = (rng.random(len(images)) * counts).astype(np.int64)
        return np.stack([images, split.flat_texts[split.first_text[images] + drawn]])


class EveryText:
    """Each image with each of its texts once an epoch (VSE++ trains so)."""

    def pairs(self, split: Split, rng: np.random.Generator) -> np.ndarray:
        """(2, sum of texts of the images): image and text position of each pair."""
        counts = split.text_counts
        images = np.repeat(np.arange(len(counts)), counts)
        nth = np.arange(len(images)) - np.repeat(np.cumsum(counts) - counts, counts)
        texts = split.flat_texts[split.first_text[images] + nth]
        return rng.permutation(np.stack([images, texts]), axis=1)


@dataclass
class PairBatches:
    """The batches of one epoch after another; resumes at any batch of any epoch.

    Yields (image positions, text positions), each (batch_size,). Short batches are dropped, as in-batch
    negatives make their loss another one; a split smaller than a batch is one batch. In a distributed run
    each process gets its own, equal share of every batch: `batch_size` counts over all of them. Raises
    `ConfigError` when the processes can't share a batch equally.
    """

    split: Any
    sampler: PairSampler
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1
    epoch: int = 0
    start: int = 0

    def __post_init__(self) -> None:
        check_positive(batch_size=self.batch_size)
        check_at_least(0, seed=self.seed)
        batch = min(self.batch_size, self._n_pairs)
        if batch % self.world_size:
            raise ConfigError(
                f"a batch of {batch} pairs can't be shared equally by {self.world_size} processes; "
                f"use batch_size={max(1, batch // self.world_size) * self.world_size}"
            )

    def set_epoch(self, epoch: int) -> None:
        """Go to `epoch`, from its first batch unless `set_position` named one of this epoch."""
        if epoch != self.epoch:
            self.set_position(epoch, 0)

    def set_position(self, epoch: int, batch: int) -> None:
        """Go to batch `batch` of `epoch`."""
        self.epoch, self.start = epoch, batch

    def __len__(self) -> int:
        return max(1, self._n_pairs // self.batch_size)

    @cached_property
    def _n_pairs(self) -> int:
        return self._epoch_pairs(0).shape[1]

    def _epoch_pairs(self, epoch: int) -> np.ndarray:
        return self.sampler.pairs(self.split, np.random.default_rng([self.seed, epoch]))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        images, texts = self._epoch_pairs(self.epoch)
        for batch in range(self.start, len(self)):
            begin = batch * self.batch_size
            share = slice(begin + self.rank, begin + self.batch_size, self.world_size)
            yield images[share], texts[share]
