"""Sources: what turns positions in a split into a batch of model inputs, one call a batch."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from xmr.core.protocols import Inputs
from xmr.data.dataset import ImageReader


class Source(Protocol):
    """The inputs of one modality of one split, N in all."""

    def __len__(self) -> int:
        """N."""

    def fetch(self, positions: np.ndarray) -> Inputs:
        """The inputs at `positions` (B,), each in 0..N-1, as one batch on the CPU."""


class CachedFeatures:
    """Encoder features (N, D) that were computed before; a batch is one fancy index."""

    def __init__(self, features: np.ndarray) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def fetch(self, positions: np.ndarray) -> Tensor:
        """Features (B, D)."""
        return torch.from_numpy(self.features[positions])


class Images:
    """Images that are read and prepared when they are asked for."""

    def __init__(
        self, read_image: ImageReader, keys: Sequence[str], prepare: Callable[[Sequence[Any]], Inputs]
    ) -> None:
        self.read_image = read_image
        self.keys = keys
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.keys)

    def fetch(self, positions: np.ndarray) -> Inputs:
        """Pixels (B, 3, H, W)."""
        return self.prepare([self.read_image(self.keys[position]) for position in positions])


class Texts:
    """Texts that are tokenised when they are asked for."""

    def __init__(self, texts: Sequence[str], prepare: Callable[[Sequence[Any]], Inputs]) -> None:
        self.texts = texts
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.texts)

    def fetch(self, positions: np.ndarray) -> Inputs:
        """Token tensors by name, each (B, ...)."""
        return self.prepare([self.texts[position] for position in positions])


class PairBatch(NamedTuple):
    """Matching images and texts, B of each; equal `item_id`s (B,) match each other too."""

    image: Inputs
    text: Inputs
    item_id: Tensor


class EmbedBatch(NamedTuple):
    """Inputs of one modality with their positions (B,) in the split."""

    inputs: Inputs
    position: Tensor


class PairDataset(Dataset[PairBatch]):
    """Batches of pairs; an index is (image positions, text positions), each (B,)."""

    def __init__(self, images: Source, texts: Source, item_index: np.ndarray) -> None:
        self.images = images
        self.texts = texts
        self.item_index = item_index

    def __getitems__(self, positions: tuple[np.ndarray, np.ndarray]) -> PairBatch:
        """The whole batch in one call."""
        image, text = positions
        item_id = torch.from_numpy(self.item_index[image])
        return PairBatch(self.images.fetch(image), self.texts.fetch(text), item_id)


class EmbedDataset(Dataset[EmbedBatch]):
    """Batches of one source; an index is positions (B,)."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitems__(self, positions: np.ndarray) -> EmbedBatch:
        """The whole batch in one call."""
        return EmbedBatch(self.source.fetch(positions), torch.from_numpy(positions))


def batch_loader(dataset: Dataset[Any], batches: Iterable[Any], *, workers: int) -> DataLoader[Any]:
    """A loader that asks `dataset` for one whole batch at a time, in `workers` processes (0: in this one)."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=_whole_batch,
        num_workers=workers,
        persistent_workers=workers > 0,
        # each epoch draws a seed for the workers: from here, as the global generator is training's own
        generator=torch.Generator().manual_seed(0),
    )


def _whole_batch(batch: Any) -> Any:
    return batch
