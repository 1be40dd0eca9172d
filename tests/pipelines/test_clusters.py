import numpy as np
import pytest
import torch

from xmr.core.errors import ConfigError
from xmr.data.sources import CachedFeatures, Switchable, Texts
from xmr.pipelines.clusters import clusters_of_items


def groups(images_per_item: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """12 items around 3 directions, and the item of each image."""
    rng = np.random.default_rng(0)
    directions = np.eye(8)[np.arange(12) % 3]
    item = np.repeat(np.arange(12), images_per_item)
    return (directions[item] + 0.05 * rng.normal(size=(len(item), 8))).astype(np.float32), item


@pytest.mark.parametrize("images_per_item", [1, 3])
def test_items_that_look_alike_share_a_cluster(images_per_item):
    features, item = groups(images_per_item)
    found = clusters_of_items(CachedFeatures(features), item, clusters=3, seed=0)
    assert found.dtype == torch.int64
    assert found.shape == (12,)
    for first in range(12):
        for second in range(12):
            assert (found[first] == found[second]) == (first % 3 == second % 3)


def test_the_features_of_an_encoder_that_thaws_later_do():
    features, item = groups()
    source = Switchable(CachedFeatures(features), CachedFeatures(features), torch.zeros(1))
    alone = clusters_of_items(CachedFeatures(features), item, clusters=3, seed=0)
    assert torch.equal(clusters_of_items(source, item, clusters=3, seed=0), alone)


def test_copies_of_one_image_are_clustered_all_the_same():
    found = clusters_of_items(CachedFeatures(np.ones((4, 2), np.float32)), np.arange(4), clusters=2, seed=0)
    assert found.shape == (4,)


def test_more_clusters_than_items_and_live_images_are_refused():
    features, item = groups()
    with pytest.raises(ConfigError, match=r"loss.clusters=13 > 12 training items"):
        clusters_of_items(CachedFeatures(features), item, clusters=13, seed=0)
    with pytest.raises(ConfigError, match="freeze it"):
        clusters_of_items(Texts(["a"], list), item, clusters=3, seed=0)
