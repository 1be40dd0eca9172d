"""Tasks: training pairs that match, protocols that fit, and pictures of what is found."""

import numpy as np
import pytest
import torch

from tests.pipelines.test_features import Pooled
from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.data.composed import composed_split
from xmr.data.dataset import Item, RetrievalDataset
from xmr.data.feature_cache import FeatureCache
from xmr.data.images import FolderImages
from xmr.data.label_samplers import EveryQuery, SameLabelPairs
from xmr.data.shapes import load_shapes
from xmr.encoders.text.gru import MeanWordVectors
from xmr.models.composed_encoder import ComposedEncoder
from xmr.models.dual_encoder import DualEncoder
from xmr.models.fusion.sum import Sum
from xmr.models.heads import LinearHead
from xmr.models.single_encoder import SingleEncoder
from xmr.pipelines.features import FeatureExtraction, SourceMaker
from xmr.pipelines.tasks import protocol_for, task_of


@pytest.fixture(scope="module")
def parts():
    return {
        "image_encoder": Pooled(),
        "text_encoder": MeanWordVectors(vectors="glove_50d"),
        "image_head": LinearHead(in_dim=12, dim=4),
        "text_head": LinearHead(in_dim=50, dim=4),
    }


def maker(dataset, model, folder, cached=frozenset()):
    extraction = FeatureExtraction(FeatureCache(folder), torch.device("cpu"))
    return SourceMaker(dataset, model, extraction, cached)


def labelled(dataset: RetrievalDataset) -> RetrievalDataset:
    """The same pictures with the number of their objects as class."""
    items = tuple(Item(i.item_id, i.image, (i.label,), i.split, i.label) for i in dataset.items)
    return RetrievalDataset("numbers", items, dataset.read_image, relevance="label")


@pytest.mark.parametrize("cached", [frozenset(), frozenset({Modality.IMAGE, Modality.TEXT})])
def test_a_composed_pair_is_a_target_and_its_query(parts, tmp_path, cached):
    dataset = load_shapes(size=40)
    fusion = Sum(dim=4, image_dim=12, text_dim=50, image_tokens=1, text_tokens=1)
    model = ComposedEncoder(**parts, fusion=fusion).eval()
    task = task_of(model.SIDES, dataset)
    make = maker(dataset, model, tmp_path, cached)
    split, pairs = task.training(make)
    rows = EveryQuery().pairs(split, np.random.default_rng(0))[:, :5]
    batch = pairs.__getitems__((rows[0], rows[1]))
    for n, (target, query) in enumerate(rows.T):
        expected = {
            "image": str(split.target_ids[query]),
            "reference": str(split.reference_ids[query]),
            "text": split.texts[query],
        }
        image = make.images([expected["image"]], what="one").fetch(np.array([0]))
        reference = make.images([expected["reference"]], what="one").fetch(np.array([0]))
        assert torch.allclose(batch.image[n], image[0], atol=1e-6)
        assert torch.allclose(batch.text["image"][n], reference[0], atol=1e-6)
        assert split.gallery_ids[target] == expected["image"]
    assert len(set(batch.item_id.tolist())) == len({str(split.target_ids[q]) for q in rows[1]})
    assert int(batch.item_id.max()) < task.training_items()


def test_an_image_pair_is_of_one_class(parts, tmp_path):
    dataset = labelled(load_shapes(size=40))
    model = SingleEncoder(image_encoder=parts["image_encoder"], image_head=parts["image_head"])
    task = task_of(model.SIDES, dataset)
    split, pairs = task.training(maker(dataset, model, tmp_path))
    rows = SameLabelPairs().pairs(split, np.random.default_rng(0))
    assert (split.labels[rows[0]] == split.labels[rows[1]]).all()
    item_id = pairs.__getitems__((rows[0][:4], rows[1][:4])).item_id
    assert item_id.tolist() == split.image_item_index[rows[0][:4]].tolist()
    assert task.training_items() == len(set(split.labels))
    plan = task.plan("val", protocol_for(task, dataset, "val", name=None))
    assert plan.protocol.gallery == "train"
    assert [len(source) for _, source in task.sources("val", maker(dataset, model, tmp_path))] == [
        len(entries.ids) for entries in plan.entries
    ]


def test_a_protocol_of_another_task_or_data_set_is_refused():
    dataset = load_shapes(size=40)
    task = task_of(DualEncoder.SIDES, dataset)
    for name, said in (
        ("composed", "no evaluation of a model of the task image_text"),
        ("coco_5k", "is for data=coco_captions, not shapes"),
        ("class_precision_at_100", "has none"),
        ("standrad", "did you mean 'standard'"),
    ):
        with pytest.raises(ConfigError, match=said):
            task.plan("val", protocol_for(task, dataset, "val", name=name))
    with pytest.raises(ConfigError, match="data=scenes"):
        task_of(SingleEncoder.SIDES, dataset)


def test_the_data_s_name_changes_with_a_composed_query():
    few, more = load_shapes(size=40, composed_per_item=1), load_shapes(size=40, composed_per_item=2)
    composed = [task_of(ComposedEncoder.SIDES, data).data_fingerprint for data in (few, more)]
    pairs = [task_of(DualEncoder.SIDES, data).data_fingerprint for data in (few, more)]
    assert composed[0] != composed[1]
    assert pairs[0] == pairs[1]


def test_a_composed_query_is_shown_with_its_picture_and_text():
    dataset = load_shapes(size=40)
    task, split = task_of(ComposedEncoder.SIDES, dataset), composed_split(dataset, "val")
    query, entry = task.views("val", "composed_to_image")
    shown = query(str(split.query_ids[0]))
    assert shown.text == split.texts[0]
    assert shown.image.tobytes() == dataset.read_image(str(split.reference_keys[0])).tobytes()
    found = entry(str(split.target_ids[0])).image
    assert found.tobytes() == dataset.read_image(str(split.target_ids[0])).tobytes()


def test_a_query_of_a_class_is_shown_by_one_of_its_texts(tmp_path):
    items = tuple(Item(f"{c}{n}", f"{c}{n}.png", (f"a {c}",), "val", c) for c in "ab" for n in range(2))
    dataset = RetrievalDataset("ab", items, FolderImages(tmp_path), relevance="label")
    query, _ = task_of(DualEncoder.SIDES, dataset).views("val", "text_to_image")
    assert query("b").text == query("b#1").text == "a b"
