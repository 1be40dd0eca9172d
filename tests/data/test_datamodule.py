import json
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist

from tests.processes import join, start
from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.data.datamodule import RetrievalDataModule
from xmr.data.dataset import Item, RetrievalDataset, Split
from xmr.data.images import FolderImages
from xmr.data.samplers import OneTextPerImage, PairBatches
from xmr.data.sources import CachedFeatures, PairDataset

MODALITIES = (Modality.IMAGE, Modality.TEXT)


def toy(images: int) -> tuple[Split, list[tuple[Modality, CachedFeatures]]]:
    """Images with two texts each, and their sources; the features of row i are [i]."""
    items = tuple(Item(f"i{i}", f"{i}.png", (f"a {i}", f"b {i}"), "train") for i in range(images))
    split = RetrievalDataset("toy", items, FolderImages(Path())).split("train")
    image, text = (np.arange(n, dtype=np.float32)[:, None] for n in (images, 2 * images))
    return split, [(Modality.IMAGE, CachedFeatures(image)), (Modality.TEXT, CachedFeatures(text))]


def module(train: int = 12, evaluation: int = 11, **settings: int) -> RetrievalDataModule:
    settings = {"batch_size": 4, "eval_batch_size": 3, "seed": 7} | settings
    split, ((_, images), (_, texts)) = toy(train)
    pairs = PairDataset(images, texts, split.image_item_index)
    return RetrievalDataModule(
        train=(split, pairs), evaluation=toy(evaluation)[1], sampler=OneTextPerImage(), **settings
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_training_batches_are_those_of_the_sampler(workers):
    data = module(workers=workers)
    loader = data.train_dataloader()
    expected = PairBatches(data.train[0], OneTextPerImage(), 4, seed=7)
    for epoch in range(2):
        data.batches.set_epoch(epoch)
        expected.set_epoch(epoch)
        assert len(loader) == 3
        for batch, (images, texts) in zip(loader, expected, strict=True):
            assert batch.image.flatten().tolist() == images.tolist()
            assert batch.text.flatten().tolist() == texts.tolist()


@pytest.mark.parametrize("evaluation", [1, 2, 11])
def test_evaluation_sees_every_image_and_text_once(evaluation):
    loaders = module(evaluation=evaluation).val_dataloader()
    for modality, loader, count in zip(MODALITIES, loaders, (evaluation, 2 * evaluation), strict=True):
        batches = list(loader)
        positions = [position for batch in batches for position in batch.position.tolist()]
        assert positions == list(range(count)), modality
        assert {batch.modality for batch in batches} == {modality}
        assert [value for batch in batches for value in batch.inputs.flatten().tolist()] == positions
        assert max(len(batch.position) for batch in batches) <= 3


def _write_shares(folder: Path, rank: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    data = module(evaluation=2)
    shares = [[batch.position.tolist() for batch in loader] for loader in data.val_dataloader()]
    train = [batch.image.flatten().int().tolist() for batch in data.train_dataloader()]
    (folder / f"{rank}.json").write_text(json.dumps({"evaluation": shares, "train": train}))
    dist.destroy_process_group()


def test_two_processes_share_the_work(tmp_path):
    """Each has some of even the smallest split: Lightning refuses a process without a batch."""
    processes = [start(_write_shares, tmp_path, rank) for rank in range(2)]
    assert [join(process) for process in processes] == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert (first["evaluation"], second["evaluation"]) == ([[[0]], [[0, 2]]], [[[1]], [[1, 3]]])
    alone = [images.tolist() for images, _ in PairBatches(toy(12)[0], OneTextPerImage(), 4, seed=7)]
    assert [sorted(a + b) for a, b in zip(first["train"], second["train"], strict=True)] == [
        sorted(batch) for batch in alone
    ]


def test_without_training_data_there_is_nothing_to_fit():
    data = RetrievalDataModule(
        train=None, evaluation=toy(3)[1], sampler=OneTextPerImage(), batch_size=2, eval_batch_size=2
    )
    assert len(data.val_dataloader()) == 2
    assert data.state_dict() == {}
    with pytest.raises(RuntimeError, match="evaluation alone"):
        data.train_dataloader()


def test_goes_on_at_the_stored_position():
    data, fresh = module(), PairBatches(toy(12)[0], OneTextPerImage(), 4, seed=7, epoch=2, start=1)
    data.load_state_dict({"epoch": 2, "batch": 1})
    seen = [batch.image.flatten().tolist() for batch in data.train_dataloader()]
    assert seen == [images.tolist() for images, _ in fresh]
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("setting", "named"), [("batch_size", "batch_size=0"), ("eval_batch_size", "eval_batch_size=0")]
)
def test_errors_name_the_setting(setting, named):
    with pytest.raises(ConfigError, match=named):
        module(**{setting: 0})


def test_refuses_a_negative_number_of_workers():
    with pytest.raises(ConfigError, match="workers=-1"):
        module(workers=-1)
