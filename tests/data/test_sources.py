from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xmr.core.errors import DataError
from xmr.core.types import Modality
from xmr.data.images import FolderImages
from xmr.data.sources import (
    CachedFeatures,
    Composed,
    EmbedDataset,
    Images,
    PairDataset,
    Rows,
    Switchable,
    Texts,
    batch_loader,
)


def pixels(images):
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images])


def tokens(texts):
    ids = torch.tensor([[len(text), ord(text[0])] for text in texts])
    return {"ids": ids, "mask": torch.ones_like(ids)}


@pytest.fixture(params=["features", "memory-mapped features", "images", "texts"])
def source(request: pytest.FixtureRequest, tmp_path: Path):
    features = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    if request.param == "features":
        return CachedFeatures(features)
    if request.param == "memory-mapped features":
        np.save(tmp_path / "f.npy", features)
        return CachedFeatures(np.load(tmp_path / "f.npy", mmap_mode="r"))
    if request.param == "images":
        for i in range(9):
            Image.new("RGB", (4, 3), (i, 2 * i, 255 - i)).save(tmp_path / f"{i}.png")
        return Images(FolderImages(tmp_path), np.array([f"{i}.png" for i in range(9)]), pixels)
    return Texts([f"{chr(97 + i)}{'x' * i}" for i in range(9)], tokens)


def equal(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def joined(parts):
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(parts)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def test_a_batch_equals_its_items_one_by_one(source):
    positions = np.array([3, 8, 0, 3])
    one_by_one = joined([source.fetch(positions[i : i + 1]) for i in range(4)])
    assert len(source) == 9
    assert equal(source.fetch(positions), one_by_one)
    other = joined([source.fetch(positions[:1]) for _ in range(4)])
    assert not equal(source.fetch(positions), other)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_each_batch_whole_and_in_order(source, workers):
    batches = [np.array([4, 1]), np.array([7]), np.array([0, 2, 8])]
    loaded = list(batch_loader(EmbedDataset(source, Modality.IMAGE), batches, workers=workers))
    assert [batch.position.tolist() for batch in loaded] == [[4, 1], [7], [0, 2, 8]]
    for batch, positions in zip(loaded, batches, strict=True):
        assert equal(batch.inputs, source.fetch(positions))


def test_pairs_carry_the_item_of_their_image():
    image, text = (CachedFeatures(np.arange(n, dtype=np.float32)[:, None]) for n in (4, 8))
    pairs = PairDataset(image, text, np.array([5, 6, 7, 6]))
    (batch,) = batch_loader(pairs, [(np.array([3, 0]), np.array([7, 1]))], workers=0)
    assert batch.image.flatten().tolist() == [3, 0]
    assert batch.text.flatten().tolist() == [7, 1]
    assert batch.item_id.tolist() == [6, 5]


def test_loading_leaves_the_global_random_state_alone(source):
    loader = batch_loader(EmbedDataset(source, Modality.IMAGE), [np.array([0])], workers=0)
    before = torch.get_rng_state()
    list(loader)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unreadable_image_is_named_from_a_worker_too(tmp_path):
    source = Images(FolderImages(tmp_path), np.array(["gone.png"]), pixels)
    with pytest.raises(DataError, match=r"gone\.png does not exist"):
        list(batch_loader(EmbedDataset(source, Modality.IMAGE), [np.array([0])], workers=1))


def test_rows_of_another_source_come_in_their_own_order():
    source = CachedFeatures(np.arange(8, dtype=np.float32).reshape(4, 2))
    rows = Rows(source, np.array([3, 0, 3]))
    assert len(rows) == 3
    assert rows.fetch(np.array([2, 1])).tolist() == [[6.0, 7.0], [0.0, 1.0]]


def test_a_composed_query_has_the_inputs_of_its_image_and_its_text():
    images = CachedFeatures(np.arange(4, dtype=np.float32)[:, None])
    composed = Composed(images, Texts(["a", "bb", "ccc", "dddd"], tokens))
    fetched = composed.fetch(np.array([2, 0]))
    assert fetched["image"].tolist() == [[2.0], [0.0]]
    assert fetched["text"]["ids"][:, 0].tolist() == [3, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_source_that_switches_does_so_in_running_workers(workers):
    live = torch.zeros(1).share_memory_()
    source = Switchable(
        CachedFeatures(np.zeros((3, 1), np.float32)), CachedFeatures(np.ones((3, 1), np.float32)), live
    )
    loader = batch_loader(
        EmbedDataset(source, Modality.IMAGE), [np.array([0]), np.array([2])], workers=workers
    )
    assert [batch.inputs.item() for batch in loader] == [0, 0]
    live.fill_(1)
    assert [batch.inputs.item() for batch in loader] == [1, 1]
