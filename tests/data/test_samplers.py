from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmr.core.errors import ConfigError
from xmr.data.dataset import Item, RetrievalDataset, Split
from xmr.data.images import FolderImages
from xmr.data.samplers import EveryText, OneTextPerImage, PairBatches

SAMPLERS = [OneTextPerImage(), EveryText()]
by_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)


def split(images: int = 23) -> Split:
    """Images with one to three texts each, in an order that is not that of their ids."""
    items = tuple(
        Item(f"{i * 7 % 100:02}", f"{i}.png", tuple(f"text {i} {n}" for n in range(1 + i % 3)), "train")
        for i in range(images)
    )
    return RetrievalDataset("toy", items, FolderImages(Path())).split("train")


def classes(images: int = 12) -> Split:
    """Three classes; two of the texts of a class are shared by all its images."""
    items = tuple(
        Item(f"i{i}", f"{i}.png", (f"a class {i % 3}", f"one of {i % 3}"), "train", f"class{i % 3}")
        for i in range(images)
    )
    return RetrievalDataset("toy", items, FolderImages(Path()), relevance="label").split("train")


def batches(sampler: Any, data: Split, size: int = 5, **settings: Any) -> PairBatches:
    return PairBatches(data, sampler, size, settings.pop("seed", 4), **settings)


def epoch_of(stream: PairBatches, epoch: int) -> list[tuple[list[int], list[int]]]:
    stream.set_epoch(epoch)
    return [(images.tolist(), texts.tolist()) for images, texts in stream]


@by_sampler
@pytest.mark.parametrize("data", [split(), classes()], ids=["items", "labels"])
def test_texts_belong_to_their_image(sampler, data):
    images, texts = sampler.pairs(data, np.random.default_rng(0))
    assert (data.image_item_ids[images] == data.text_item_ids[texts]).all()


def test_one_text_takes_each_image_once_an_epoch_and_each_text_some_time():
    data, seen = split(), Counter()
    for epoch in range(60):
        images, texts = OneTextPerImage().pairs(data, np.random.default_rng(epoch))
        assert sorted(images) == list(range(23))
        seen.update(texts.tolist())
    assert set(seen) == set(range(len(data.texts)))
    twins = [[seen[t] for t in np.flatnonzero(data.text_item_ids == item)] for item in data.image_item_ids]
    # 60 draws among three texts: 20 each, give or take
    assert all(min(counts) >= 6 for counts in twins)


@pytest.mark.parametrize("data", [split(), classes()], ids=["items", "labels"])
def test_every_text_takes_each_matching_pair_once_an_epoch(data):
    images, texts = EveryText().pairs(data, np.random.default_rng(0))
    expected = [
        (i, t)
        for i, item in enumerate(data.image_item_ids)
        for t, of in enumerate(data.text_item_ids)
        if item == of
    ]
    assert sorted(zip(images.tolist(), texts.tolist(), strict=True)) == expected


def test_labels_share_texts_between_images():
    data = classes()
    assert data.texts == tuple(f"{words} {c}" for c in range(3) for words in ("a class", "one of"))
    assert data.text_counts.tolist() == [2] * 12
    images, _ = OneTextPerImage().pairs(data, np.random.default_rng(0))
    assert len(set(images.tolist())) == 12


@by_sampler
def test_an_epoch_is_a_function_of_seed_and_epoch_alone(sampler):
    stream = batches(sampler, split())
    third = epoch_of(stream, 3)
    np.random.seed(99)
    np.random.rand(5)
    assert epoch_of(batches(sampler, split()), 3) == third
    assert epoch_of(stream, 0) != third
    assert epoch_of(stream, 3) == third
    assert epoch_of(batches(sampler, split(), seed=5), 3) != third


@by_sampler
def test_batches_are_whole(sampler):
    stream = batches(sampler, split())
    epoch = epoch_of(stream, 0)
    n_pairs = sampler.pairs(stream.split, np.random.default_rng(0)).shape[1]
    assert len(epoch) == len(stream) == n_pairs // 5
    assert {len(images) for images, _ in epoch} == {5}


@by_sampler
def test_a_split_smaller_than_a_batch_is_one_batch(sampler):
    stream = batches(sampler, split(3), size=100)
    ((images, texts),) = epoch_of(stream, 0)
    assert len(stream) == 1
    assert set(images) == {0, 1, 2}
    assert len(images) == len(texts)


@by_sampler
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_partition_each_batch(sampler, world_size):
    alone = epoch_of(batches(sampler, split(), size=6), 2)
    shares = [
        epoch_of(batches(sampler, split(), size=6, rank=rank, world_size=world_size), 2)
        for rank in range(world_size)
    ]
    for whole, *parts in zip(alone, *shares, strict=True):
        assert {len(images) for images, _ in parts} == {6 // world_size}
        for column in (0, 1):
            assert sorted(whole[column]) == sorted(position for part in parts for position in part[column])


@by_sampler
@pytest.mark.parametrize("position", [0, 2])
def test_goes_on_at_a_position_and_then_with_whole_epochs(sampler, position):
    stream = batches(sampler, split())
    stream.set_position(4, position)
    stream.set_epoch(4)  # as the first epoch after a resume does
    fresh = batches(sampler, split())
    assert [(i.tolist(), t.tolist()) for i, t in stream] == epoch_of(fresh, 4)[position:]
    assert epoch_of(stream, 5) == epoch_of(fresh, 5)


@pytest.mark.parametrize(("size", "seed", "named"), [(0, 0, "batch_size=0"), (4, -1, "seed=-1")])
def test_errors_name_the_setting(size, seed, named):
    with pytest.raises(ConfigError, match=named):
        PairBatches(split(), OneTextPerImage(), size, seed)
