"""Sources: what turns positions in a split into a batch of model inputs, one call a batch."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from xmr.core.protocols import Inputs
from xmr.core.types import Modality
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


class Rows:
    """Some entries of another source, in an order of their own; an entry may come more than once."""

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        self.source = source
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, positions: np.ndarray) -> Inputs:
        """What the other source gives for the rows at `positions` (B,)."""
        return self.source.fetch(self.rows[positions])


class Composed:
    """Composed queries: the inputs, or features, of each reference image and of each text."""

    def __init__(self, images: Source, texts: Source) -> None:
        self.images = images
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def fetch(self, positions: np.ndarray) -> Inputs:
        """{"image": those of the references, "text": those of the texts}."""
        return {"image": self.images.fetch(positions), "text": self.texts.fetch(positions)}


class Switchable:
    """Features while their encoder is frozen, inputs once it learns.

    `live` is a shared tensor (1,), so that workers that already run see it change.
    """

    def __init__(self, features: Source, inputs: Source, live: Tensor) -> None:
        self.features = features
        self.inputs = inputs
        self.live = live

    def __len__(self) -> int:
        return len(self.features)

    def fetch(self, positions: np.ndarray) -> Inputs:
        """Features (B, D), or what `inputs` gives."""
        return (self.inputs if bool(self.live) else self.features).fetch(positions)


class PairBatch(NamedTuple):
    """The two sides of B matching pairs; equal `item_id`s (B,) match each other too.

    The sides are images and texts; or, of other models, two images of a class, or a target image and the
    composed query that it answers.
    """

    image: Inputs
    text: Inputs
    item_id: Tensor


class EmbedBatch(NamedTuple):
    """Inputs of one modality with their positions (B,) in what is embedded."""

    inputs: Inputs
    position: Tensor
    modality: Modality


class PairDataset(Dataset[PairBatch]):
    """Batches of pairs; an index is (positions of one side, of the other), each (B,).

    `item_index` has the item of each entry of the first side, as an integer.
    """

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

    def __init__(self, source: Source, modality: Modality) -> None:
        self.source = source
        self.modality = modality

    def __getitems__(self, positions: np.ndarray) -> EmbedBatch:
        """The whole batch in one call."""
        return EmbedBatch(self.source.fetch(positions), torch.from_numpy(positions), self.modality)


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
