"""Images meet others of their class, queries their targets; each once an epoch, as the seed says."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xmr.core.errors import ConfigError, DataError
from xmr.data.composed import composed_split
from xmr.data.dataset import Item, RetrievalDataset, Split
from xmr.data.images import FolderImages
from xmr.data.label_samplers import EveryQuery, SameLabelPairs
from xmr.data.shapes import load_shapes


def images_of(sizes: dict[str, int], relevance: str = "label") -> Split:
    """Images of classes of these sizes, mixed."""
    items = [Item(f"{c}{n}", f"{c}{n}", (c,), "train", c) for c, size in sizes.items() for n in range(size)]
    order = np.random.default_rng(0).permutation(len(items))
    return RetrievalDataset(
        "toy", tuple(items[i] for i in order), FolderImages(Path()), relevance=relevance
    ).split("train")


@pytest.mark.parametrize("images_per_class", [0, 2, 3, 50])
def test_each_image_meets_another_of_its_class(images_per_class):
    split = images_of({"a": 2, "b": 7, "c": 30, "d": 3})
    sampler = SameLabelPairs(images_per_class=images_per_class)
    for seed in range(20):
        image, other = sampler.pairs(split, np.random.default_rng(seed))
        assert sorted(image) == list(range(42))
        assert (split.labels[image] == split.labels[other]).all()
        assert (image != other).all()


def test_every_other_image_of_the_class_is_as_likely():
    split = images_of({"a": 4, "b": 1000})
    first = int(np.flatnonzero(split.labels == "a")[0])
    sampler, rng, drawn = SameLabelPairs(), np.random.default_rng(0), Counter()
    for _ in range(3000):
        image, other = sampler.pairs(split, rng)
        drawn[split.image_ids[other[image == first][0]]] += 1
    assert len(drawn) == 3
    assert all(abs(count - 1000) < 130 for count in drawn.values())  # five standard deviations


def test_images_of_a_class_come_in_runs():
    split = images_of({"a": 8, "b": 8, "c": 10})
    image, _ = SameLabelPairs(images_per_class=4).pairs(split, np.random.default_rng(0))
    labels = split.labels[image].tolist()
    runs = [label for n, label in enumerate(labels) if n == 0 or labels[n - 1] != label]
    assert len(runs) < 26 / 3
    # the same, run by run: 2 of 4 images for a and b, 2 of 4 and one of 2 for c
    sizes = Counter()
    while labels:
        size = 4 if labels[:4] == labels[:1] * 4 else 2
        sizes[labels[0], size] += 1
        assert set(labels[:size]) == {labels[0]}
        labels = labels[size:]
    assert sizes == {("a", 4): 2, ("b", 4): 2, ("c", 4): 2, ("c", 2): 1}


def test_order_and_partners_follow_the_seed():
    split = images_of({"a": 9, "b": 9})
    one, same, other = (SameLabelPairs().pairs(split, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_a_class_of_one_is_paired_with_itself_and_counted(caplog):
    split = images_of({"a": 3, "b": 1, "c": 1})
    sampler = SameLabelPairs()
    for seed in range(3):
        image, other = sampler.pairs(split, np.random.default_rng(seed))
        assert sum(image == other) == 2
    assert caplog.text.count("2 of 3 classes have one image, which is paired with itself") == 1


def test_settings_and_splits_that_can_teach_nothing():
    with pytest.raises(DataError, match="no class of the 5 of this split has two images"):
        SameLabelPairs().pairs(images_of({"a": 3, "b": 2}, relevance="item"), np.random.default_rng(0))
    for wrong in (1, -1, 2.5):
        with pytest.raises(ConfigError, match=f"images_per_class={wrong}"):
            SameLabelPairs(images_per_class=wrong)


def test_every_query_meets_its_target_once():
    split = composed_split(load_shapes(size=150), "train")
    target, query = EveryQuery().pairs(split, np.random.default_rng(3))
    assert sorted(query) == list(range(len(split.query_ids)))
    assert (split.gallery_ids[target] == split.target_ids[query]).all()
    assert (query != np.arange(len(query))).any()
    again = EveryQuery().pairs(split, np.random.default_rng(3))
    assert (again == np.stack([target, query])).all()


def test_one_query():
    split = composed_split(load_shapes(size=150), "train")
    one = replace(split, query_ids=split.query_ids[:1], target_rows=split.target_rows[:1])
    assert EveryQuery().pairs(one, np.random.default_rng(0)).tolist() == [[split.target_rows[0]], [0]]
