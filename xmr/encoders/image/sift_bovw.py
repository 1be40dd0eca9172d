"""Bag of visual words: SIFT descriptors, counted by the nearest word of a k-means vocabulary."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from xmr.core.errors import DataError, check_whole
from xmr.core.types import Modality
from xmr.encoders.image.sift import DESCRIPTOR, SiftDescriptors

log = logging.getLogger(__name__)

# of one picture, and of all: what the vocabulary is learned from
PER_IMAGE, FITTED = 64, 200_000


@runtime_checkable
class FitsImages(Protocol):
    """An encoder that learns from the training images before all else."""

    def fit_images(self, images: Iterable[Image.Image]) -> None:
        """Learn from `images` (RGB), which must be of the training split only."""


class SiftBoVW(nn.Module):
    """SIFT descriptors (B, K, 128) -> L2-normalised histogram of visual words (B, words), each in [0, 1].

    A picture without keypoints gets the uniform histogram, which says nothing for or against any word.
    `fit_images` learns the vocabulary by k-means, once, from a sample of at most 200,000 descriptors drawn
    by `seed`. No gradient flows. `size`: the longer side in pixels that larger pictures are reduced to;
    `keypoints`: the strongest of a picture.
    Source: Sivic and Zisserman, Video Google, ICCV 2003; SIFT: Lowe, IJCV 2004 (OpenCV's).
    """

    modality = Modality.IMAGE

    def __init__(self, *, words: int = 256, keypoints: int = 256, size: int = 320, seed: int = 0) -> None:
        super().__init__()
        check_whole(2, words=words)
        self.dim = words
        self.seed = seed
        self.vocabulary: Tensor
        self.register_buffer("vocabulary", torch.zeros(words, DESCRIPTOR))
        self.prepare = SiftDescriptors(keypoints=keypoints, size=size)
        self.preprocessing: Mapping[str, Any] = self.prepare.describe()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """{"descriptors": (B, K, 128), "mask": (B, K)} -> histogram (B, words) of unit norm."""
        if not self.vocabulary.any():
            raise DataError("the visual words are not fitted; call fit_images with the training images first")
        mask = inputs["mask"]
        vocabulary = self.vocabulary.expand(len(mask), -1, -1)
        nearest = torch.cdist(inputs["descriptors"].float(), vocabulary).argmin(2)
        counts = vocabulary.new_zeros(len(mask), self.dim).scatter_add_(1, nearest, mask.float())
        return normalize(torch.where(mask.any(1, keepdim=True), counts, 1.0))

    def fit_images(self, images: Iterable[Image.Image]) -> None:
        """Learn the visual words from the training `images` (RGB).

        Raises `DataError` when they have fewer descriptors than there are words.
        """
        # seconds to import: only those who fit pay
        from sklearn.cluster import MiniBatchKMeans

        random = np.random.default_rng(self.seed)
        found = [_sample(self.prepare.descriptors(image), PER_IMAGE, random) for image in images]
        sample = _sample(np.concatenate([np.empty((0, DESCRIPTOR), np.uint8), *found]), FITTED, random)
        if len(sample) < self.dim:
            raise DataError(
                f"words={self.dim} > {len(sample)} SIFT descriptors of {len(found)} training images; "
                f"use fewer words, or more and larger images"
            )
        clusters = MiniBatchKMeans(self.dim, random_state=self.seed, batch_size=4096, n_init=3)
        clusters.fit(sample.astype(np.float32))
        self.vocabulary.copy_(torch.from_numpy(clusters.cluster_centers_))
        log.info("%d visual words from %d descriptors of %d images", self.dim, len(sample), len(found))


def _sample(rows: Any, limit: int, random: np.random.Generator) -> np.ndarray:
    """At most `limit` rows, drawn without replacement."""
    return rows if len(rows) <= limit else rows[random.choice(len(rows), limit, replace=False)]
