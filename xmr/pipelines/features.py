"""Sources of images and texts: features from the cache where an encoder is frozen, prepared inputs else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xmr.core.files import fingerprint
from xmr.core.protocols import Inputs
from xmr.core.types import Modality
from xmr.data.dataset import RetrievalDataset
from xmr.data.feature_cache import FeatureCache
from xmr.data.sources import CachedFeatures, EmbedDataset, Images, Source, Switchable, Texts, batch_loader
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.precomputed import PrecomputedFeatures
from xmr.models.dual_encoder import DualEncoder


@dataclass(frozen=True)
class FeatureExtraction:
    """How features are computed: where they are kept, on which device, in which batches."""

    cache: FeatureCache
    device: torch.device
    workers: int = 0

    @property
    def batch_size(self) -> int:
        """Small on a CPU, where memory for larger activations costs more than it gains."""
        return 16 if self.device.type == "cpu" else 256


@dataclass(frozen=True)
class SourceMaker:
    """Makes sources of images and of texts for the encoders of `model`.

    The features of the `cached` modalities are computed when they are missing. Where `live` has a flag for
    one, its source gives features until the flag is set, inputs from then on.
    """

    dataset: RetrievalDataset
    model: DualEncoder
    extraction: FeatureExtraction
    cached: frozenset[Modality] = frozenset()
    live: Mapping[Modality, torch.Tensor] = field(default_factory=dict)

    def images(self, keys: Sequence[str], *, what: str) -> Source:
        """The images of the data set with these keys; `what` they are is what progress shows."""
        keys = list(map(str, keys))
        read_image, encoder = self.dataset.read_image, self.model.encoder(Modality.IMAGE)
        if isinstance(encoder, PrecomputedFeatures):
            return CachedFeatures(encoder.rows(keys))
        inputs = Images(read_image, keys, encoder.prepare)
        # what the inputs are, by content: features are found again by it, in whatever split or data set
        return self._source(Modality.IMAGE, inputs, lambda: [read_image.fingerprint(keys), *keys], what)

    def texts(self, texts: Sequence[str], *, what: str) -> Source:
        """These texts."""
        texts, encoder = list(texts), self.model.encoder(Modality.TEXT)
        if isinstance(encoder, PrecomputedFeatures):
            return CachedFeatures(encoder.rows(texts))
        return self._source(Modality.TEXT, Texts(texts, encoder.prepare), lambda: texts, what)

    def _source(self, modality: Modality, inputs: Source, content: Callable[[], Any], what: str) -> Source:
        flag = self.live.get(modality)
        if modality not in self.cached or (flag is not None and bool(flag)):
            return inputs
        weights = encoder_fingerprint(self.model.encoder_module(modality))
        key = f"{modality}-{fingerprint(weights, content())}"
        encoder = self.model.encoder(modality)
        encode = partial(_encode, encoder, inputs, what, self.extraction)
        shape = (len(inputs), encoder.dim)
        features = CachedFeatures(self.extraction.cache.compute(key, shape=shape, batches=encode))
        return features if flag is None else Switchable(features, inputs, flag)


def _encode(
    encoder: Any, source: Source, what: str, extraction: FeatureExtraction, start: int
) -> Iterator[np.ndarray]:
    """Features of the rows from `start` on, batch by batch, under a progress bar."""
    size = extraction.batch_size
    chunks = [np.arange(s, min(s + size, len(source))) for s in range(start, len(source), size)]
    loader = batch_loader(EmbedDataset(source, encoder.modality), chunks, workers=extraction.workers)
    encoder.to(extraction.device).eval()
    with progress_bar() as progress, torch.inference_mode():
        task = progress.add_task(f"{encoder.modality} features, {what}", total=len(source), completed=start)
        for batch in loader:
            yield encoder(to_device(batch.inputs, extraction.device)).float().cpu().numpy()
            progress.advance(task, len(batch.position))


def to_device(inputs: Inputs, device: torch.device) -> Inputs:
    """Inputs on `device`."""
    if isinstance(inputs, torch.Tensor):
        return inputs.to(device)
    return {name: to_device(value, device) for name, value in inputs.items()}


def progress_bar() -> Progress:
    """A bar on stderr: what, how many of how many, time left."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
