"""Pseudo-classes: training items grouped by k-means of their images' features."""

import numpy as np
import torch
from torch import Tensor

from xmr.core.errors import ConfigError
from xmr.data.sources import CachedFeatures, Source, Switchable


def clusters_of_items(images: Source, item_index: np.ndarray, *, clusters: int, seed: int) -> Tensor:
    """The cluster (items,) int64 of each training item, by the mean of its images' features.

    Zheng et al. 2020, section 5.5. Raises `ConfigError` when there are fewer items than `clusters`, or
    features are not cached.
    """
    from sklearn.cluster import MiniBatchKMeans  # seconds to import, which most runs need not wait for

    features = images.features if isinstance(images, Switchable) else images
    if not isinstance(features, CachedFeatures):
        raise ConfigError(
            "pseudo-classes come from the features of a frozen image encoder; freeze it, and "
            "use features=cached"
        )
    items = int(item_index.max()) + 1
    if clusters > items:
        raise ConfigError(f"loss.clusters={clusters} > {items} training items; use clusters <= {items}")
    sums = np.zeros((items, features.features.shape[1]))
    np.add.at(sums, item_index, features.features)
    means = sums / np.bincount(item_index, minlength=items)[:, None]
    means /= np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-12)
    found = MiniBatchKMeans(clusters, random_state=seed, n_init=3).fit_predict(means)
    return torch.from_numpy(found.astype(np.int64))
