"""Sources of a split: features from the cache where an encoder is frozen, prepared inputs else."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xmr.core.files import fingerprint
from xmr.core.protocols import Inputs
from xmr.core.types import Modality
from xmr.data.dataset import RetrievalDataset, Split
from xmr.data.feature_cache import FeatureCache
from xmr.data.sources import CachedFeatures, EmbedDataset, Images, Source, Texts, batch_loader
from xmr.encoders.fingerprint import encoder_fingerprint
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


def sources_of(
    dataset: RetrievalDataset,
    split: Split,
    model: DualEncoder,
    *,
    cached: frozenset[Modality],
    extraction: FeatureExtraction,
) -> dict[Modality, Source]:
    """A source for each modality of `split`; the features of the `cached` ones are computed when missing."""
    keys, texts = list(map(str, split.image_keys)), list(split.texts)
    live: dict[Modality, Source] = {
        Modality.IMAGE: Images(dataset.read_image, keys, model.encoder(Modality.IMAGE).prepare),
        Modality.TEXT: Texts(texts, model.encoder(Modality.TEXT).prepare),
    }
    # what the inputs are, by content: features are found again by it, in whatever split or data set
    content = {Modality.IMAGE: [dataset.read_image.fingerprint(keys), *keys], Modality.TEXT: texts}
    sources = dict(live)
    for modality in cached:
        weights = encoder_fingerprint(model.encoder_module(modality))
        key = f"{modality}-{fingerprint(weights, content[modality])}"
        encode = partial(_encode, model.encoder(modality), live[modality], split.name, extraction)
        shape = (len(live[modality]), model.encoder(modality).dim)
        sources[modality] = CachedFeatures(extraction.cache.compute(key, shape=shape, batches=encode))
    return sources


def _encode(
    encoder: Any, source: Source, split: str, extraction: FeatureExtraction, start: int
) -> Iterator[np.ndarray]:
    """Features of the rows from `start` on, batch by batch, under a progress bar."""
    size = extraction.batch_size
    chunks = [np.arange(s, min(s + size, len(source))) for s in range(start, len(source), size)]
    loader = batch_loader(EmbedDataset(source), chunks, workers=extraction.workers)
    encoder.to(extraction.device).eval()
    with progress_bar() as progress, torch.inference_mode():
        task = progress.add_task(f"{encoder.modality} features, {split}", total=len(source), completed=start)
        for batch in loader:
            yield encoder(to_device(batch.inputs, extraction.device)).float().cpu().numpy()
            progress.advance(task, len(batch.position))


def to_device(inputs: Inputs, device: torch.device) -> Inputs:
    """Inputs on `device`."""
    if isinstance(inputs, torch.Tensor):
        return inputs.to(device)
    return {name: value.to(device) for name, value in inputs.items()}


def progress_bar() -> Progress:
    """A bar on stderr: what, how many of how many, time left."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
